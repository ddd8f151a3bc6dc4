"""What the rules share: the resolved config, and functions that name a rule's inputs and parameters."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from workflow_scripts.configuration import config as pipeline
from workflow_scripts.ground import unfinished
from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.evaluation.settings import IDT_RUNS, settings_of
from workflow_scripts.evaluation import judged
from workflow_scripts.ground.identity import digest, shard_of
from workflow_scripts.pretraining.settings import check_clusters, split_of_subset
from workflow_scripts.operations import plan
from workflow_scripts.ground.stage import StageError

# The stages run in the Python that runs Snakemake, whatever `python` means in the shell (conda brings its own).
if "conda" not in str(workflow.deployment_settings.deployment_method):
    shell.prefix(f'PATH="{Path(sys.executable).parent}:$PATH"; ')

try:
    config = pipeline.resolve(config)
    SOURCES = {name: pipeline.dataset_values(config, name, workflow.basedir) for name in pipeline.used_datasets(config)}
except StageError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset=pipeline.NAME,
    detector=pipeline.NAME,
    descriptors=pipeline.NAME,
    space="joint|per_channel",
    shard=r"\d+of\d+",
    run=pipeline.NAME,
    seed=r"\d+",
    split=r"\d+",
    subset=pipeline.SUBSET,
    protocol="finetune|few_shot|svm",
    table="|".join(config["report"]["tables"]) or "(?!)",


# Which videos are refused, as JSON.
READING = pipeline.changed("videos", config["videos"], "ReadingSettings")

PRETRAINING_DATASET = config["pretraining"]["dataset"]


def section(noun, **values):
    """Those keys of a noun's section that differ from the defaults, as JSON; `values` go before the section's."""
    return pipeline.changed(noun, {**config[noun], "seed": config["seed"], **values})


def literal(text):
    """A parameter whose braces stay as they are. Snakemake takes braces in a plain string for wildcards."""
    return lambda wildcards: text


def of_dataset(wildcards):
    """How the dataset lies on disk, as JSON."""
    return pipeline.changed("videos", SOURCES[wildcards.dataset], "DatasetSettings")


def of_run(wildcards):
    """The hyper-parameters that a run reads, as JSON."""
    return pipeline.run_settings(config, wildcards.run)


def run_key(key):
    """A function that gives a run's value of `key`."""
    return lambda wildcards: pipeline.run_values(config, wildcards.run)[key]


def checkpoint_minutes(wildcards):
    """Minutes between a training's checkpoints, as text: numbers would be a sum that all jobs share."""
    return str(pipeline.run_values(config, wildcards.run)["checkpoint_minutes"])


def loaders(wildcards, threads):
    """Processes that load clips beside a GPU: not as many as a network has use for threads on a CPU."""
    return max(8, threads)


def training_threads(wildcards):
    """Cores that the training of a run has use for."""
    return pipeline.training_threads(config, wildcards.run)


def evaluation_threads(wildcards):
    """Cores that the finetuning of a run's network has use for."""
    return pipeline.training_threads(config, wildcards.run, config["evaluation"]["finetune_batch_size"])


def argument(name):
    """`--name file ...` where the input of that name has files, else nothing."""

    def text(wildcards, input):
        files = input[name]
        return pipeline.argument(name, [files] if isinstance(files, str) else files)

    return text


def beside_index(dataset, *names):
    """Files that the checkpoint `videos` writes beside the index; waits for it."""
    folder = Path(checkpoints.videos.get(dataset=dataset).output.index).parent
    return [str(folder / name) for name in names]


def shards(dataset):
    """The shards that hold videos."""
    (folder,) = beside_index(dataset, "shards")
    return sorted(path.stem for path in Path(folder).glob("*.tsv"))


def shard_videos(wildcards):
    """The list of a shard's videos."""
    return beside_index(wildcards.dataset, f"shards/{wildcards.shard}.tsv")


def all_shard_videos(dataset):
    """The lists of all shards' videos."""
    return beside_index(dataset, *(f"shards/{shard}.tsv" for shard in shards(dataset)))


def splits(wildcards):
    """The dataset's table of splits."""
    return beside_index(wildcards.dataset, "splits.tsv")


def unread(wildcards):
    """The dataset's table of the videos that the splits lack."""
    return beside_index(wildcards.dataset, "unread.tsv")


def frames_of(dataset, short_side):
    """The frames of all shards."""
    return expand("results/{dataset}/frames/{side}/{shard}.h5", dataset=dataset, side=short_side, shard=shards(dataset))


