"""The stages of the pipeline, one package per noun; each stage is a plain function in its own file.

All stages use `ground`: `identity` (ids, shards, digests, seeded random numbers), `artifacts` (files that are written
whole), `record_file` and `process_shard` (the stored results per video), `stage` (the command line of
a stage). `configuration` holds the config's schema, its defaults and the graph of runs.
"""
