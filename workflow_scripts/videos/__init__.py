"""Lists, probes and shards the videos of a dataset, and reads their splits."""
