"""Training of the 3D ResNet without labels: Video IR, Video LA and LA with the IDT prior (paper, section 3)."""
