"""Stage: builds one page of all results that needs no other file, and its tables.

Input: the evaluations' JSON files, the models, clusterings, indexes, shard files and Snakemake's benchmark files.
Output: `index.html` (self-contained: styles, figures and moving thumbnails are in it), `method_table.tsv`,
`cluster_table.tsv`, and separate files of the figures in `figures/` beside the page (few_shot.svg, curves.svg,
confusion.svg, training.svg, nmi.svg).
The page names no host and no time of day, so equal results give an equal page. Every list of inputs may be empty. The
page then has no section for it.
"""

import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from markupsafe import Markup

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.operations.current_jobs import is_job_of
from workflow_scripts.report.methods import Method, methods_of
from workflow_scripts.report.page import confusion, explorer, figures, gallery, inputs
from workflow_scripts.report.page.accuracies import few_shot_tables
from workflow_scripts.report.page.accuracies import method_table as accuracies_of
from workflow_scripts.report.page.agreements import Words, agreements, words_for
from workflow_scripts.report.page.comparisons import ALONG, Comparison, comparisons_of
from workflow_scripts.report.page.overview import dataset_rows, run_rows
from workflow_scripts.report.page.remarks import remarks
from workflow_scripts.report.page.spread import SHARED_BY_SEEDS
from workflow_scripts.report.page.table_files import write_cluster_table, write_method_table
from workflow_scripts.report.settings import ReportSettings
from workflow_scripts.report.svg import inline
from workflow_scripts.report.templates import render

log = logging.getLogger(__name__)

PACKAGES = ["dense-trajectory-clustering", "torch", "numpy", "scipy", "scikit-learn", "faiss-cpu", "h5py", "av"]
PACKAGES += ["opencv-python-headless", "snakemake", "matplotlib"]


@dataclass(frozen=True)
class ResultFiles:
    """The files of the other stages that the page is made from.

    evaluations: records {protocol}.json; models: model.pt; clusters: clusterings of runs, clusters.h5, and of IDT,
    {method}_k*.h5; indexes: index.tsv of each dataset; frames: shards with the frames of the gallery's videos;
    statuses: shards of any stage, in which failures are counted, and whose sketches the explorer maps; benchmarks:
    folders that hold a folder of Snakemake's benchmark files per stage; paper_tables: HTML of `paper_table`; examples:
    HTML of `draw_examples`; people: HTML of `measure_people`; config: the resolved one, which says what each run is.
    """

    evaluations: list[Path]
    models: list[Path]
    clusters: list[Path]
    indexes: list[Path]
    frames: list[Path]
    statuses: list[Path]
    benchmarks: list[Path]
    paper_tables: list[Path]
    examples: Path | None = None
    people: Path | None = None
    config: Path | None = None


def build_report(
    files: ResultFiles,
    method_table: Path,
    cluster_table: Path,
    output: Path,
    settings: ReportSettings = ReportSettings(),  # noqa: B008 (frozen)
) -> None:
    """Builds the report page, its tables and its figures from the results of the other stages.

    Args:
        files: The results.
        method_table: Output, TSV.
        cluster_table: Output, TSV.
        output: The page. The figures are written to `figures/` beside it.
        settings: What the page shows.

    Raises:
        StageError: A file is damaged or of another kind, or the settings are invalid.
    """
    _check(settings)
    gallery.check_settings(settings)
    resolved = yaml.safe_load(files.config.read_text()) if files.config else {}
    layouts = {name: str(entry["layout"]) for name, entry in resolved.get("datasets", {}).items()}
    videos, results = inputs.read_videos(files.indexes, layouts), inputs.read_evaluations(files.evaluations)
    runs, clusterings = inputs.read_runs(files.models), inputs.read_clusterings(files.clusters)
    failures = inputs.read_failures(videos, files.statuses)
    names = [*(run.name for run in runs), *results["run"], *(one.run for one in clusterings if one.run)]
    methods = methods_of(names, resolved.get("pretraining", {}).get("runs") or {})
    comparisons = comparisons_of(settings.comparisons, methods, runs, results, clusterings, videos, resolved)
    held_out = _held_out(resolved)
    words = words_for(clusterings, videos)
    drawn = _figures(comparisons, results, bool(held_out), words)
    descriptors = list(resolved.get("descriptors", {}))
    columns = gallery.gallery_columns(clusterings, videos, comparisons[0].methods, descriptors, settings)
    page = render(
        "page/page.html",
        words=words,
        shared_by_seeds=SHARED_BY_SEEDS,
        remarks=_remarks(resolved, methods, results),
        settings=settings,
        datasets=dataset_rows(videos, failures, inputs.read_missing(files.indexes)),
        passed_over=inputs.read_passed_over(files.indexes),
        failures=inputs.records(failures),
        damaged=inputs.records(inputs.read_damaged([*files.frames, *files.statuses])),
        runs=run_rows(runs, methods),
        comparisons=comparisons,
        held_out=held_out,
        columns=columns,
        times=_stage_times(files.benchmarks, runs, resolved),
        figures={name: Markup(inline(svg, name)) for name, svg in drawn.items()},
        **_parts(files),
        **_shown_videos(columns, videos, files, output.parent, settings),
    )
    for name, svg in drawn.items():
        write_text(output.parent / "figures" / f"{name}.svg", svg)
    few_shot = few_shot_tables(results, methods)
    write_method_table(accuracies_of(results, methods), few_shot, settings.baselines, method_table)
    write_cluster_table(agreements(clusterings, videos, methods), words, cluster_table)
    write_text(output, page)
    log.info("report: %s (%.1f MB), %d failed of %d videos", output, len(page) / 1e6, len(failures), len(videos))


