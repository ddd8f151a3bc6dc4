"""Makes Snakemake run failed jobs again.

Snakemake (9.27) records parameters and inputs of a failed job as if the job had written its output. Files made from
the earlier output then look up to date, and `snakemake results/.../model.pt` prints "Nothing to be done". This
module therefore replaces the recorded parameters by ones that no job has.
"""

from collections.abc import Iterable
from typing import Any

FAILED = ["the job failed"]


def mark_failed(persistence: Any, jobs: Iterable[Any]) -> None:
    """Replaces the parameters in Snakemake's records of the outputs of `jobs`."""
    for job in jobs:
        for output in job.output:
            key = persistence._get_key(output)
            record = persistence._read_record(key)
            if record is not None:
                record.params = FAILED
                persistence._write_record(key, record)
