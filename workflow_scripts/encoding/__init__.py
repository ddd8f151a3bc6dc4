"""Encodes the trajectories of a video as one vector of 2,000 numbers (paper 3.3, equations 5-6).

`fit_codebook` fits PCA and Gaussian mixture (`gmm`) to a sample of descriptors and draws the sketch. `encode_shard`
applies them to the videos of a shard, with the modules codebook, fisher_vector and count_sketch of `idt_tools`.
"""
