"""The config: checked against the schema in the first second, filled with its defaults, and made into requests.

The schema (`rules/schemas/config.schema.yaml`) carries the paper's values as defaults; a config file says only what
differs. What rules pass to a stage are the keys that differ from the defaults of its settings dataclass (equal to the
schema's, held by a test), so that a new key with a default reruns nothing.
"""

import dataclasses
import difflib
import json
import keyword
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from workflow_scripts.evaluation.judged import all_evaluations, evaluated_runs
from workflow_scripts.evaluation.settings import IDT_RUNS
from workflow_scripts.evaluation.unseen import check_unseen
from workflow_scripts.ground.artifacts import read_json, write_text
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detectors import DETECTORS
from workflow_scripts.pretraining.settings import useful_threads, values_read
from workflow_scripts.trajectories.settings import keeps_all
from workflow_scripts.videos.layouts import LAYOUTS

SCHEMA = Path(__file__).parents[2] / "rules" / "schemas" / "config.schema.yaml"

DEMO = Path(__file__).parents[2] / "config.yaml"

# What no config exceeds: values with aliases written out, levels, and bytes of a file.
MOST_VALUES, DEEPEST, LONGEST_FILE = 100_000, 50, 10_000_000

# Long texts are written here, in the folder that Snakemake keeps for itself.
TEXTS = Path(".snakemake/lists")
LONGEST_ARGUMENT = 8192  # bytes; a rule has fewer than ten lists

# What wildcards of the rules stand for: a name that a config gives, and a run's `subset` (as in the schema).
NAME = "[A-Za-z0-9_-]+"
SUBSET = r"[^/\x00-\x1f]+"

SUBSETS = (
    "must be all, a number, FOLDER, splitN, or one of the last two with :NUMBER; FOLDER has no / : { } and no control "
    "characters"
)

# Keys below which numbers are names: the paper's accuracies by number of shots.
_BY_NUMBER = ("paper", "paper_of_supervised")

# Folders of `results/` that no dataset may be named like.
RESERVED = frozenset({"pretraining", "evaluation", "report", "tables", "logs", "benchmarks", "estimate"})

# Tables in `results/tables/` that are made for every config.
RESERVED_TABLES = frozenset({"method_table", "cluster_table"})


def read(files: list[Path]) -> dict[str, Any]:
    """The resolved config of `files`, each over those before it as snakemake merges them; none is the demo's.

    Raises StageError naming the file or the key.
    """
    config: dict[str, Any] = {}
    for path in files or [DEMO]:
        try:
            if path.stat().st_size > LONGEST_FILE:
                raise WorkflowError(f"it is longer than {LONGEST_FILE} bytes")
            of_file = load_configfile(path)
            _check_extent(of_file)
            update_config(config, of_file)
        except RecursionError as error:
            raise StageError(f"config: {path} cannot be read: it is nested too deeply") from error
        except (OSError, WorkflowError) as error:
            raise StageError(f"config: {path} cannot be read: {error}") from error
    return resolve(config)


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """A copy of `config`, checked and with the schema's defaults filled in. Raises StageError naming the key."""
    _check_extent(config)
    schema = yaml.safe_load(SCHEMA.read_text())
    _check_keys(config)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        # A value of a wrong type makes its key "unevaluated" too, which says nothing more.
        raise StageError("; ".join(filter(None, (_sentence(error, schema) for error in errors))))
    config = _filled(schema, config, schema)
    _check_names(config)
    check_unseen(config, dict.fromkeys((one.run, one.dataset) for one in all_evaluations(config)))
    return config


