"""The objectives that a network is pretrained by, by the name that `pretraining.runs.NAME.objective` gives.

A new objective is one module in this folder, named as the objective, with a function `loss(batch: Batch) -> Tensor`
(see `batch`), and one entry here. This module imports no objective, so that Snakemake can read the entries without
torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """The name and the color of a method in the report."""

    title: str
    color: str


@dataclass(frozen=True)
class Objective:
    """What an objective needs, and how the report shows it.

    title: of its loss in the report; looks: of its runs, by the run's `clusters` ("": it takes none); keys: the keys of
    the section `pretraining` that not every objective reads; bank: it compares embeddings with a memory bank; labels:
    it learns the videos' labels.
    """

    title: str
    looks: Mapping[str, Look]
    keys: frozenset[str] = frozenset()
    bank: bool = True
    labels: bool = False

    @property
    def clusters(self) -> list[str]:
        """The spaces of clusters that a run chooses from; none if the objective needs no clusters."""
        return [clusters for clusters in self.looks if clusters]

    @property
    def class_head(self) -> bool:
        """Whether the network's outputs are scores of classes, not embeddings."""
        return self.labels and not self.bank


BANK_KEYS = frozenset({"embedding_dim", "temperature", "bank_momentum"})
CLUSTERS_KEYS = frozenset({"k", "m", "cluster_method"})

# In the order of the paper's table 1. Colors are of Okabe and Ito's palette.
OBJECTIVES = {
    "instance": Objective(
        title="Instance recognition",
        looks={"": Look("Video IR", "#c673a4")},
        keys=BANK_KEYS | {"negatives"},
    ),
    "local_aggregation": Objective(
        title="Local aggregation",
        looks={
            "network": Look("Video LA", "#0b7ab8"),
            "idt": Look("Video LA + IDT prior", "#d9601a"),
            "joint": Look("Video LA + IDT prior, joint space", "#e0a100"),
        },
        keys=BANK_KEYS | CLUSTERS_KEYS | {"neighbours"},
    ),
    "supervised": Objective(
        title="Cross-entropy, with labels",
        looks={"": Look("Supervised", "#1d2129")},  # the color of the page's text
        bank=False,
        labels=True,
    ),
}