def encodings_of(dataset, descriptors, folder=""):
    """The sketches of all shards, or what else is in a folder beside them."""
    pattern = "results/{dataset}/encoding/{descriptors}/{folder}{shard}.h5"
    return expand(pattern, dataset=dataset, descriptors=descriptors, folder=folder, shard=shards(dataset))


def shard_boxes(wildcards):
    """The persons of a shard, where the descriptors mask them."""
    detector = pipeline.detector(config, wildcards.descriptors)
    return [] if detector == "none" else f"results/{wildcards.dataset}/persons/{detector}/{wildcards.shard}.h5"


def sample(wildcards):
    """The table of the videos that the codebook is fitted on."""
    return beside_index(wildcards.dataset, "sample.tsv")


def codebook_settings(wildcards):
    """How the codebook of all channels together, or that of each, is fitted, as JSON."""
    return section("encoding", per_channel=wildcards.space == "per_channel")


def fisher_codebook(wildcards):
    """The codebook of the whole Fisher vectors."""
    space = "per_channel" if config["encoding"]["per_channel"] else "joint"
    return f"results/{wildcards.dataset}/codebook/{wildcards.descriptors}/{space}.h5"


def keeps_all_trajectories(wildcards):
    """Whether the trajectories of all videos of the dataset are kept, or the sampled videos' alone."""
    (totals,) = beside_index(wildcards.dataset, "totals.json")
    return pipeline.keeps_all_trajectories(config, Path(totals))


def sample_if_all_is_too_much(wildcards):
    """The sample, where the trajectories of no other video are kept."""
    return [] if keeps_all_trajectories(wildcards) else sample(wildcards)


def streamed_videos(wildcards):
    """The videos of the shard, where some are encoded as they are tracked."""
    return [] if keeps_all_trajectories(wildcards) else shard_videos(wildcards)


def streamed_boxes(wildcards):
    """The persons of the shard, where some videos are encoded as they are tracked."""
    return [] if keeps_all_trajectories(wildcards) else shard_boxes(wildcards)


def streamed_settings(wildcards):
    """How videos are tracked, where some are encoded as they are tracked."""
    return "{}" if keeps_all_trajectories(wildcards) else trajectories_settings(wildcards)


def trajectories_settings(wildcards):
    """How the descriptors' trajectories are made, as JSON."""
    return section("trajectories", rows=config["descriptors"][wildcards.descriptors]["rows"])


def sampled_trajectories(wildcards):
    """The trajectories of the shards that hold sampled videos."""
    (table,) = sample(wildcards)
    n_shards = SOURCES[wildcards.dataset]["shards"]
    sampled = {shard_of(row["video_id"], n_shards) for row in read_columns(Path(table))}
    pattern = "results/{dataset}/trajectories/{descriptors}/{shard}.h5"
    return expand(
        pattern,
        dataset=wildcards.dataset,
        descriptors=wildcards.descriptors,
        shard=sorted(sampled & {*shards(wildcards.dataset)}),
    )


def trajectories_digest(wildcards):
    """A digest of how the trajectories are made."""
    detector = pipeline.detector(config, wildcards.descriptors)
    people = [] if detector == "none" else [detector, section("persons"), pipeline.version("persons")]
    return digest(trajectories_settings(wildcards), READING, pipeline.version("trajectories"), people)


def clusters_settings(wildcards):
    """K, m and the seed are in the file's name."""
    return section("clusters", k=int(wildcards.k), m=int(wildcards.m), seed=int(wildcards.seed))


def run_clusters_settings(wildcards):
    """K and m of the run."""
    return section("clusters", **{key: of(wildcards)[key] for key in ("k", "m")})


def frames_settings(wildcards):
    """The short side is in the file's name."""
    return section("frames", short_side=int(wildcards.short_side))


def training_lists(wildcards):
    """The lists of the videos of pretraining.dataset."""
    return all_shard_videos(PRETRAINING_DATASET)


def training_frames(wildcards):
    """The frames of pretraining.dataset at the common short side."""
    return frames_of(PRETRAINING_DATASET, config["frames"]["short_side"])


def training_encodings(wildcards):
    """The sketches of pretraining.dataset by the first descriptors, which all runs share, and by those of the list."""
    named = dict.fromkeys([next(iter(config["descriptors"])), wildcards.descriptors])
    return [file for descriptors in named for file in encodings_of(PRETRAINING_DATASET, descriptors)]


def training_root(wildcards):
    """The folder that the videos of pretraining.dataset are below."""
    return pipeline.dataset_root(SOURCES[PRETRAINING_DATASET], PRETRAINING_DATASET)


