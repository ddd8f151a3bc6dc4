"""The clustering methods, by the name that `clusters.method` gives.

A new method is one module with a function `cluster(points, settings, device) -> Clustering`, and one entry here. This
module imports no method, so that Snakemake can read the names without torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A clustering method.

    title: its name in texts; module: where its function `cluster` is.
    """

    title: str
    module: str


METHODS = {
    "kmeans": Method("K-means", "workflow_scripts.clusters.kmeans"),
}
