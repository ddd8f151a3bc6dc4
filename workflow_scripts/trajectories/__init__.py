"""Computes Improved Dense Trajectories of every video by the tracker in `idt_tools` (paper 3.3)."""
