"""The figures of the page: few-shot curves, curves along a parameter, training curves, cluster agreement.

Each function returns a complete SVG document; `snakemake --report` shows these files.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.pretraining.objectives import OBJECTIVES
from workflow_scripts.report.methods import SCRATCH_KIND, Method, name_among, runs_of_kind
from workflow_scripts.report.page.accuracies import FewShot
from workflow_scripts.report.page.agreements import SCORES, Agreement, Words
from workflow_scripts.report.page.comparisons import ALONG, Comparison
from workflow_scripts.report.palette import INK, MOTION, MUTED, PLACE
from workflow_scripts.report.svg import STYLE, empty, to_svg
from workflow_scripts.report.text import visible

_MARKERS = "osD^vPX"
Content = TypeVar("Content")  # what a panel shows


def _dashes(method: Method) -> Any:
    """The line style: dotted for scratch, dashed for networks pretrained with labels, solid for others."""
    return (0, (1.2, 1.4)) if method.kind == SCRATCH_KIND else (0, (4, 2)) if method.supervised else "-"


def _stacked(comparisons: list[Comparison], n_panels: list[int], height: float) -> tuple[Figure, list[SubFigure]]:
    """A subfigure for each comparison, one below the other, with room for its legend (see `_legend`).

    n_panels: of each comparison, up to four in a row; height: inches of a row of panels.
    """
    most = max(n_panels)
    beside = 3.6 + max(_label_inches(comparison.methods) for comparison in comparisons)
    width = {1: beside, 2: 7.6}.get(most, 10.2)
    heights = []
    for comparison, n in zip(comparisons, n_panels, strict=True):
        legend = 0.2 * (len(comparison.methods) + 2)
        panels = height * -(-n // 4) + 0.4
        heights.append(max(panels, legend) if n == 1 else panels + legend / _columns(width, comparison.methods))
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    return figure, _parts(figure, comparisons, heights)


def _parts(figure: Figure, comparisons: list[Comparison], heights: list[float]) -> list[SubFigure]:
    """A subfigure for each comparison, under its title."""
    parts = list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat)
    for part, comparison in zip(parts, comparisons, strict=True):
        if comparison.title:
            part.suptitle(visible(comparison.title), x=0, ha="left", fontsize=11.5, fontweight="bold")
    return parts


def _panels(part: SubFigure, n: int) -> list[Axes]:
    """n panels side by side, up to four in a row."""
    axes = list(part.subplots(-(-n // 4), min(n, 4), squeeze=False).flat)
    for unused in axes[n:]:
        unused.remove()
    for panel in axes[:n]:
        panel.grid(axis="y")
    return axes[:n]


def _label_inches(methods: list[Method]) -> float:
    """About how wide the widest entry of a legend is."""
    return 0.6 + 0.068 * max(len(name_among(method, methods)) for method in methods)


def _color(method: Method, methods: list[Method]) -> str:
    """The method's color; several runs of a kind get shades of it, from dark to light."""
    same_kind = runs_of_kind(method, methods)
    if len(same_kind) == 1:
        return method.color
    darkest = 0.0 if method.color == INK else -0.3  # `inline` replaces only INK, not its shades
    shift = darkest + (0.6 - darkest) * same_kind.index(method.run) / (len(same_kind) - 1)  # share of black or white
    endpoint = 0.0 if shift < 0 else 1.0
    red, green, blue = ((1 - abs(shift)) * channel + abs(shift) * endpoint for channel in to_rgb(method.color))
    return to_hex((red, green, blue))


def _columns(width: float, methods: list[Method]) -> int:
    """The number of legend entries that fit side by side in `width` inches."""
    return max(1, int(width / _label_inches(methods)))


def _legend(part: SubFigure, panels: list[Axes], columns: int = 4) -> None:
    """One legend for all panels: beside a single one, else below them."""
    entries = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    place = {"loc": "outside right center"} if len(panels) == 1 else {"loc": "outside lower left", "ncols": columns}
    part.legend(list(entries.values()), list(entries), handlelength=2.2, labelspacing=0.6, **place)


def _panel_figure(
    comparisons: list[Comparison],
    contents: list[list[Content]],
    draw: Callable[[Axes, Content, Comparison], None],
    height: float,
) -> str:
    """A figure with a panel for each of the `contents` of each comparison; height: inches of a row of panels."""
    with matplotlib.rc_context(STYLE):
        figure, parts = _stacked(comparisons, list(map(len, contents)), height)
        for part, comparison, of_comparison in zip(parts, comparisons, contents, strict=True):
            panels = _panels(part, len(of_comparison))
            for panel, content in zip(panels, of_comparison, strict=True):
                draw(panel, content, comparison)
            _legend(part, panels, _columns(figure.get_figwidth(), comparison.methods))
        return to_svg(figure)


