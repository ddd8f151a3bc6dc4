"""Clusters: K-means of the videos in the space of their sketches, several runs (paper 3.3, 4.2).

`kmeans` is the algorithm, for this stage and for the re-clustering during training; `cluster_sketches` is the stage.
"""
