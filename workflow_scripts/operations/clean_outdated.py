"""`make clean-outdated`: deletes the checkpoints that nothing which the config asks for can go on from."""

import logging
import shutil
from pathlib import Path

from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.operations.checkpoints import size, unneeded
from workflow_scripts.operations.status import outputs

log = logging.getLogger(__name__)


def clean_outdated(configfile: list[Path]) -> None:
    """Deletes the checkpoints that nothing which the config asks for can go on from.

    `configfile`: as for snakemake; none is the demo. Raises StageError while a run is going on.
    """
    if any(Path(".snakemake/locks").glob("*")):
        raise StageError("a snakemake run is going on in this folder; clean when it has ended")
    config = read_config(configfile)
    done = {output.path for output in outputs(configfile) if output.there and not output.pending}
    folders = unneeded(config, done)
    freed = sum(map(size, folders))
    for folder in folders:
        log.info("%s", folder)
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    log.info("checkpoints: %d deleted, %.1f MB", len(folders), freed / 1e6)


if __name__ == "__main__":
    command_line(clean_outdated)
