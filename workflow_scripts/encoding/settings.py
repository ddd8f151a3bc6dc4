"""Settings of the encoding. The defaults are the paper's values where the paper gives them."""

from dataclasses import dataclass

from idt_tools.codebook import DEFAULT_NORMALISATION
from idt_tools.fisher_vector import NORMALISATIONS
from workflow_scripts.ground.setting import setting

# The VERSION of each stage. Raise it if the same settings give another result.
VERSIONS = {"fit_codebook": 2, "encode_shard": 2, "read_vectors": 1}

# The suffixes of files with a vector per video.
VECTOR_FILES = (".h5", ".hdf5", ".npz", ".csv", ".parquet")

# The channels of a descriptor that a config names; mbh is both of MBHx and MBHy.
CHANNELS = ("trajectory", "hog", "hof", "mbh")


@dataclass(frozen=True)
class EncodingSettings:
    """Section `encoding` of the config."""

    pca_variance: float = setting(
        0.9, "Fraction of the sample's variance that the PCA keeps.", source="paper 4.2", exclusiveMinimum=0, maximum=1
    )
    components: int = setting(256, "Gaussian components of the mixture (GMM).", source="paper 4.2", minimum=1)
    sample_videos: int = setting(
        3500,
        "Number of randomly drawn videos; the PCA and the GMM are fitted to descriptors of these.",
        source="paper 4.2",
        minimum=1,
    )
    sample_descriptors: int = setting(
        500, "Descriptors drawn per sampled video; all of them if it has fewer.", source="paper 4.2", minimum=1
    )
    normalisation: str = setting(
        DEFAULT_NORMALISATION,
        "Normalisation of a Fisher vector. power: the signed square root of each number, then division by the L2 norm.",
        source="paper 3.3",
        enum=list(NORMALISATIONS),
    )
    sketch_dim: int = setting(
        2000, "Length of the sketch, the vector that describes a video.", source="paper 3.3", minimum=2
    )
    per_channel: bool = setting(
        False,
        "For the run idt_fisher: encode the trajectory, HOG, HOF, MBHx and MBHy separately, each with a PCA to half of "
        "its columns and a mixture; normalise the Fisher vectors and concatenate them. The sketches stay the same.",
        source="ours",
    )
    em_iterations: int = setting(100, "Largest number of EM steps.", source="ours", minimum=1)
    em_tolerance: float = setting(
        0.001,
        "EM ends when the mean log-likelihood gains less than this per step.",
        source="ours",
        unit="nats",
        minimum=0,
    )
    variance_floor: float = setting(
        0.001,
        "Smallest variance of a component, as a fraction of the sample's variance in that column.",
        source="ours",
        exclusiveMinimum=0,
    )
    channels: tuple[str, ...] = CHANNELS  # of the entry of `descriptors`
    seed: int = 0  # the config's seed, for the drawn descriptors, the initial mixture and the sketch
