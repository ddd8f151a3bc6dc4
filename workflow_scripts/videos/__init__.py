"""Find, probe, identify and shard the videos; read their splits; generate the demo's."""