def training_splits(wildcards):
    """The splits of pretraining.dataset, where the subset is the training part of one."""
    return [] if split_of_subset(wildcards.subset) is None else beside_index(PRETRAINING_DATASET, "splits.tsv")


def of(wildcards):
    """All that defines the run."""
    return pipeline.run_values(config, wildcards.run)


def run_videos(wildcards):
    """The videos a run is trained on."""
    values = of(wildcards)
    return f"results/pretraining/videos/{values['descriptors']}/{values['subset']}.tsv"


def run_frames(wildcards):
    """The frames a run is trained on."""
    if of(wildcards)["objective"] == "local_aggregation":
        check_run_clusters(of(wildcards), wildcards.run)
    return frames_of(PRETRAINING_DATASET, of(wildcards)["short_side"])


def run_validation(wildcards):
    """The lists of the videos that a run is asked about while it is trained."""
    dataset = config["pretraining"]["validation"]
    return all_shard_videos(dataset) if dataset else []


def run_validation_frames(wildcards):
    """Their frames."""
    dataset = config["pretraining"]["validation"]
    return frames_of(dataset, of(wildcards)["short_side"]) if dataset else []


def run_clusters(wildcards):
    """The clusters in the IDT space that a run with `clusters: idt` learns from."""
    values = of(wildcards)
    return clusters_file(values, wildcards.run) if values["clusters"] == "idt" else []


def check_run_clusters(values, run=""):
    """Stops where the K of a run ("": of the config) is too large for its videos, before anything is computed."""
    (index,) = beside_index(PRETRAINING_DATASET, "index.tsv")
    try:
        check_clusters(values, Path(index).parent, training_root(None))
    except StageError as error:
        key = f"pretraining.runs.{run}" if run else "clusters"
        raise WorkflowError(f"config: {key}: {error}") from None


def clusters_file(values, run=""):
    """The clusters in the IDT space at the K, m, descriptors and subset of a run ("": of the config)."""
    check_run_clusters(values, run)
    pattern = "results/{dataset}/clusters/{descriptors}/{subset}/k{k}_m{m}_s{seed}.h5"
    return pattern.format(**{**values, "dataset": PRETRAINING_DATASET, "seed": config["seed"]})


def run_sketches(wildcards):
    """The sketches that a run with `clusters: joint` joins to the network's embeddings."""
    values = of(wildcards)
    return encodings_of(PRETRAINING_DATASET, values["descriptors"]) if values["clusters"] == "joint" else []


def frames_where_no_bank(wildcards):
    """The frames a run was trained on, where it has no memory bank of the videos' embeddings."""
    return run_frames(wildcards) if of(wildcards)["objective"] == "supervised" else []


def run_init(wildcards):
    """The model that a run starts from: another run's, or a file of any place."""
    init = of(wildcards)["init"]
    return (
        f"results/pretraining/{init}/seed{wildcards.seed}/model.pt"
        if init in config["pretraining"]["runs"]
        else init or []
    )


def evaluated_model(wildcards):
    """The model that is judged; none for a network from scratch."""
    if of(wildcards)["objective"] == "scratch":
        return []
    return f"results/pretraining/{wildcards.run}/seed{wildcards.seed}/model.pt"


def scratch_architecture(wildcards):
    """Shape of a network from scratch and of its clips, as JSON; a trained one brings its own."""
    return pipeline.changed("evaluation", {} if evaluated_model(wildcards) else of(wildcards), "Architecture")


def evaluated_frames(wildcards):
    """The frames of the dataset that a model is judged on."""
    return frames_of(wildcards.dataset, of(wildcards)["short_side"])


def dataset_layout(wildcards):
    """How the dataset lies on disk, which says how many blocks are frozen."""
    return SOURCES[wildcards.dataset]["layout"]


def svm_encodings(wildcards):
    """The sketches, or the Fisher vectors, that the SVM is trained on and judged by."""
    folder = "fisher/" if IDT_RUNS[wildcards.run] == "fisher" else ""
    return encodings_of(wildcards.dataset, next(iter(config["descriptors"])), folder)


def protocol_settings(protocol):
    """Those keys that the protocol reads."""
    return pipeline.changed("evaluation", settings_of(protocol, config["evaluation"]))


def evaluation_results(wildcards):
    """The result of every run, seed, dataset, split and protocol."""
    return result_files(judged.evaluations(config))