def few_shot_figure(comparisons: list[Comparison]) -> str:
    """Accuracy against labelled videos per class, a panel per dataset. A star marks IDT + SVM, at all shots."""
    drawn = [comparison for comparison in comparisons if comparison.few_shot]
    if not drawn:
        return empty("No few-shot evaluation in this run.")
    return _panel_figure(drawn, [comparison.few_shot for comparison in drawn], _few_shot_panel, height=2.7)


def _few_shot_panel(panel: Axes, table: FewShot, comparison: Comparison) -> None:
    methods = comparison.methods
    place = {shot: position for position, shot in enumerate(table.shots)}
    for number, method in enumerate(table.methods):
        points = [(place[s], 100 * table.cells[method.run, s].mean) for s in place if (method.run, s) in table.cells]
        panel.plot(
            *zip(*points, strict=True),
            color=_color(method, methods),
            linestyle=_dashes(method),
            marker=_MARKERS[number % len(_MARKERS)],
            label=name_among(method, methods),
        )
    for method in methods:
        svm = comparison.accuracies.accuracy(method.run, (table.dataset, "svm"))
        if svm and "all" in place:
            mark = (place["all"], 100 * svm.mean)
            panel.plot(*mark, "*", color=method.color, markersize=10, label=method.title)
    panel.axhline(100 * table.chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="Chance", zorder=1)
    panel.set_xticks(list(place.values()), list(place))
    panel.set_ylim(0, None)
    panel.set(title=table.dataset, xlabel="labelled videos per class", ylabel="top-1 accuracy, %")


def curves_figure(comparisons: list[Comparison]) -> str:
    """Accuracy against the parameter that a comparison is along (paper tables 3 and 6, figure 4): a panel for each
    dataset and protocol, a line for each kind of method."""
    drawn = [comparison for comparison in comparisons if comparison.along and comparison.accuracies.columns]
    if not drawn:
        return empty("No comparison along a parameter in this run.")
    return _panel_figure(drawn, [comparison.accuracies.columns for comparison in drawn], _curves_panel, height=2.5)


def _curves_panel(panel: Axes, column: tuple[str, str], comparison: Comparison) -> None:
    table = comparison.accuracies
    accuracies = {method.run: table.accuracy(method.run, column) for method in table.methods}
    values = sorted({comparison.values[method.run] for method in table.methods if method.run in comparison.values})
    for number, kind in enumerate(dict.fromkeys(method.kind for method in table.methods)):
        runs = [method for method in table.methods if method.kind == kind and accuracies[method.run]]
        runs = sorted((one for one in runs if one.run in comparison.values), key=lambda one: comparison.values[one.run])
        if runs:
            spreads = [accuracy for one in runs if (accuracy := accuracies[one.run])]
            panel.errorbar(
                [values.index(comparison.values[one.run]) for one in runs],
                [100 * accuracy.mean for accuracy in spreads],
                [100 * (accuracy.sd or 0.0) for accuracy in spreads],
                color=runs[0].color,
                linestyle=_dashes(runs[0]),
                marker=_MARKERS[number % len(_MARKERS)],
                elinewidth=1,
                label=runs[0].title,
            )
    panel.axhline(100 * table.chance(column), color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="Chance", zorder=1)
    panel.set_xticks(range(len(values)), [f"{value:,}" for value in values])
    panel.set_xlim(-0.3, len(values) - 0.7)
    panel.set_ylim(0, None)
    title = f"{column[0]}, {PROTOCOLS[column[1]].title}"
    panel.set(title=title, xlabel=ALONG[comparison.along], ylabel="top-1 accuracy, %")


def training_figure(comparisons: list[Comparison], held_out: bool = False) -> str:
    """A line per run and seed: a panel for the loss of each objective (their scales differ), and one for each accuracy.

    held_out: whether the accuracies are measured on videos that no run learns from (`pretraining.validation`)
    instead of the training videos.
    """
    drawn = [comparison for comparison in comparisons if any(run.history for run in comparison.runs)]
    if not drawn:
        return empty("No training history in this run.")
    titles = [_training_panels(comparison, held_out) for comparison in drawn]
    return _panel_figure(drawn, titles, _training_panel, height=2.3)


