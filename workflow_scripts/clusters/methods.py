"""The modules of the clustering methods, by the names in `clusters.method`.

To add a method, add a module with a function `cluster(points, settings, device) -> Clustering` (see `cluster`), and an
entry here. Keys of its own belong in `ClustersSettings`. This module imports no method, so that Snakemake can read the
names without torch.
"""

METHODS = {
    "kmeans": "workflow_scripts.clusters.kmeans",
}
