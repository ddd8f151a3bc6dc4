"""The stages of the pipeline, one package per noun; each stage is a plain function in a file of its own.

The modules beside the packages are the ground all stages stand on: `identity` (ids, shards, digests, seeded draws),
`artifacts` (files that are whole or not there), `store` (work kept per video), `stage` (the command line over a
stage function) and `config` (the schema, its defaults and the graph of runs).
"""
