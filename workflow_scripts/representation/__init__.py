"""Uses of a trained network: embeddings of any videos, their neighbours, and the network for other programs."""
