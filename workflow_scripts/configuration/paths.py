"""Where every artifact lies: the patterns that rules fill by wildcards and other code by `format`."""

from pathlib import PurePath

# Folders of `results/` that no dataset may be named like.
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
    """The pattern of the results of a protocol."""
    return RESULT.replace("{protocol}", protocol)


def log(artifact: str) -> str:
    """The log of the job that makes an artifact: results/logs/STAGE/..."""
    return f"results/logs/{_job(artifact)}.log"


def benchmark(artifact: str) -> str:
    """The time and memory that Snakemake measured for the job that makes an artifact."""
    return f"{BENCHMARKS}/{_job(artifact)}.tsv"


def store(artifact: str) -> str:
    """The folder with the results of single videos from which a shard's artifact is put together."""
    results, dataset, noun, *rest = PurePath(artifact).with_suffix("").parts
    return "/".join([results, dataset, noun, ".store", *rest])


def checkpoints(artifact: str) -> str:
    """The folder with the checkpoints of the training that ends with an artifact."""
    return str(PurePath(artifact).with_name("checkpoints"))


def _job(artifact: str) -> str:
    """STAGE/DATASET/... of an artifact of a dataset, STAGE/... of others; the folder where it is the main file."""
    path = PurePath(artifact)
    path = path.parent if path.stem in ("index", "model") else path.with_suffix("")
    first, *rest = path.parts[1:]
    if rest and first not in RESERVED:
        first, rest = rest[0], [first, *rest[1:]]
    return "/".join([first, *rest])
