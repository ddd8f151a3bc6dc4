"""Uses of a trained network: embeddings of any videos, their nearest neighbours, and export to other programs."""
