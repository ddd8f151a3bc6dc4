"""Modules that all stages use: ids, artifacts, the record file, the command line of a stage."""
