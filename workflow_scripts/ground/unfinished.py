"""Makes Snakemake ask again for what a failed job did not make, whatever is the target.

Snakemake (9.27) writes down the parameters and inputs of a failed job as if it had made its output. While that is
missing, nothing tells any more that what was made from its predecessor is outdated: `snakemake results/.../model.pt`
and the whole run answer "Nothing to be done". So the record of such an output is given parameters that no job has.
"""

from collections.abc import Iterable
from typing import Any

FAILED = ["the job failed"]


def mark_failed(persistence: Any, jobs: Iterable[Any]) -> None:
    """Writes into Snakemake's records of the `jobs`' outputs that their parameters are not those of any job."""
    for job in jobs:
        for output in job.output:
            key = persistence._get_key(output)
            record = persistence._read_record(key)
            if record is not None:
                record.params = FAILED
                persistence._write_record(key, record)
