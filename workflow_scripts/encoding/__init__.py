"""Encoding: from a video's trajectories to one vector of 2,000 numbers (paper 3.3, equations 5-6).

`fit_codebook` fits PCA and Gaussian mixture on a sample of descriptors and draws the sketch; `encode_shard` applies
them to every video of a shard. The mathematics is in `idt_tools.codebook`, `idt_tools.fisher_vector` and
`idt_tools.count_sketch`; `gmm` fits the mixture.
"""
