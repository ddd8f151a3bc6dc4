"""Settings of the evaluation (paper 4.2, 4.4).

Beside each key: its unit, and where its default is from: the paper; [3] Chen et al. 2019 (few-shot); [14] Hara et
al. 2018 (3D ResNets); [46] Wu et al. 2018 (instance discrimination); the authors' code; or ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflow_scripts.pretraining.settings import KNN_NEIGHBOURS, KNN_TEMPERATURE

# The VERSION of each stage, raised when the same settings give another result.
VERSIONS = {"finetune": 6, "features": 1, "linear": 6, "knn": 6, "svm": 6, "cluster_bank": 1}

# The runs that always exist and train no network: what of the encoding their linear SVM sees.
IDT_RUNS = {"idt": "sketch", "idt_fisher": "fisher"}


@dataclass(frozen=True)
class EvaluationSettings:
    """How the protocols train and test; a key's prefix names its protocol, `clips` is of both network protocols."""

    # Random clips per test video (and per video whose features are taken), centre crop. Paper 4.2.
    clips: int = 5

    # Passes over the training part. Authors' code (UCF101; it takes 30 on HMDB51).
    finetune_epochs: int = 40
    # Videos per step; fewer if the training part is smaller. Paper 4.2.
    finetune_batch_size: int = 128
    # Learning rate of SGD, the same with and without pretraining. Paper 4.2.
    finetune_lr: float = 0.1
    # Momentum of SGD. Paper 4.2.
    finetune_momentum: float = 0.9
    # Dampening of the momentum: with 0.9, a learning rate of 0.1 steps like 0.01 without. Authors' code, [14].
    finetune_dampening: float = 0.9
    # L2 penalty on all trained weights. Authors' code, [14].
    finetune_weight_decay: float = 0.001
    # Share of the training part, in whole groups, kept aside to tell when to lower the learning rate. Ours.
    finetune_validation_fraction: float = 0.1
    # Then train anew on the whole training part, with the learning rates that were found. Ours.
    finetune_refit: bool = True
    # Epochs without a lower validation loss before the learning rate drops. Authors' code.
    finetune_plateau_patience: int = 5
    # What the learning rate is multiplied by then. Paper 4.2.
    finetune_plateau_factor: float = 0.1
    # Where a training clip's square lies: corner (a corner or the centre, as in [14]) or random. Paper 4.2 ("random
    # spatio-temporal cropping"), authors' code.
    finetune_crop: str = "random"
    # Sizes of the square: how many of 1, 2^-1/4, 2^-1/2, 2^-3/4, 1/2 of the frame. Paper 4.2, [14]; authors' code: 2.
    finetune_n_scales: int = 5
    # Residual blocks (layer1, layer2, ...), and the stem below them, that keep their pretrained weights: by layout of
    # the dataset, `other` for the rest. Nothing is frozen from scratch. Paper 4.2 (`other`: ours).
    finetune_freeze_blocks: Mapping[str, int] = field(default_factory=lambda: {"ucf101": 1, "hmdb51": 2, "other": 1})

    # Training videos per class; "all" is always added. Paper table 2.
    linear_shots: Sequence[int] = (1, 5, 10, 20)
    # Random choices of the training videos per number of shots. Ours (the paper does not say).
    linear_draws: int = 10
    # Inverse strength of the L2 penalty of the logistic regression on L2-normalised features. Ours.
    linear_c: float = 100.0
    # Nearest training videos that vote. Ours.
    knn_neighbours: int = KNN_NEIGHBOURS
    # A vote weighs exp(cosine / temperature). [46].
    knn_temperature: float = KNN_TEMPERATURE

    # Inverse strength of the L2 penalty of the linear SVM on L2-normalised vectors. [42].
    svm_c: float = 100.0


@dataclass(frozen=True)
class Architecture:
    """What pretraining and evaluation must share: of a run it is read from model.pt, from scratch it is given here.

    The same keys, with the same defaults, as in the pretraining's settings.
    """

    depth: int = 18  # layers of the 3D ResNet, 10 | 18 | 34; paper 4.2, appendix C
    width: float = 1.0  # factor on all its channel numbers; ours
    shortcut: str = "B"  # type of its shortcuts, A | B; paper 4.2
    clip_length: int = 16  # consecutive frames; paper 4.2, table 3
    crop_size: int = 112  # pixels of a clip's side; paper 4.2, table 7
