"""What a run will cost, before it is submitted: a pilot of a few videos through the CPU stages, extrapolated."""
