"""The stages of the pipeline, one package per noun; each stage is a plain function in a file of its own.

All stages use `ground`: `identity` (ids, shards, digests, seeded random numbers), `artifacts` (files that are written
whole), `record_file` and `process_shard` (the results per video, kept for the next run), `stage` (the command line of
a stage). `configuration` holds the config's schema, its defaults and the graph of runs.
"""
