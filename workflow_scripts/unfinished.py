"""Files that are missing because the job that makes them failed: they are asked for again, whatever is the target.

Snakemake (9.27) writes down the parameters and inputs of a failed job as if it had made its output. While that is
missing, nothing tells any more that what was made from its predecessor is outdated: `snakemake results/.../model.pt`
and the whole run answer "Nothing to be done". The same holds for a missing index of videos: what waits for it is not
compared with its inputs. So the outputs of failed jobs are noted until they are there, and both kinds are forced.
"""

from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.artifacts import write_text

NOTED = Path(".snakemake/failed.txt")  # beside Snakemake's own notes, which go with it when the folder is deleted


def note_failed(outputs: Iterable[str]) -> None:
    """Notes `outputs` of failed jobs beside those noted before, and drops those that are there by now."""
    missing = sorted(path for path in {*_noted(), *outputs} if not Path(path).exists())
    if missing or NOTED.exists():
        write_text(NOTED, "".join(f"{path}\n" for path in missing))


def to_force(datasets: Iterable[str]) -> set[str]:
    """The outputs of failed jobs, and the indexes of `datasets`, that are not there."""
    indexes = (f"results/{name}/videos/index.tsv" for name in datasets)
    return {path for path in (*_noted(), *indexes) if not Path(path).exists()}


def _noted() -> list[str]:
    return NOTED.read_text().splitlines() if NOTED.exists() else []
