"""The figures of the page as SVG whose text stays text: few-shot curves, training curves, cluster agreement.

Each function returns a whole SVG document that stands by itself (`snakemake --report` shows these files);
`inline` makes of it what the page embeds, in the page's own font and in colours that follow light and dark.
Equal input gives equal bytes.
"""

import io
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from workflow_scripts.report.comparisons import Comparison
from workflow_scripts.report.methods import INK, LINE, MOTION, MUTED, SCENE, Method
from workflow_scripts.report.tables import Agreement, FewShot

_STYLE: Any = {  # matplotlib types it as a dict of literal keys
    "svg.fonttype": "none",
    "svg.hashsalt": "report",  # ids that do not differ from run to run
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_DASHES = {"scratch": (0, (1.2, 1.4)), "supervised": (0, (4, 2))}
_MARKERS = "osD^vPX"


def _svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.04)
    return buffer.getvalue().decode()


def _empty(message: str) -> str:
    """A figure that says why there is nothing to draw; the declared file exists all the same."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 0.6))
        figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED)
        return _svg(figure)


def _stacked(comparisons: list[Comparison], n_panels: list[int], height: float) -> tuple[Figure, list[SubFigure]]:
    """A part of the figure for each comparison, below each other.

    n_panels: of each comparison, up to four in a row; height: inches of a row of panels. A legend is beside a single
    panel, else below them all, and makes room for itself.
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
    """A part of the figure for each comparison, under its title."""
    parts = list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat)
    for part, comparison in zip(parts, comparisons, strict=True):
        if comparison.title:
            part.suptitle(comparison.title, x=0, ha="left", fontsize=11.5, fontweight="bold")
    return parts


