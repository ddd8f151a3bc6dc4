"""The settings of the clusters. The defaults are the values of the paper where it gives them."""

from dataclasses import dataclass

from workflow_scripts.clusters.methods import METHODS
from workflow_scripts.ground.setting import setting
from workflow_scripts.ground.stage import StageError

# The VERSION of each stage. Raise it when the same settings give other clusters.
VERSIONS = {"cluster_sketches": 1}


@dataclass(frozen=True)
class ClustersSettings:
    """Section `clusters` of the config."""

    method: str = setting("kmeans", "Method that forms the clusters.", source="paper 4.2", enum=list(METHODS))
    k: int = setting(
        6000,
        "Clusters per clustering. 1/50 to 1/10 of the number of videos is suitable; 1/2 or more is an error.",
        source="paper 4.2",
        minimum=1,
    )
    m: int = setting(
        3,
        "Clusterings with different seeds. Two videos are close neighbours if they share a cluster in at least one.",
        source="paper 4.2",
        minimum=1,
    )
    iterations: int = setting(
        20, "Steps of Lloyd's algorithm per clustering of sketches.", source="authors' code", minimum=1
    )
    seed: int = 0  # the config's seed; clustering i starts from seed + i


def check_k(k: int, n_videos: int) -> None:
    """Raises StageError if `k` is at least half of the number of videos, because most clusters would hold one video."""
    if k > 1 and 2 * k >= n_videos:
        fewest, most = (max(1, n_videos // divisor) for divisor in (50, 10))
        raise StageError(
            f"k = {k} is too large for {n_videos} videos: most clusters would hold one video. Set clusters.k (or the "
            f"run's k) {f'between {fewest} and {most}' if fewest < most else f'to {most}'}"
        )
