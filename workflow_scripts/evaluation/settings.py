"""Settings of the evaluation (paper 4.2, 4.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow_scripts.ground.setting import setting
from workflow_scripts.pretraining.settings import KNN_NEIGHBOURS, KNN_TEMPERATURE, PretrainingSettings, clips_per_pass
from workflow_scripts.videos.settings import LAYOUTS

# The VERSION of each stage, raised when the same settings give another result.
VERSIONS = {"finetune": 7, "features": 2, "linear": 6, "knn": 7, "svm": 6, "cluster_bank": 1}

# The runs without a network, which every config has, and the dataset of the encoding that their linear SVM reads.
IDT_RUNS = {"idt": "sketch", "idt_fisher": "fisher"}


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the protocols. A key's prefix names its protocol; `clips` is for all network protocols."""

    clips: int = setting(
        5, "Random clips per test video, and per video for its features. Centre crop.", source="paper 4.2"
    )

    finetune_epochs: int = setting(
        40, "Passes over the training part. The authors' code uses 40 on UCF101, 30 on HMDB51.", source="authors' code"
    )
    finetune_batch_size: int = setting(
        128, "Videos per step; fewer if the training part is smaller.", source="paper 4.2"
    )
    finetune_lr: float = setting(
        0.1, "Learning rate of SGD, the same with and without pretraining.", source="paper 4.2"
    )
    finetune_momentum: float = setting(0.9, "Momentum of SGD.", source="paper 4.2")
    finetune_dampening: float = setting(
        0.9,
        "Dampening of the momentum. With dampening 0.9, a learning rate of 0.1 acts like 0.01 without dampening.",
        source="authors' code, reference [14]",
    )
    finetune_weight_decay: float = setting(
        0.001, "L2 penalty on all trained weights.", source="authors' code, reference [14]"
    )
    finetune_validation_fraction: float = setting(
        0.1,
        "Share of the training part that is held out for validation, in whole groups if the dataset has groups. Its "
        "loss decides when the learning rate drops.",
        source="ours",
        minimum=0,
        exclusiveMaximum=1,
    )
    finetune_refit: bool = setting(
        True,
        "Whether to train a second time, on the whole training part with the same learning rates. This "
        "doubles the time.",
        source="ours",
    )
    finetune_plateau_patience: int = setting(
        5, "Epochs without a lower validation loss before the learning rate drops.", source="authors' code"
    )
    finetune_plateau_factor: float = setting(0.1, "Factor on the learning rate at each drop.", source="paper 4.2")
    finetune_crop: str = setting(
        "random",
        "Position of a training clip's square. random: anywhere in the frame; corner: the centre or one of the "
        "corners, as in reference [14].",
        source="paper 4.2, authors' code",
        enum=["corner", "random"],
    )
    finetune_n_scales: int = setting(
        5,
        "Sizes of the square to draw from: the first n of 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2 of the frame's shorter side. "
        "The authors' code uses 2.",
        source="paper 4.2, reference [14]",
        minimum=1,
        maximum=5,
    )
    finetune_freeze_blocks: Mapping[str, int] = setting(
        {"ucf101": 1, "hmdb51": 2, "other": 1},
        "First residual blocks that keep their pretrained weights, with the layers below them, by the dataset's "
        "layout. `other` (ours) is for all other layouts. From scratch, nothing is frozen.",
        source="paper 4.2",
        propertyNames={"enum": [*LAYOUTS, "other"]},
        additionalProperties={"minimum": 0, "maximum": 4},
    )

    linear_shots: Sequence[int] = setting(
        (1, 5, 10, 20), 'Training videos per class. "all" is always added.', source="paper table 2"
    )
    linear_draws: int = setting(10, "Random choices of the training videos per number of shots.", source="ours")
    linear_c: float = setting(
        100.0,
        "Inverse strength of the L2 penalty of the logistic regression on L2-normalised features.",
        source="ours",
    )
    knn_neighbours: int = setting(
        KNN_NEIGHBOURS, "Nearest training videos that vote in the k-nearest-neighbour check.", source="ours", minimum=1
    )
    knn_temperature: float = setting(
        KNN_TEMPERATURE, "Temperature of the votes: a vote weighs exp(cosine / temperature).", source="reference [46]"
    )

    svm_c: float = setting(
        100.0, "Inverse strength of the L2 penalty of the linear SVM on L2-normalised vectors.", source="reference [42]"
    )


@dataclass(frozen=True)
class Architecture:
    """The network's shape, input and number format, for a network from scratch. Others read them from model.pt."""

    depth: int = PretrainingSettings.depth
    width: float = PretrainingSettings.width
    shortcut: str = PretrainingSettings.shortcut
    clip_length: int = PretrainingSettings.clip_length
    frame_interval: int = PretrainingSettings.frame_interval
    crop_size: int = PretrainingSettings.crop_size
    precision: str = PretrainingSettings.precision

    @property
    def clips_per_pass(self) -> int:
        """The most clips in one pass of the network, by `micro_batch: auto`."""
        return clips_per_pass(
            PretrainingSettings(width=self.width, clip_length=self.clip_length, crop_size=self.crop_size)
        )