def _panels(part: SubFigure, n: int) -> list[Axes]:
    """n panels side by side, up to four in a row."""
    axes = list(part.subplots(-(-n // 4), min(n, 4), squeeze=False).flat)
    for unused in axes[n:]:
        unused.remove()
    for panel in axes[:n]:
        panel.grid(axis="y")
    return axes[:n]


def _name(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name where two runs share it."""
    return f"{method.title} ({method.run})" if len(_twins(method, methods)) > 1 else method.title


def _label_inches(methods: list[Method]) -> float:
    """About how wide the widest entry of a legend is."""
    return 0.6 + 0.068 * max(len(_name(method, methods)) for method in methods)


def _twins(method: Method, methods: list[Method]) -> list[str]:
    """The runs of the same kind as this one, which have its title and its colour."""
    return [other.run for other in methods if other.kind == method.kind]


def _color(method: Method, methods: list[Method]) -> str:
    """The method's colour, of several runs of its kind from dark to light."""
    twins = _twins(method, methods)
    if len(twins) == 1:
        return method.color
    darkest = 0.0 if method.color == INK else -0.3  # the page's own ink must stay what it is
    shift = darkest + (0.6 - darkest) * twins.index(method.run) / (len(twins) - 1)  # share of black or of white
    end = 0.0 if shift < 0 else 1.0
    red, green, blue = ((1 - abs(shift)) * channel + abs(shift) * end for channel in to_rgb(method.color))
    return to_hex((red, green, blue))


def _columns(width: float, methods: list[Method]) -> int:
    """As many entries of a legend side by side as `width` inches are enough for."""
    return max(1, int(width / _label_inches(methods)))


def _legend(part: SubFigure, panels: list[Axes], columns: int = 4) -> None:
    """One legend for all panels: beside a single one, else below them."""
    entries = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    place = {"loc": "outside right center"} if len(panels) == 1 else {"loc": "outside lower left", "ncols": columns}
    part.legend(list(entries.values()), list(entries), handlelength=2.2, labelspacing=0.6, **place)


def few_shot_figure(comparisons: list[Comparison]) -> str:
    """Accuracy against labelled videos per class, a panel per dataset; the mark of IDT + SVM is at all of them."""
    drawn = [comparison for comparison in comparisons if comparison.few_shot]
    if not drawn:
        return _empty("No few-shot evaluation in this run.")
    with matplotlib.rc_context(_STYLE):
        figure, parts = _stacked(drawn, [len(comparison.few_shot) for comparison in drawn], height=2.7)
        for part, comparison in zip(parts, drawn, strict=True):
            panels = _panels(part, len(comparison.few_shot))
            for panel, table in zip(panels, comparison.few_shot, strict=True):
                _few_shot_panel(panel, table, comparison)
            _legend(part, panels, _columns(figure.get_figwidth(), comparison.methods))
        return _svg(figure)


def _few_shot_panel(panel: Axes, table: FewShot, comparison: Comparison) -> None:
    methods = comparison.methods
    place = {shot: position for position, shot in enumerate(table.shots)}
    for number, method in enumerate(table.methods):
        points = [(place[s], 100 * table.cells[method.run, s].mean) for s in place if (method.run, s) in table.cells]
        panel.plot(
            *zip(*points, strict=True),
            color=_color(method, methods),
            linestyle=_DASHES.get(method.kind, "-"),
            marker=_MARKERS[number % len(_MARKERS)],
            label=_name(method, methods),
        )
    for method in methods:
        svm = comparison.accuracies.cells.get((method.run, (table.dataset, "svm")))
        if svm and "all" in place:
            mark = (place["all"], 100 * svm.accuracy.mean)
            panel.plot(*mark, "*", color=method.color, markersize=10, label=method.title)
    panel.axhline(100 * table.chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="Chance", zorder=1)
    panel.set_xticks(list(place.values()), list(place))
    panel.set_ylim(0, None)
    panel.set(title=table.dataset, xlabel="labelled videos per class", ylabel="top-1 accuracy, %")


_OBJECTIVES = {
    "instance": "Instance recognition",
    "local_aggregation": "Local aggregation",
    "supervised": "Cross-entropy, with labels",
}


def training_figure(comparisons: list[Comparison]) -> str:
    """A line per run and seed: loss by epoch in a panel per objective (their scales differ), kNN accuracy in one."""
    drawn = [comparison for comparison in comparisons if any(run.history for run in comparison.runs)]
    if not drawn:
        return _empty("No training history in this run.")
    with matplotlib.rc_context(_STYLE):
        wanted = [_training_panels(comparison) for comparison in drawn]
        figure, parts = _stacked(drawn, [len(titles) for titles in wanted], height=2.3)
        for part, comparison, titles in zip(parts, drawn, wanted, strict=True):
            panels = _panels(part, len(titles))
            for panel, (title, measure, objective) in zip(panels, titles, strict=True):
                _training_panel(panel, measure, objective, comparison)
                panel.set(title=title, xlabel="epoch", ylabel="accuracy, %" if measure == "knn" else "loss")
            _legend(part, panels, _columns(figure.get_figwidth(), comparison.methods))
        return _svg(figure)


def _training_panels(comparison: Comparison) -> list[tuple[str, str, str]]:
    """(title, measure, objective) of each panel; kNN accuracies of all objectives are in one."""
    method_of = {method.run: method for method in comparison.methods}
    present = {method_of[run.name].objective for run in comparison.runs if run.history}
    wanted = [(title, "loss", objective) for objective, title in _OBJECTIVES.items() if objective in present]
    if any("knn" in epoch for run in comparison.runs for epoch in run.history):
        wanted.append(("kNN in the memory bank", "knn", ""))
    return wanted


def _training_panel(panel: Axes, measure: str, objective: str, comparison: Comparison) -> None:
    methods = comparison.methods
    method_of = {method.run: method for method in methods}
    scale = 100 if measure == "knn" else 1
    for run in sorted(comparison.runs, key=lambda run: (list(method_of).index(run.name), run.seed)):
        method = method_of[run.name]
        points = [(e["epoch"] + 1, scale * e[measure]) for e in run.history if measure in e]
        if not points or objective not in ("", method.objective):
            continue
        panel.plot(
            *zip(*points, strict=True),
            color=_color(method, methods),
            linestyle=["-", (0, (4, 1.5)), (0, (1.2, 1.4))][_twins(method, methods).index(method.run) % 3],
            marker="o" if len(points) == 1 else "",
            label=_name(method, methods),
        )
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if measure == "knn":
        panel.set_ylim(0, None)


def agreement_figure(comparisons: list[Comparison]) -> str:
    """NMI and AMI of each clustering with motion and with scene, as bars with their spread."""
    drawn = [comparison for comparison in comparisons if any(row.motion or row.scene for row in comparison.agreements)]
    if not drawn:
        return _empty("No clustering of videos whose motion or scene is known in this run.")
    everything = [row for comparison in drawn for row in comparison.agreements]
    kinds = [("motion", MOTION), ("scene", SCENE)]
    kinds = [(kind, color) for kind, color in kinds if any(getattr(row, kind) for row in everything)]
    scores = [score for row in everything for kind, _ in kinds for score in getattr(row, kind) or ()]
    lowest = min(score.mean - (score.sd or 0.0) for score in scores)
    with matplotlib.rc_context(_STYLE):
        rows = [[row for row in comparison.agreements if row.motion or row.scene] for comparison in drawn]
        heights = [0.9 + 0.46 * len(found) for found in rows]
        figure = Figure(figsize=(10.2, sum(heights)), layout="constrained")
        parts = _parts(figure, drawn, heights)
        for part, found in zip(parts, rows, strict=True):
            panels = list(part.subplots(1, 2, sharey=True))
            for position, panel in enumerate(panels):
                _agreement_panel(panel, found, position, kinds)
                panel.set_xlim(min(0.0, lowest - 0.02) if position else 0.0, 1.0)
            titles = [row.title for row in found]
            names = [row.title if titles.count(row.title) == 1 else f"{row.title} ({row.name})" for row in found]
            panels[0].set_yticks(np.arange(len(found)), names)
            panels[0].tick_params(axis="y", labelcolor=INK)
            panels[0].set_ylim(len(found) - 0.4, -0.6)
            _legend(part, panels)
        return _svg(figure)


def _agreement_panel(panel: Axes, rows: list[Agreement], position: int, kinds: list[tuple[str, str]]) -> None:
    """position: 0 for NMI, 1 for AMI."""
    panel.grid(axis="x")
    height = 0.72 / len(kinds)
    for number, (kind, color) in enumerate(kinds):
        for place, row in enumerate(rows):
            if scores := getattr(row, kind):
                score = scores[position]
                y = place + (number - (len(kinds) - 1) / 2) * height
                panel.barh(y, score.mean, height * 0.86, color=color, label=kind)
                if score.sd:
                    panel.plot([score.mean - score.sd, score.mean + score.sd], [y, y], color=INK, linewidth=1)
    panel.set_title(["NMI", "AMI (0 = chance)"][position])
    panel.axvline(0, color=MUTED, linewidth=0.8)
    panel.spines["bottom"].set_visible(False)
    panel.tick_params(axis="x", length=0)


def inline(svg: str, name: str) -> str:
    """The `<svg>` element for the page: ids made unique by `name`, sizes in CSS pixels, the page's font and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for color, variable in ((INK, "ink"), (MUTED, "muted"), (LINE, "line")):
        svg = svg.replace(color, f"var(--{variable})")
    width = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg).group(1))  # type: ignore[union-attr]
    svg = re.sub(r'(<svg[^>]*?) (?:height|width)="[\d.]+pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) (?:height|width)="[\d.]+pt"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg aria-hidden="true" style="max-width:{width * 4 / 3:.0f}px"', 1)
