"""What can be set about the encoding; the defaults are the paper's values where it gives them."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage, raised when the same settings give another result.
VERSIONS = {"fit_codebook": 2, "encode_shard": 2}

# The channels of a descriptor that a config names; mbh is both of MBHx and MBHy.
CHANNELS = ("trajectory", "hog", "hof", "mbh")


@dataclass(frozen=True)
class EncodingSettings:
    """Section `encoding` of the config."""

    pca_variance: float = setting(
        0.9, "Share of the sample's variance that the PCA keeps.", source="paper 4.2", exclusiveMinimum=0, maximum=1
    )
    components: int = setting(256, "Gaussian components of the mixture (GMM).", source="paper 4.2", minimum=1)
    sample_videos: int = setting(
        3500,
        "Videos whose descriptors the PCA and the GMM are fitted on, drawn at random.",
        source="paper 4.2",
        minimum=1,
    )
    sample_descriptors: int = setting(
        500, "Descriptors drawn per sampled video; all where it has fewer.", source="paper 4.2", minimum=1
    )
    sketch_dim: int = setting(
        2000, "Length of the sketch, the vector that describes a video.", source="paper 3.3", minimum=2
    )
    per_channel: bool = setting(
        False,
        "Of the run idt_fisher alone: encode the trajectory, HOG, HOF, MBHx and MBHy each with a PCA to half of its "
        "columns and a mixture of its own, normalise each Fisher vector and concatenate them. The sketches stay the "
        "same.",
        source="ours",
    )
    em_iterations: int = setting(100, "The most EM steps of the mixture's fit.", source="ours", minimum=1)
    em_tolerance: float = setting(
        0.001, "The fit ends when the mean log-likelihood gains less per step.", source="ours", unit="nats", minimum=0
    )
    variance_floor: float = setting(
        0.001,
        "The least variance of a component, as a share of the sample's variance in that column.",
        source="ours",
        exclusiveMinimum=0,
    )
    channels: tuple[str, ...] = CHANNELS  # of the entry of `descriptors`: what describes a trajectory
    seed: int = 0  # the config's seed: of the drawn descriptors, the mixture's start and the sketch
