"""The resolved config, and the objects whose methods return inputs and parameters of rules."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from workflow_scripts.configuration import datasets, paths
from workflow_scripts.configuration.inputs import DatasetInputs, stage_inputs
from workflow_scripts.configuration.report_inputs import ReportInputs
from workflow_scripts.configuration.resolve import NAME, SUBSET, resolve
from workflow_scripts.configuration.run_inputs import RunInputs
from workflow_scripts.configuration.stage_settings import version
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.ground import unfinished
from workflow_scripts.ground.stage import StageError
from workflow_scripts.operations import plan

# The stages run in the Python of Snakemake, unless conda provides another one.
if "conda" not in str(workflow.deployment_settings.deployment_method):
    shell.prefix(f'PATH="{Path(sys.executable).parent}:$PATH"; ')

try:
    config = resolve(config)
    entries = {name: datasets.dataset_values(config, name, workflow.basedir) for name in datasets.used_datasets(config)}
except StageError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset=NAME,
    detector=NAME,
    descriptors=NAME,
    space="joint|per_channel",
    shard=r"\d+of\d+",
    run=NAME,
    seed=r"\d+",
    split=r"\d+",
    subset=SUBSET,
    protocol="|".join(PROTOCOLS),
    table="|".join(config["report"]["tables"]) or "(?!)",


def beside_index(dataset, *names):
    """Returns files that the checkpoint `videos` writes in the folder of the index; waits for the index."""
    folder = Path(checkpoints.videos.get(dataset=dataset).output.index).parent
    return [str(folder / name) for name in names]


data = DatasetInputs(config, entries, beside_index)
runs = RunInputs(data)
pages = ReportInputs(runs)


def loaders(wildcards, threads):
    """Returns how many processes load clips: at least eight, because a GPU needs them with few CPU threads too."""
    return max(8, threads)


def begin():
    """Prints the plan. Stops the run if a detector of persons is not installed."""
    rules = {job.rule.name for job in workflow.dag.jobs}
    tables = {job.wildcards.table for job in workflow.dag.jobs if job.rule.name == "paper_table"}
    missing = plan.missing_detectors(config) if rules & {"persons", "report"} else []
    if missing and "conda" not in str(workflow.deployment_settings.deployment_method):
        raise WorkflowError("; ".join(missing))
    pending = {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    print(*plan.plan(config, pending, "report" in rules, tables), sep="\n", flush=True)
    print("During this run: make status, or snakemake --dry-run --nolock.", flush=True)
