"""Clusters: groups of videos in the space of their sketches (paper 3.3, 4.2).

`cluster` calls the method that the settings name, `methods` lists the methods, and `cluster_sketches` is the stage.
"""
