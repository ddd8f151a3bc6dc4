"""Clusters: groups of videos in the space of their sketches (paper 3.3, 4.2).

`cluster` is the one entry to every clustering method; `methods` lists the methods; `cluster_sketches` is the stage.
"""
