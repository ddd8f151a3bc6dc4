"""Each video decoded once, resized and kept as JPEG frames; clips read back for training (paper, section 4.2)."""
