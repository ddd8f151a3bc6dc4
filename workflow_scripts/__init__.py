"""The stages of the pipeline, one package per noun; each stage is a plain function in its own file.

All stages use `ground`: `identity` (ids, shards, digests, seeded random numbers), `artifacts` (files that are written
whole), `record_file` and `process_shard` (the stored results per video), `stage` (the command line of
a stage). `configuration` holds the config's schema, its defaults and the graph of runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_scripts.results import Results


def open_results(folder: str | Path = "results") -> "Results":
    """Opens the results of a run, the folder `results` of the folder in which snakemake ran.

    Raises StageError if it holds no results.
    """
    from workflow_scripts.results import Results  # pandas and torch, which Snakemake's start does not need

    return Results(Path(folder))