def table_results(wildcards):
    """Those that a table needs.

    Waits for the indexes of all datasets behind them: of indexes that are there already, Snakemake (9.27) tells only
    the jobs that it knew before, not those that come in with these results.
    """
    wanted = list(judged.table_evaluations(config, [wildcards.table]))
    pretraining = [config["pretraining"][key] for key in ("dataset", "validation")]
    for dataset in dict.fromkeys([*pretraining, *(one.dataset for one in wanted)]):
        if dataset:
            beside_index(dataset)
    return result_files(wanted)


def table_settings(wildcards):
    """What the table is, as JSON."""
    return pipeline.changed("report", config["report"]["tables"][wildcards.table], "TableSettings")


def result_files(evaluations):
    """The results of these evaluations on each of their splits."""
    try:
        return list(judged.result_files(config, evaluations, split_numbers))
    except StageError as error:
        raise WorkflowError(str(error)) from None


def split_numbers(dataset):
    """The numbers of a dataset's splits."""
    (record,) = beside_index(dataset, "splits.json")
    splits = read_json(Path(record))
    if not splits["numbers"]:
        raise WorkflowError(f"evaluation.datasets: {dataset} has no splits: {splits['reason_for_none']}")
    return splits["numbers"]


def judged_runs(*objectives):
    """The runs with one of these objectives that are judged."""
    runs = judged.evaluated_runs(config)
    return [run for run in runs if run not in IDT_RUNS and pipeline.run_values(config, run)["objective"] in objectives]


def report_models(wildcards):
    """The models of all trained runs that are judged."""
    runs = judged_runs("instance", "local_aggregation", "supervised")
    return expand("results/pretraining/{run}/seed{seed}/model.pt", run=runs, seed=config["pretraining"]["seeds"])


def report_clusters(wildcards):
    """The clusters of the judged models' embeddings, of all seeds, and those in the IDT space.

    Stops where K is too large for the videos of one of these runs, before anything is trained.
    """
    seeds = config["pretraining"]["seeds"]
    runs = judged_runs("instance", "local_aggregation", "supervised")
    for run in runs:
        check_run_clusters(pipeline.run_values(config, run), run)
    networks = expand("results/evaluation/{run}/seed{seed}/clusters.h5", run=runs, seed=seeds)
    values = pipeline.run_values(config, "scratch")
    return networks + [clusters_file({**values, "descriptors": descriptors}) for descriptors in config["descriptors"]]


def report_indexes(wildcards):
    """The index of every dataset."""
    return [checkpoints.videos.get(dataset=dataset).output.index for dataset in SOURCES]


def example_videos(wildcards):
    """The list of the videos of the first shard."""
    return all_shard_videos(PRETRAINING_DATASET)[:1]


def example_boxes(wildcards):
    """The persons of that shard, where descriptors mask them."""
    return masked_boxes()[:1]


def masked_boxes():
    """The persons of all shards, by the first detector whose boxes descriptors mask."""
    detectors = [pipeline.detector(config, descriptors) for descriptors in config["descriptors"]]
    folders = [f"results/{PRETRAINING_DATASET}/persons/{name}" for name in detectors if name != "none"]
    return [f"{folder}/{shard}.h5" for folder in folders[:1] for shard in shards(PRETRAINING_DATASET)]


def people_videos(wildcards):
    """The lists of the videos of the first four shards: enough to choose from."""
    return all_shard_videos(PRETRAINING_DATASET)[:4]


def people_boxes(wildcards):
    """The persons of those shards."""
    return masked_boxes()[:4]


def report_people(wildcards):
    """What masking people does, where descriptors mask them."""
    return "results/report/people.html" if masked_boxes() else []


def report_statuses(wildcards):
    """The files in which every video has a status; sketches where a run learns from them or is judged by them."""
    by_idt = {one.dataset for one in judged.evaluations(config) if one.run in IDT_RUNS}
    frames = [file for dataset in SOURCES for file in frames_of(dataset, config["frames"]["short_side"])]
    described = [dataset for dataset in SOURCES if dataset in {PRETRAINING_DATASET, *by_idt}]
    return frames + [file for dataset in described for file in encodings_of(dataset, next(iter(config["descriptors"])))]


def begin():
    """Stops if a detector of people is not installed; prints the plan."""
    rules = {job.rule.name for job in workflow.dag.jobs}
    tables = {job.wildcards.table for job in workflow.dag.jobs if job.rule.name == "paper_table"}
    missing = plan.missing_detectors(config) if rules & {"persons", "report"} else []
    if missing and "conda" not in str(workflow.deployment_settings.deployment_method):
        raise WorkflowError("; ".join(missing))
    pending = {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    print(*plan.plan(config, pending, "report" in rules, tables), sep="\n", flush=True)
    print("Beside this run: make status, and snakemake --dry-run --nolock.", flush=True)