def _check_extent(config: Any) -> None:
    """Raises StageError where the config has more values, or deeper ones, than any config.

    Aliases of YAML take no memory, as each is the same object again, but whatever walks through them takes as long as
    if all were written out.
    """
    waiting, n_values = [(config, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        n_values += 1
        if n_values > MOST_VALUES or depth > DEEPEST:
            raise StageError(
                f"config: it has more than {MOST_VALUES} values, or more than {DEEPEST} levels. Each alias (*name) "
                "counts as a copy. Use fewer aliases"
            )
        if isinstance(value, Mapping):
            waiting += [(part, depth + 1) for part in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(part, depth + 1) for part in value]


def described() -> dict[str, dict[str, Any]]:
    """Section -> key -> how the schema describes it: description (with unit and source), type, default.

    Of `descriptors`, whose keys are names, those of each.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    sections = {section: _follow(node, schema).get("properties", {}) for section, node in schema["properties"].items()}
    return sections | {"descriptors": schema["properties"]["descriptors"]["additionalProperties"]["properties"]}


def _check_keys(node: Any, where: str = "") -> None:
    """Raises StageError for a key that YAML does not read as text, such as `1:` or `on:`."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if not isinstance(key, str):
            raise StageError(f"config: {where}{key}: YAML does not read this name as text; put it in quotes")
        if key not in _BY_NUMBER:
            _check_keys(value, f"{where}{key}.")


def _follow(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A node of the schema with what it refers to merged in."""
    for reference in [schema.get("$ref"), *(part.get("$ref") for part in schema.get("allOf", []))]:
        if reference:
            target = root["$defs"][reference.removeprefix("#/$defs/")]
            schema = {**target, **schema, "properties": target["properties"] | schema.get("properties", {})}
    return schema


def _filled(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> Any:
    """`value` with the defaults of `schema` where it says nothing; a run says only what differs from its section."""
    schema = _follow(schema, root)
    if not isinstance(value, dict) or schema.get("partial"):
        return value
    named, entries = schema.get("properties", {}), schema.get("additionalProperties")
    filled = {}  # in the order of the schema: what is written out changes nothing
    for key, part in named.items():
        if key in value or "default" in part:
            filled[key] = _filled(part, value.get(key, part.get("default")), root)
    for key in value.keys() - named.keys():
        filled[key] = _filled(entries, value[key], root) if isinstance(entries, dict) else value[key]
    return {key: filled[key] for key in [*named, *value] if key in filled}


def _sentence(error: jsonschema.ValidationError, schema: dict[str, Any]) -> str:
    """One sentence with the key's full name, and the nearest known key for one that is not known."""
    where = ".".join(map(str, error.absolute_path)).encode("unicode_escape").decode()
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        node, instance = cast(dict[str, Any], error.schema), cast(dict[str, Any], error.instance)
        known = list(_follow(node, schema).get("properties", {}))
        unknown = [key for key in instance if key not in known]
        sentences = []
        for key in unknown:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            sentences.append(f"config: {where + '.' if where else ''}{key} is not a known key; {hint}")
        return "; ".join(sentences)
    described = cast(dict[str, Any], error.schema).get("description")
    if error.validator in ("pattern", "anyOf") and described:  # of which the message shows the pattern
        wanted = SUBSETS if where.endswith("subset") else f"is not of this kind: {described}"
        return f"config: {where}: {error.instance!r} {wanted}"
    return f"config: {where or 'the top level'}: {error.message}"


def _check_names(config: dict[str, Any]) -> None:
    """What a schema cannot say: that datasets, descriptors, runs and folders of boxes that are referred to exist."""

    def check(key: str, name: str, known: Any) -> None:
        if name not in known:
            raise StageError(f"config: {key} names {name!r}, which is not among {', '.join(known) or '(none)'}")

    for name in RESERVED & config["datasets"].keys():
        raise StageError(
            f"config: datasets.{name}: results/{name} is another folder's name; choose another for the dataset"
        )
    check("pretraining.dataset", config["pretraining"]["dataset"], config["datasets"])
    if config["pretraining"]["validation"]:
        check("pretraining.validation", config["pretraining"]["validation"], config["datasets"])
    for name in config["evaluation"]["datasets"]:
        check("evaluation.datasets", name, config["datasets"])
    runs = config["pretraining"]["runs"]
    always = ["scratch", *IDT_RUNS]
    for name, run in runs.items():
        key = f"pretraining.runs.{name}"
        if name in always:
            raise StageError(f"config: {key}: the runs {', '.join(always)} always exist; choose another name")
        init = run.get("init")
        if init and init not in runs and not Path(init).is_file():
            raise StageError(
                f"config: {key}.init names {init!r}, which is not among {', '.join(runs)}, and no file has this path"
            )
        if "descriptors" in run:
            check(f"{key}.descriptors", run["descriptors"], config["descriptors"])
        if (run["objective"] == "local_aggregation") != bool(run.get("clusters")):
            raise StageError(
                f"config: {key}: objective local_aggregation, and it alone, takes clusters: network, idt or joint"
            )
        seen, above = {name}, init
        while above in runs:
            if above in seen:
                raise StageError(f"config: {key}.init leads back to {above}: a run cannot start from itself")
            seen.add(above)
            above = runs[above].get("init")
    for name in config["evaluation"]["runs"]:
        check("evaluation.runs", name, [*runs, *always])
    for table, entry in config["report"]["tables"].items():
        if table in RESERVED_TABLES:
            raise StageError(f"config: report.tables.{table}: results/tables/{table}.tsv is another table's; rename it")
        if table in rule_names() or keyword.iskeyword(table):
            raise StageError(f"config: report.tables.{table}: {table} is the name of a rule; choose another")
        named = [row["run"] for row in entry["rows"] if "run" in row]
        for name in named:
            check(f"report.tables.{table}", name, [*runs, *always])
        for name in {entry["supervised"], *(row.get("supervised", "") for row in entry["rows"])} - {""}:
            check(f"report.tables.{table}.supervised", name, named)
    for comparison in config["report"]["comparisons"]:
        for name in comparison["runs"]:
            check(f"report.comparisons, {comparison['title']!r},", name, evaluated_runs(config))
    if not config["descriptors"]:
        raise StageError(
            "config: descriptors is empty; name at least one, for example descriptors: {idt: {boxes: none}}"
        )
    for name, descriptors in config["descriptors"].items():
        folders = {f"descriptors.{name}.rows": descriptors["rows"]} if descriptors["rows"] else {}
        entry = DETECTORS.get(detector(config, name))
        if entry and entry.folder:
            folders[f"persons.{entry.folder} (for descriptors.{name}.boxes)"] = config["persons"][entry.folder]
        for key, folder in folders.items():
            if not (folder and Path(folder).is_dir()):
                raise StageError(f"config: {key}: the folder {folder or '(empty)'} is not there")


def rule_names() -> set[str]:
    """The names of all rules, `all` among them, which no other target may have."""
    files = [SCHEMA.parents[2] / "Snakefile", *SCHEMA.parents[1].glob("*.smk")]
    rules = re.compile(r"^(?:rule|checkpoint) (\w+):", re.MULTILINE)
    return {name for path in files for name in rules.findall(path.read_text())}


def _settings_class(noun: str, name: str = "") -> Any:
    settings = import_module(f"workflow_scripts.{noun}.settings")
    return getattr(settings, name or f"{noun.capitalize()}Settings")


def changed(noun: str, values: dict[str, Any], name: str = "") -> str:
    """JSON of those `values` that differ from the defaults of the noun's settings, for a stage's --settings.

    Keys that the settings do not have are left out: they are the rules' own (which files, which stage).
    """
    kind = _settings_class(noun, name)
    defaults = json.loads(json.dumps(dataclasses.asdict(kind())))
    different = {key: values[key] for key in sorted(defaults) if key in values and values[key] != defaults[key]}
    return json.dumps(json.loads(json.dumps(different)), sort_keys=True)  # YAML's keys may be numbers beside words


def settings(noun: str, values: dict[str, Any], name: str = "") -> Any:
    """The settings that a stage of the noun is given by a rule: `values` over the defaults, other keys left out."""
    return _settings_class(noun, name)(**json.loads(changed(noun, values, name)))


def argument(name: str, files: Sequence[str]) -> str:
    """`--name file ...` for a shell, nothing where there are no files.

    A long list goes through a file, as `--name-in FILE`: a shell's command is one string of at most 128 KiB on Linux.
    The file is named after its content, so that the same list gives the same command.
    """
    if not files:
        return ""
    files = [f"./{file}" if file.startswith("-") else file for file in files]  # or it would be taken for an option
    option = f"--{name.replace('_', '-')}"
    text = f"{option} {shlex.join(files)}"
    if len(os.fsencode(text)) <= LONGEST_ARGUMENT:
        return text
    return f"{option}-in {in_file(json.dumps(files))}"


def in_file(content: str) -> Path:
    """A file with this text, named after it: for texts that are too long for a command or for a reason to run."""
    path = TEXTS / digest(content)
    if not path.exists() or path.read_text() != content:
        write_text(path, content)
    return path


def detector(config: dict[str, Any], descriptors: str) -> str:
    """Who finds the people that these descriptors mask; none for those that are read from rows."""
    described = config["descriptors"][descriptors]
    return "none" if described["rows"] else str(described["boxes"])


def keeps_all_trajectories(config: dict[str, Any], totals: Path) -> bool:
    """Whether the trajectories of all videos of a dataset are kept; `totals` is what its index adds up to."""
    section = config["trajectories"]
    return keeps_all(section["keep"], section["keep_gb"], read_json(totals)["pixels"])


def version(noun: str) -> int:
    """The VERSION of a noun's stages, raised when their results change."""
    return int(import_module(f"workflow_scripts.{noun}.settings").VERSION)


def run_values(config: dict[str, Any], run: str) -> dict[str, Any]:
    """Everything that defines a run: its own keys over the sections `pretraining`, `clusters` and `frames`."""
    of_all = ("runs", "seeds", "dataset", "validation")
    section = {key: value for key, value in config["pretraining"].items() if key not in of_all}
    clusters = {key: config["clusters"][key] for key in ("k", "m")}
    shared = {"descriptors": next(iter(config["descriptors"])), "init": "", "clusters": ""}
    own = {"objective": "scratch"} if run == "scratch" else config["pretraining"]["runs"][run]
    return {**section, **clusters, **shared, "short_side": config["frames"]["short_side"], **own}


def training_threads(config: dict[str, Any], run: str, batch_size: int | None = None) -> int:
    """Cores that speed up the training of a run's network in batches of `batch_size` clips (default: the run's own)."""
    values = run_values(config, run)
    shape = {key: values[key] for key in ("depth", "width", "clip_length", "crop_size")}
    return useful_threads(**shape, batch_size=batch_size or values["batch_size"])


def run_settings(config: dict[str, Any], run: str) -> str:
    """JSON of the keys that a run's training reads and that differ from the defaults, for the stage's --settings."""
    values = run_values(config, run)
    return changed("pretraining", values_read(values, values["objective"], values["clusters"]))


def used_datasets(config: dict[str, Any]) -> list[str]:
    """The datasets that pretraining and evaluation name, each once."""
    section = config["pretraining"]
    named = [section["dataset"], section["validation"], *config["evaluation"]["datasets"]]
    return list(dict.fromkeys(name for name in named if name))


def dataset_values(config: dict[str, Any], name: str, beside: str) -> dict[str, Any]:
    """A dataset's entry, its manifest or annotations looked up below root, in the working folder and in `beside`.

    Raises StageError where one of them is not there. Nothing below the root is listed: this is read in every job.
    """
    values = {"shards": config["videos"]["shards"], **config["datasets"][name]}
    layout = LAYOUTS[values["layout"]]
    if layout.source == "generated":
        return values
    if not values["root"] or not Path(values["root"]).is_dir():
        raise StageError(
            f"config: datasets.{name}.root: the folder {values['root'] or '(empty)'} is not there; give the folder of "
            f"the videos in a second configfile (datasets: {{{name}: {{root: /path/to/videos}}}}) or make it"
        )
    key = layout.source
    if not key:
        return values
    places = [place / values[key] for place in (Path(values["root"]), Path(), Path(beside))]
    there = [place for place in places if place.is_file() or (key == "annotations" and place.is_dir())]
    if not there:
        raise StageError(
            f"config: datasets.{name}.{key}: no file {values[key] or '(empty)'} in {values['root']}, in the working "
            f"folder or beside the Snakefile; give {layout.source_meaning}"
        )
    values[key] = str(there[0])
    return values


def dataset_root(values: dict[str, Any], name: str) -> str:
    """The folder that the paths of a dataset's videos are below; `values` are its entry."""
    generated = LAYOUTS[values["layout"]].source == "generated"
    return f"results/{name}/videos/generated" if generated else str(values["root"])


def sources(values: dict[str, Any]) -> str:
    """A digest of the names and times of a dataset's manifest, or of the folders in root and of its annotations.

    It changes when the dataset does. Folders in those folders are not among them: to find them, each job would read the
    names of all videos. They are no input files of Snakemake, for a name with braces would be a pattern to it.
    """
    source = LAYOUTS[values["layout"]].source
    if source == "generated":
        return digest()
    if source == "manifest":
        places = [values["manifest"]]
    else:
        places = [values["root"], *(entry.path for entry in os.scandir(values["root"]) if entry.is_dir())]
        annotations = values.get("annotations") or values["root"]
        if annotations != values["root"]:
            places.append(annotations)
            if Path(annotations).is_dir():
                places += [entry.path for entry in os.scandir(annotations) if entry.is_file()]
    return digest(sorted((os.fspath(place), os.stat(place).st_mtime_ns) for place in places))


def as_yaml(config: dict[str, Any]) -> str:
    """The config as YAML, keys in the order of the schema and of the user."""
    return yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True)
