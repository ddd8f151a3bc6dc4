"""Stage: one page of all results, which opens from disk and needs nothing else, and its tables beside it.

Input: the evaluations' JSON files, the models, clusterings, indexes, shard files and Snakemake's benchmark files.
Output: `index.html` (self-contained: styles, figures and moving thumbnails are in it), `method_table.tsv`,
`cluster_table.tsv`, and the figures by themselves in `figures/` beside the page (few_shot.svg, curves.svg,
confusion.svg, training.svg, nmi.svg).
The page names no host and no time of day, so equal results give an equal page. Every list of inputs may be empty; the
page then leaves its sections out.
"""

import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml
from markupsafe import Markup

from workflow_scripts.evaluation.metrics import METRICS
from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.operations.current_jobs import asked_for
from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page import confusion, explorer, figures, gallery, inputs, tables
from workflow_scripts.report.page.comparisons import ALONG, comparisons_of
from workflow_scripts.report.page.remarks import remarks
from workflow_scripts.report.settings import ReportSettings
from workflow_scripts.report.svg import inline
from workflow_scripts.report.tables import table_files
from workflow_scripts.report.templates import render

log = logging.getLogger(__name__)

PACKAGES = ["dense-trajectory-clustering", "torch", "numpy", "scipy", "scikit-learn", "faiss-cpu", "h5py", "av"]
PACKAGES += ["opencv-python-headless", "snakemake", "matplotlib"]


def build_report(
    evaluations: list[Path],
    models: list[Path],
    clusters: list[Path],
    indexes: list[Path],
    frames: list[Path],
    statuses: list[Path],
    benchmarks: list[Path],
    paper_tables: list[Path],
    method_table: Path,
    cluster_table: Path,
    output: Path,
    examples: Path | None = None,
    people: Path | None = None,
    config: Path | None = None,
    settings: ReportSettings = ReportSettings(),  # noqa: B008 (frozen)
) -> None:
    """Builds the report page, the tables and the figures from the results of the other stages.

    evaluations: {protocol}.json files; models: model.pt files; clusters: clusters.h5 of runs and
    {method}_k*.h5 of IDT; indexes:
    index.tsv per dataset; frames: shards with the gallery's videos; statuses: shard files of any stage, in which
    failures are counted, those of the encoding with the sketches that the explorer maps; benchmarks: folders that hold
    a folder of Snakemake's benchmark files per stage; paper_tables: HTML files of `paper_table`; examples: the HTML
    of `draw_examples`; people: that of `measure_people`; config: the resolved config, which says what each run is, and
    is shown as it is.
    Writes `method_table` and `cluster_table` (TSV), `output` (HTML) and the figures in `output`'s folder `figures/`.
    Raises StageError for a file that is not what it should be, or settings that cannot be met.
    """
    _check(settings)
    gallery.check(settings)
    videos = inputs.read_videos(indexes)
    failures = inputs.read_failures(videos, statuses)
    resolved = config.read_text() if config else ""
    asked = yaml.safe_load(resolved) or {}
    runs = inputs.read_runs(models)
    results = inputs.read_evaluations(evaluations)
    clusterings = inputs.read_clusterings(clusters)
    names = [run.name for run in runs] + [result.run for result in results] + [c.run for c in clusterings if c.run]
    pretraining = asked.get("pretraining") or {}
    methods = methods_of(names, pretraining.get("runs") or {})

    comparisons = comparisons_of(settings.comparisons, methods, runs, results, clusterings, videos, asked)
    descriptors = list(asked.get("descriptors") or {})
    columns = gallery.gallery_columns(clusterings, videos, comparisons[0].methods, descriptors, settings)
    by_id = {video.video_id: video for video in videos}
    shown = {name: by_id.get(name) or inputs.Video.unknown(name) for name in gallery.videos_on_page(columns, settings)}
    strips = gallery.draw_strips(list(shown), frames, settings)
    explored = Markup("")
    if columns and settings.explorer_videos:
        links = explorer.links_to(list(shown.values()), output.parent)
        vectors = [inputs.read_vectors(column.clustering, models, statuses, list(shown)) for column in columns]
        explored = explorer.explorer_data(columns, vectors, list(shown.values()), strips, links)
    asked_about = str(pretraining.get("validation") or "")
    held_out = asked_about if asked_about != pretraining.get("dataset") else ""
    drawn = {
        "few_shot": figures.few_shot_figure(comparisons),
        "confusion": confusion.confusion_figure(results, comparisons[0].methods),
        "curves": figures.curves_figure(comparisons),
        "training": figures.training_figure(comparisons, bool(held_out)),
        "nmi": figures.agreement_figure(comparisons),
    }
    agreements = tables.agreements(clusterings, videos, methods)
    splits = {one.dataset: {other.split for other in results if other.dataset == one.dataset} for one in results}
    page = render(
        "page/page.html",
        kind=tables.kind_of_label(agreements),
        shared_by_seeds=tables.SHARED_BY_SEEDS,
        remarks=remarks(asked, [method.run for method in methods], splits) if asked.get("datasets") else [],
        settings=settings,
        datasets=tables.dataset_rows(videos, failures, inputs.read_missing(indexes)),
        passed_over=inputs.read_passed_over(indexes),
        failures=failures,
        damaged=inputs.read_damaged(list(dict.fromkeys([*frames, *statuses]))),
        runs=tables.run_rows(runs, methods),
        comparisons=comparisons,
        protocols={name: protocol.title for name, protocol in PROTOCOLS.items()},
        metrics=METRICS,
        paper_tables=[Markup(path.read_text()) for path in paper_tables],
        examples=Markup(examples.read_text()) if examples else "",
        people=Markup(people.read_text()) if people else "",
        has_history=any(run.history for run in runs),
        held_out=held_out,
        columns=columns,
        videos=shown,
        strips=strips,
        explorer=explored,
        times=inputs.read_stage_times(benchmarks, runs, *([asked_for(asked)] if asked.get("datasets") else [])),
        figures={name: Markup(inline(svg, name)) for name, svg in drawn.items()},
        versions=_versions(),
        config=resolved,
    )
    for name, svg in drawn.items():
        write_text(output.parent / "figures" / f"{name}.svg", svg)
    accuracies, few_shot = tables.method_table(results, methods), tables.few_shot_tables(results, methods)
    table_files.write_method_table(accuracies, few_shot, settings.baselines, method_table)
    table_files.write_cluster_table(agreements, cluster_table)
    write_text(output, page)
    log.info("report: %s (%.1f MB), %d failed of %d videos", output, len(page) / 1e6, len(failures), len(videos))


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
    """Versions of the packages that the results depend on most, of those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    command_line(build_report)
