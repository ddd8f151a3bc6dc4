"""Estimates the cost of a run: runs the CPU stages on a few videos (the pilot) and extrapolates."""
