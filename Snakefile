"""Dense trajectory clustering: from folders of videos to a report.

`snakemake --cores N` runs config.yaml, the demo; `--configfile configs/X.yaml` runs X in its place.
One rule file per noun, in the order of the work; what a rule runs is `workflow_scripts/<noun>/`.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# A config file given on the command line replaces the demo's values; merged over them it would inherit them.
if not workflow.overwrite_configfiles:

    configfile: Path(workflow.basedir) / "config.yaml"


include: "rules/common.smk"
include: "rules/videos.smk"
include: "rules/persons.smk"
include: "rules/trajectories.smk"
include: "rules/encoding.smk"
include: "rules/clusters.smk"
include: "rules/frames.smk"
include: "rules/pretraining.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"


rule all:
    """The report; everything else is on the way to it."""
    default_target: True
    input:
        paths.REPORT,
        paths.CONFIG,
        expand(paths.TABLE, table=config["report"]["tables"]),


onstart:
    begin()


onerror:
    unfinished.mark_failed(workflow.persistence, workflow.scheduler.failed)
