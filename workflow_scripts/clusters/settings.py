"""What can be set about the clusters; the defaults are the paper's values where it gives them."""

from dataclasses import dataclass

from workflow_scripts.ground.stage import StageError

# The VERSION of each stage, raised when the same settings give other clusters.
VERSIONS = {"cluster_sketches": 1}


@dataclass(frozen=True)
class ClustersSettings:
    """Section `clusters` of the config."""

    method: str = "kmeans"  # a name in clusters.methods (paper 4.2)
    k: int = 6000  # clusters per clustering (paper 4.2)
    m: int = 3  # clusterings from different starts (paper 4.2)
    iterations: int = 20  # Lloyd's steps per clustering (authors' code)
    seed: int = 0  # clustering i starts from seed + i (ours)


def check_k(k: int, n_videos: int) -> None:
    """Raises StageError if `k` clusters are at least half of the videos: most would hold one video or none."""
    if k > 1 and 2 * k >= n_videos:
        fewest, most = (max(1, n_videos // part) for part in (50, 10))
        raise StageError(
            f"k = {k} is too large for {n_videos} videos: most clusters would hold one video. Set clusters.k (or the "
            f"run's k) {f'between {fewest} and {most}' if fewest < most else f'to {most}'}"
        )
