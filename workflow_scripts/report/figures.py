"""The figures of the page as SVG whose text stays text: few-shot curves, training curves, cluster agreement.

Each function returns a whole SVG document that stands by itself (`snakemake --report` shows these files);
`inline` makes of it what the page embeds, in the page's own font and in colours that follow light and dark.
Equal input gives equal bytes.
"""

import io
import re
from statistics import mean
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow_scripts.report.inputs import Evaluation, Run
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


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """n panels side by side, up to four in a row of the page's width."""
    columns = min(n, 4)
    rows = -(-n // columns)
    figure = Figure(figsize=({1: 5.2, 2: 7.6}.get(columns, 10.2), height * rows + 0.4), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[n:]:
        unused.remove()
    for panel in axes[:n]:
        panel.grid(axis="y")
    return figure, axes[:n]


def _name(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name where two runs share it."""
    shared = sum(other.title == method.title for other in methods) > 1
    return f"{method.title} ({method.run})" if shared else method.title


def _legend(figure: Figure, panels: list[Axes]) -> None:
    """One legend for all panels: beside a single one, else below them."""
    entries = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    place = {"loc": "outside right center"} if len(panels) == 1 else {"loc": "outside lower left", "ncols": 4}
    figure.legend(list(entries.values()), list(entries), handlelength=2.2, labelspacing=0.6, **place)


def few_shot_figure(tables: list[FewShot], evaluations: list[Evaluation], methods: list[Method]) -> str:
    """Accuracy against labelled videos per class, a panel per dataset; the mark of IDT + SVM is at all of them."""
    if not tables:
        return _empty("No few-shot evaluation in this run.")
    with matplotlib.rc_context(_STYLE):
        figure, panels = _panels(len(tables), height=2.7)
        for panel, table in zip(panels, tables, strict=True):
            place = {shot: position for position, shot in enumerate(table.shots)}
            for number, method in enumerate(table.methods):
                points = [
                    (place[s], 100 * table.cells[method.run, s].mean) for s in place if (method.run, s) in table.cells
                ]
                panel.plot(
                    *zip(*points, strict=True),
                    color=method.color,
                    linestyle=_DASHES.get(method.kind, "-"),
                    marker=_MARKERS[number % len(_MARKERS)],
                    label=_name(method, methods),
                )
            for method in methods:
                svm = [
                    e.accuracy
                    for e in evaluations
                    if (e.run, e.dataset, e.protocol) == (method.run, table.dataset, "svm")
                ]
                if svm and "all" in place:
                    panel.plot(
                        place["all"], 100 * mean(svm), "*", color=method.color, markersize=10, label=method.title
                    )
            panel.axhline(100 * table.chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="Chance", zorder=1)
            panel.set_xticks(list(place.values()), list(place))
            panel.set_ylim(0, None)
            panel.set(title=table.dataset, xlabel="labelled videos per class", ylabel="top-1 accuracy, %")
        _legend(figure, panels)
        return _svg(figure)


_OBJECTIVES = {
    "instance": "Instance recognition",
    "local_aggregation": "Local aggregation",
    "supervised": "Cross-entropy, with labels",
}


def training_figure(runs: list[Run], methods: list[Method]) -> str:
    """A line per run and seed: loss by epoch in a panel per objective (their scales differ), kNN accuracy in one."""
    if not any(run.history for run in runs):
        return _empty("No training history in this run.")
    method_of = {method.run: method for method in methods}
    present = {method_of[run.name].objective for run in runs if run.history}
    wanted = [(title, "loss", objective) for objective, title in _OBJECTIVES.items() if objective in present]
    if any("knn" in epoch for run in runs for epoch in run.history):
        wanted.append(("kNN in the memory bank", "knn", ""))
    with matplotlib.rc_context(_STYLE):
        figure, panels = _panels(len(wanted), height=2.3)
        for panel, (title, measure, objective) in zip(panels, wanted, strict=True):
            scale = 100 if measure == "knn" else 1
            for run in sorted(runs, key=lambda run: run.seed):
                method = method_of[run.name]
                points = [(e["epoch"] + 1, scale * e[measure]) for e in run.history if measure in e]
                if not points or objective not in ("", method.objective):
                    continue
                panel.plot(
                    *zip(*points, strict=True),
                    color=method.color,
                    linestyle=["-", (0, (4, 1.5)), (0, (1.2, 1.4))][_twin(method, methods) % 3],
                    marker="o" if len(points) == 1 else "",
                    label=_name(method, methods),
                )
            panel.set(title=title, xlabel="epoch", ylabel="accuracy, %" if measure == "knn" else "loss")
            panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if measure == "knn":
                panel.set_ylim(0, None)
        _legend(figure, panels)
        return _svg(figure)


def _twin(method: Method, methods: list[Method]) -> int:
    """How many methods of the same kind, and so the same colour, come before this one."""
    return [other.run for other in methods if other.kind == method.kind].index(method.run)


def agreement_figure(rows: list[Agreement]) -> str:
    """NMI and AMI of each clustering with motion and with scene, as bars with the spread over K-means runs."""
    rows = [row for row in rows if row.motion or row.scene]
    if not rows:
        return _empty("No clustering of videos whose motion or scene is known in this run.")
    kinds = [("motion", MOTION), ("scene", SCENE)]
    kinds = [(kind, color) for kind, color in kinds if any(getattr(row, kind) for row in rows)]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10.2, 0.9 + 0.46 * len(rows)), layout="constrained")
        panels = list(figure.subplots(1, 2, sharey=True))
        height = 0.72 / len(kinds)
        for position, panel in enumerate(panels):
            panel.grid(axis="x")
            for number, (kind, color) in enumerate(kinds):
                for place, row in enumerate(rows):
                    scores = getattr(row, kind)
                    if scores is None:
                        continue
                    score = scores[position]
                    y = place + (number - (len(kinds) - 1) / 2) * height
                    panel.barh(y, score.mean, height * 0.86, color=color, label=kind)
                    if score.sd:
                        panel.plot([score.mean - score.sd, score.mean + score.sd], [y, y], color=INK, linewidth=1)
            panel.set_title(["NMI", "AMI (0 = chance)"][position])
            panel.axvline(0, color=MUTED, linewidth=0.8)
            panel.spines["bottom"].set_visible(False)
            panel.tick_params(axis="x", length=0)
        low = min(0.0, *(panel.get_xlim()[0] for panel in panels))
        for panel in panels:
            panel.set_xlim(low if panel is panels[1] else 0, 1)
        titles = [row.title for row in rows]
        names = [row.title if titles.count(row.title) == 1 else f"{row.title} ({row.name})" for row in rows]
        panels[0].set_yticks(np.arange(len(rows)), names)
        panels[0].tick_params(axis="y", labelcolor=INK)
        panels[0].invert_yaxis()
        _legend(figure, panels)
        return _svg(figure)


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
