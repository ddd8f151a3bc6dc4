"""`dtc clean`: deletes the checkpoints from which nothing that the config asks for can go on."""

import logging
import shutil
from pathlib import Path

from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations.checkpoints import size, unneeded
from workflow_scripts.operations.outputs import is_running, outputs

log = logging.getLogger(__name__)


def clean(configfile: list[Path]) -> None:
    """Deletes the checkpoints from which nothing that the config asks for can go on.

    `configfile`: as for snakemake; an empty list means the demo. Raises StageError while a run is going on.
    """
    if is_running():
        raise StageError("a snakemake run is going on in this folder; clean when it has ended")
    done = {output.path for output in outputs(configfile) if output.exists and not output.pending}
    folders = unneeded(read_config(configfile), done)
    n_bytes = sum(map(size, folders))
    for folder in folders:
        log.info("%s", folder)
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    log.info("checkpoints: %d deleted, %.1f MB", len(folders), n_bytes / 1e6)
