"""Pretraining of the 3D ResNet: Video IR, Video LA, Video LA + IDT prior (paper, section 3), and with labels."""