def _figures(comparisons: list[Comparison], evaluations: pd.DataFrame, held_out: bool, words: Words) -> dict[str, str]:
    """The figures as SVG, by name."""
    return {
        "few_shot": figures.few_shot_figure(comparisons),
        "confusion": confusion.confusion_figure(evaluations, comparisons[0].methods),
        "curves": figures.curves_figure(comparisons),
        "training": figures.training_figure(comparisons, held_out),
        "nmi": figures.agreement_figure(comparisons, words),
    }


def _parts(files: ResultFiles) -> dict[str, Any]:
    """The unchanged parts of the page: parts from other stages, titles, versions and the config."""
    return {
        "paper_tables": [Markup(path.read_text()) for path in files.paper_tables],
        "examples": Markup(files.examples.read_text()) if files.examples else "",
        "people": Markup(files.people.read_text()) if files.people else "",
        "protocols": PROTOCOLS,
        "metrics": METRICS,
        "versions": _versions(),
        "config": files.config.read_text() if files.config else "",
    }


def _held_out(config: dict[str, Any]) -> str:
    """The dataset of the validation videos, if no network is pretrained on it; else empty."""
    pretraining = config.get("pretraining") or {}
    validation = str(pretraining.get("validation") or "")
    return validation if validation != pretraining.get("dataset") else ""


def _remarks(config: dict[str, Any], methods: list[Method], evaluations: pd.DataFrame) -> list[str]:
    """The remarks on these methods; none without a config."""
    splits = {str(dataset): set(numbers) for dataset, numbers in evaluations.groupby("dataset")["split"]}
    return remarks(config, [method.run for method in methods], splits) if config.get("datasets") else []


def _stage_times(benchmarks: list[Path], runs: list[inputs.Run], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The times of the stages, without jobs that the config no longer needs."""
    times = inputs.read_stage_times(benchmarks, runs, *([is_job_of(config)] if config.get("datasets") else []))
    return inputs.records(times)


def _shown_videos(
    columns: list[gallery.Column],
    videos: pd.DataFrame,
    files: ResultFiles,
    folder: Path,
    settings: ReportSettings,
) -> dict[str, Any]:
    """The videos of the gallery and the explorer: their descriptions, thumbnails and, as JSON, the explorer's data."""
    shown = inputs.videos_of(gallery.videos_on_page(columns, settings), videos)
    strips = gallery.draw_strips(list(shown), files.frames, settings)
    explored = Markup("")
    if columns and settings.explorer_videos:
        links = explorer.links_to(list(shown.values()), folder)
        vectors = [inputs.read_vectors(one.clustering, files.models, files.statuses, list(shown)) for one in columns]
        explored = explorer.explorer_data(columns, vectors, list(shown.values()), strips, links)
    return {"videos": shown, "strips": strips, "explorer": explored}


def _check(settings: ReportSettings) -> None:
    for entry in settings.comparisons:
        if set(entry) - {"along"} != {"title", "runs"} or entry.get("along", "k") not in ALONG:
            raise StageError(
                "each of report.comparisons must be {title: text, runs: [names of runs]}, and may have along: "
                + ", ".join(ALONG)
            )
    for dataset, baseline in settings.baselines.items():
        if set(baseline) != {"name", "accuracy"} or not 0 <= float(baseline["accuracy"]) <= 1:
            raise StageError(f"report.baselines.{dataset} must be {{name: text, accuracy: number from 0 to 1}}")


def _versions() -> dict[str, str]:
    """Versions of the installed packages that the results depend on most."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


if __name__ == "__main__":
    command_line(build_report)
