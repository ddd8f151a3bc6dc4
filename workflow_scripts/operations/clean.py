"""`dtc clean`: deletes the checkpoints that the config does not need."""

import logging
import shutil
from pathlib import Path

from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.checkpoints import folder_size, unneeded_checkpoints
from workflow_scripts.operations.outputs import is_running, outputs

log = logging.getLogger(__name__)


def clean(configfile: list[Path]) -> None:
    """Deletes the checkpoints from which no training or evaluation of the config will resume.

    `configfile`: as for snakemake; an empty list means the demo. Raises StageError while a run is in progress.
    """
    if is_running():
        raise StageError("a snakemake run is in progress in this folder; clean after it")
    done = {output.path for output in outputs(configfile) if output.exists and not output.pending}
    folders = unneeded_checkpoints(read_config(configfile), done)
    n_bytes = sum(map(folder_size, folders))
    for folder in folders:
        log.info("%s", folder)
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    log.info("checkpoints: %d deleted, %.1f MB", len(folders), n_bytes / 1e6)
