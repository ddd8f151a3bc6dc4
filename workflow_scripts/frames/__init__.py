"""Stores the resized frames of each video as JPEG, and reads clips of them for training (paper 4.2)."""
