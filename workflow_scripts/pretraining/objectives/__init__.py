"""The objectives of pretraining that `pretraining.runs.NAME.objective` can name.

To add an objective, add a module with its name and a function `loss(batch: Batch) -> Tensor` (see `batch`) to this
folder, and an entry here. Keys of its own belong in `PretrainingSettings` and in `keys` of the entry. This module
imports no objective, so that Snakemake can read the entries without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """The name and the color of a method in the report."""

    title: str
    color: str


@dataclass(frozen=True)
class Objective:
    """The requirements of an objective, and its style in the report."""

    title: str  # title of the loss in the report
    styles: Mapping[str, Style]  # style of a run, by its `clusters` ("" if it needs none)
    # The keys of `PretrainingSettings` that it reads and that not all objectives read. A key that only other objectives
    # list has its default in the loss, whatever the config says.
    keys: frozenset[str] = frozenset()
    bank: bool = True  # whether it compares embeddings with a memory bank
    labels: bool = False  # whether it learns the labels of the videos

    @property
    def clusters(self) -> list[str]:
        """The spaces of clusters that a run can use; empty if the objective needs no clusters."""
        return [clusters for clusters in self.styles if clusters]

    @property
    def class_head(self) -> bool:
        """Whether the outputs of the network are scores of classes, not embeddings."""
        return self.labels and not self.bank


BANK_KEYS = frozenset({"embedding_dim", "temperature", "bank_momentum"})
CLUSTERS_KEYS = frozenset({"k", "m", "cluster_method"})

# In the order of table 1 of the paper. The colors are from the palette of Okabe and Ito.
OBJECTIVES = {
    "instance": Objective(
        title="Instance recognition",
        styles={"": Style("Video IR", "#c673a4")},
        keys=BANK_KEYS | {"negatives"},
    ),
    "local_aggregation": Objective(
        title="Local aggregation",
        styles={
            "network": Style("Video LA", "#0b7ab8"),
            "idt": Style("Video LA + IDT prior", "#d9601a"),
            "joint": Style("Video LA + IDT prior, joint space", "#e0a100"),
        },
        keys=BANK_KEYS | CLUSTERS_KEYS | {"neighbours"},
    ),
    "supervised": Objective(
        title="Cross-entropy, with labels",
        styles={"": Style("Supervised", "#1d2129")},  # the text color of the page
        bank=False,
        labels=True,
    ),
}
