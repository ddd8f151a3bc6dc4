"""What can be set about the encoding; the defaults are the paper's values where it gives them."""

from dataclasses import dataclass

# The VERSION of each stage, raised when the same settings give another result.
VERSIONS = {"fit_codebook": 2, "encode_shard": 2}


@dataclass(frozen=True)
class EncodingSettings:
    """Section `encoding` of the config."""

    pca_variance: float = 0.9  # share of the sample's variance that the PCA keeps, in (0, 1] (paper 4.2)
    components: int = 256  # Gaussian components of the mixture (paper 4.2)
    sample_videos: int = 3500  # videos in the sample, drawn once by the videos stage (paper 4.2)
    sample_descriptors: int = 500  # descriptors drawn from each of them, all where it has fewer (paper 4.2)
    sketch_dim: int = 2000  # entries of a video's sketch (paper 3.3)
    em_iterations: int = 100  # most EM steps of the mixture's fit (ours)
    em_tolerance: float = 1e-3  # EM ends when the mean log-likelihood, in nats, gains less (ours)
    variance_floor: float = 1e-3  # least variance of a component, as a share of the sample's in that column (ours)
    per_channel: bool = False  # a PCA to half, a mixture and a Fisher vector of each channel ([42], the run idt_fisher)
    seed: int = 0  # of the drawn descriptors, the mixture's start and the sketch (ours)
