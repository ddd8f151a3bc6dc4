"""Dense trajectory clustering: from folders of videos to a report.

`snakemake --cores N` runs config.yaml, the demo; with `--configfile configs/X.yaml` it runs X.
The files of rules are included in the order of the work. The rules in NOUN.smk run stages in `workflow_scripts/NOUN/`.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# A config file on the command line replaces the demo's config. With `configfile`, Snakemake would merge the two.
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
    """The report, the resolved config and the tables of the paper."""
    default_target: True
    input:
        paths.REPORT,
        paths.CONFIG,
        expand(paths.TABLE, table=config["report"]["tables"]),


onstart:
    begin()


onerror:
    unfinished.mark_failed(workflow.persistence, workflow.scheduler.failed)
