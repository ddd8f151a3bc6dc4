"""What can be set about the clusters; the defaults are the paper's values where it gives them."""

from dataclasses import dataclass

VERSION = 1  # raise when the same settings give other clusters


@dataclass(frozen=True)
class ClustersSettings:
    """Section `clusters` of the config."""

    k: int = 6000  # clusters in a run (paper 4.2)
    m: int = 3  # runs of K-means from different starts (paper 4.2)
    iterations: int = 20  # Lloyd's steps of a run (authors' code)
    seed: int = 0  # run i starts by seed + i (ours)
