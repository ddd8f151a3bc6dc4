"""What can be set about the clusters; the defaults are the paper's values where it gives them."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting
from workflow_scripts.ground.stage import StageError

VERSION = 1  # raise when the same settings give other clusters


@dataclass(frozen=True)
class ClustersSettings:
    """Section `clusters` of the config."""

    k: int = setting(
        6000,
        "Clusters per K-means. There must be fewer than half as many as videos; a fiftieth to a tenth of them suits.",
        source="paper 4.2",
        minimum=1,
    )
    m: int = setting(
        3, "Runs of K-means from different starts. Their clusters are joined.", source="paper 4.2", minimum=1
    )
    iterations: int = setting(20, "Steps of Lloyd's algorithm per K-means.", source="authors' code", minimum=1)
    seed: int = 0  # the config's seed; run i starts from seed + i


def check_k(k: int, n_videos: int) -> None:
    """Raises StageError where `k` clusters are at least half of the videos: most would hold one video or none."""
    if k > 1 and 2 * k >= n_videos:
        fewest, most = (max(1, n_videos // part) for part in (50, 10))
        raise StageError(
            f"k = {k} is too large for {n_videos} videos: most clusters would hold one video. Set clusters.k (or the "
            f"run's k) {f'between {fewest} and {most}' if fewest < most else f'to {most}'}"
        )