def _training_panels(comparison: Comparison, held_out: bool) -> list[tuple[str, str, str]]:
    """(title, measure, objective) of each panel. Panels of accuracies show all runs: their objective is empty."""
    videos = "held-out videos" if held_out else "training videos"
    accuracies = {"knn": f"kNN, {videos}", "accuracy": "Class head, training clips"}
    accuracies["validation"] = f"Class head, {videos}"
    method_of = {method.run: method for method in comparison.methods}
    present = {method_of[run.name].objective for run in comparison.runs if run.history}
    panels = [(one.title, "loss", objective) for objective, one in OBJECTIVES.items() if objective in present]
    measured = {measure for run in comparison.runs for epoch in run.history for measure in epoch}
    return panels + [(title, measure, "") for measure, title in accuracies.items() if measure in measured]


def _training_panel(panel: Axes, content: tuple[str, str, str], comparison: Comparison) -> None:
    title, measure, objective = content
    methods = comparison.methods
    method_of = {method.run: method for method in methods}
    scale = 1 if measure == "loss" else 100
    for run in sorted(comparison.runs, key=lambda run: (list(method_of).index(run.name), run.seed)):
        method = method_of[run.name]
        points = [(e["epoch"] + 1, scale * e[measure]) for e in run.history if measure in e]
        if not points or objective not in ("", method.objective):
            continue
        panel.plot(
            *zip(*points, strict=True),
            color=_color(method, methods),
            linestyle=["-", (0, (4, 1.5)), (0, (1.2, 1.4))][runs_of_kind(method, methods).index(method.run) % 3],
            marker="o" if len(points) == 1 else "",
            label=name_among(method, methods),
        )
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if measure != "loss":
        panel.set_ylim(0, None)
    panel.set(title=title, xlabel="epoch", ylabel="loss" if measure == "loss" else "accuracy, %")


def agreement_figure(comparisons: list[Comparison], words: Words) -> str:
    """NMI and AMI of each clustering with motion or class, and with scene or recording, as bars with their spread."""
    drawn = [comparison for comparison in comparisons if any(row.motion or row.place for row in comparison.agreements)]
    if not drawn:
        return empty(f"No clustering of videos whose {words.motion} or {words.place} is known in this run.")
    all_rows = [row for comparison in drawn for row in comparison.agreements]
    kinds = [("motion", words.motion, MOTION), ("place", words.place, PLACE)]
    kinds = [kind for kind in kinds if any(getattr(row, kind[0]) for row in all_rows)]
    scores = [score for row in all_rows for kind, _, _ in kinds for score in getattr(row, kind) or ()]
    lowest = min(score.mean - (score.sd or 0.0) for score in scores)
    with matplotlib.rc_context(STYLE):
        rows = [[row for row in comparison.agreements if row.motion or row.place] for comparison in drawn]
        heights = [0.9 + 0.46 * len(of_part) for of_part in rows]
        figure = Figure(figsize=(10.2, sum(heights)), layout="constrained")
        parts = _parts(figure, drawn, heights)
        for part, shown in zip(parts, rows, strict=True):
            panels = list(part.subplots(1, 2, sharey=True))
            for position, panel in enumerate(panels):
                _agreement_panel(panel, shown, position, kinds)
                panel.set_xlim(min(0.0, lowest - 0.02) if position else 0.0, 1.0)
            titles = [row.title for row in shown]
            names = [row.title if titles.count(row.title) == 1 else f"{row.title} ({row.name})" for row in shown]
            panels[0].set_yticks(np.arange(len(shown)), names)
            panels[0].tick_params(axis="y", labelcolor=INK)
            panels[0].set_ylim(len(shown) - 0.4, -0.6)
            _legend(part, panels)
        return to_svg(figure)


def _agreement_panel(panel: Axes, rows: list[Agreement], position: int, kinds: list[tuple[str, str, str]]) -> None:
    """position: 0 for NMI, 1 for AMI; kinds: field of the row, name and color of each."""
    panel.grid(axis="x")
    height = 0.72 / len(kinds)
    for number, (kind, name, color) in enumerate(kinds):
        for place, row in enumerate(rows):
            if scores := getattr(row, kind):
                score = scores[position]
                y = place + (number - (len(kinds) - 1) / 2) * height
                panel.barh(y, score.mean, height * 0.86, color=color, label=name)
                if score.sd:
                    panel.plot([score.mean - score.sd, score.mean + score.sd], [y, y], color=INK, linewidth=1)
    panel.set_title(f"{list(SCORES)[position]}{' (0 = chance)' * position}")
    panel.axvline(0, color=MUTED, linewidth=0.8)
    panel.spines["bottom"].set_visible(False)
    panel.tick_params(axis="x", length=0)
