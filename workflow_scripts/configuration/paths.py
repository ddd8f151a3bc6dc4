"""The paths of all artifacts, as patterns: rules fill in wildcards, other code uses `format`."""

from pathlib import PurePath

# Folders in `results/`; no dataset may have one of these names.
RESERVED = frozenset({"pretraining", "evaluation", "report", "tables", "logs", "benchmarks", "estimate"})

INDEX = "results/{dataset}/videos/index.tsv"
PERSONS = "results/{dataset}/persons/{detector}/{shard}.h5"
TRAJECTORIES = "results/{dataset}/trajectories/{descriptors}/{shard}.h5"
MADE_BY = "results/{dataset}/trajectories/{descriptors}/made_by.txt"
CODEBOOK = "results/{dataset}/codebook/{descriptors}/{space}.h5"
ENCODING = "results/{dataset}/encoding/{descriptors}/{shard}.h5"
FISHER = "results/{dataset}/encoding/{descriptors}/fisher/{shard}.h5"
CLUSTERS = "results/{dataset}/clusters/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.h5"
FRAMES = "results/{dataset}/frames/{short_side}/{shard}.h5"
GENERATED = "results/{dataset}/videos/generated"

TRAINING_VIDEOS = "results/pretraining/videos/{descriptors}/{subset}.tsv"
MODEL = "results/pretraining/{run}/seed{seed}/model.pt"

RESULT = "results/evaluation/{run}/seed{seed}/{dataset}/split{split}/{protocol}.json"
FEATURES = "results/evaluation/{run}/seed{seed}/{dataset}/features.h5"
CLUSTER_BANK = "results/evaluation/{run}/seed{seed}/clusters.h5"

CONFIG = "results/config.yaml"
EXAMPLES = "results/report/examples.html"
PEOPLE = "results/report/people.html"
PEOPLE_TABLE = "results/report/people.tsv"
REPORT = "results/report/index.html"
FIGURE = "results/report/figures/{figure}.svg"
TABLE = "results/tables/{table}.tsv"
TABLE_MARKDOWN = "results/tables/{table}.md"
TABLE_LATEX = "results/tables/{table}.tex"
TABLE_HTML = "results/tables/{table}.html"
BENCHMARKS = "results/benchmarks"


def result(protocol: str) -> str:
    """Returns the pattern of the results of a protocol."""
    return RESULT.replace("{protocol}", protocol)


def log(artifact: str) -> str:
    """Returns the log of the job that makes an artifact: results/logs/STAGE/..."""
    return f"results/logs/{_job(artifact)}.log"


def benchmark(artifact: str) -> str:
    """Returns the file with time and memory of the job that makes an artifact, as Snakemake measures them."""
    return f"{BENCHMARKS}/{_job(artifact)}.tsv"


def store(artifact: str) -> str:
    """Returns the record file of the shard's videos, from which the stage writes the artifact."""
    results, dataset, noun, *rest = PurePath(artifact).with_suffix("").parts
    return "/".join([results, dataset, noun, ".store", *rest])


def checkpoints(artifact: str) -> str:
    """Returns the folder of the checkpoints of the training that writes an artifact."""
    return str(PurePath(artifact).with_name("checkpoints"))


def _job(artifact: str) -> str:
    """Returns STAGE/DATASET/... for an artifact of a dataset and STAGE/... for others, without `index` or `model`."""
    path = PurePath(artifact)
    path = path.parent if path.stem in ("index", "model") else path.with_suffix("")
    first, *rest = path.parts[1:]
    if rest and first not in RESERVED:
        first, rest = rest[0], [first, *rest[1:]]
    return "/".join([first, *rest])
