"""The clustering methods, by the names in `clusters.method`.

To add a method, add a module with a function `cluster(points, settings, device) -> Clustering`, and an entry here. This
module imports no method, so that Snakemake can read the names without torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A clustering method."""

    title: str  # in the report
    module: str  # with the function `cluster`


METHODS = {
    "kmeans": Method("K-means", "workflow_scripts.clusters.kmeans"),
}
