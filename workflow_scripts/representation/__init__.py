"""A trained network in use: embeddings of any videos, their neighbours, and the network for other programs."""
