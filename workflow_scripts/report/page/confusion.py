"""Confusion matrices of the methods, summed over splits and seeds."""

from textwrap import fill

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from workflow_scripts.evaluation.protocols import PROTOCOLS
from workflow_scripts.report.methods import Method, name_among
from workflow_scripts.report.palette import INK, MOTION
from workflow_scripts.report.svg import STYLE, empty, to_svg
from workflow_scripts.report.text import visible

_NAMED_CLASSES = 16  # with more classes, their names would be too small to read
_NUMBERED_CLASSES = 10  # with more classes, a cell has no room for a number
_IN_A_ROW = 4
_SIDE = 2.3  # inches of a matrix

Matrix = tuple[str, np.ndarray, list[str]]  # title, counts (C, C), classes


def confusion_figure(evaluations: pd.DataFrame, methods: list[Method]) -> str:
    """A matrix for each dataset and method: rows are true classes, columns predictions, colors fractions of a row.

    Each dataset has its own rows of matrices. A method is shown by the first of its PROTOCOLS. If there is room, each
    cell shows its count.
    """
    datasets = sorted(set(evaluations["dataset"]))
    drawn = {dataset: matrices for dataset in datasets if (matrices := _matrices(evaluations, methods, dataset))}
    if not drawn:
        return empty("No evaluation in this run.")
    columns = min(_IN_A_ROW, max(map(len, drawn.values())))
    inches = {dataset: _label_inches(matrices[0][2]) for dataset, matrices in drawn.items()}
    heights = [_SIDE * -(-len(matrices) // columns) + inches[dataset] + 0.7 for dataset, matrices in drawn.items()]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_SIDE * columns + max(inches.values()), sum(heights)), layout="constrained")
        parts = figure.subfigures(len(drawn), 1, squeeze=False, height_ratios=heights).flat
        for part, (dataset, matrices) in zip(parts, drawn.items(), strict=True):
            if len(drawn) > 1:
                part.suptitle(dataset, x=0, ha="left", fontsize=11.5, fontweight="bold")
            axes = list(part.subplots(-(-len(matrices) // columns), columns, squeeze=False).flat)
            for unused in axes[len(matrices) :]:
                unused.remove()
            for number, (axis, matrix) in enumerate(zip(axes, matrices, strict=False)):
                _draw(axis, matrix, left=number % columns == 0, lowest=number + columns >= len(matrices))
        return to_svg(figure)


def _label_inches(classes: list[str]) -> float:
    """About how wide the widest name of a class is."""
    return 0.3 + 0.08 * max(map(len, classes)) if len(classes) <= _NAMED_CLASSES else 0.3


def _matrices(evaluations: pd.DataFrame, methods: list[Method], dataset: str) -> list[Matrix]:
    matrices = []
    for method in methods:
        evaluated = evaluations.query("dataset == @dataset and run == @method.run")
        of_protocol = dict(iter(evaluated[evaluated["confusion"].map(len) > 0].groupby("protocol")))
        shown = next((of_protocol[protocol] for protocol in PROTOCOLS if protocol in of_protocol), None)
        if shown is not None:
            counts = np.sum(list(shown["confusion"]), axis=0)
            matrices.append((name_among(method, methods), counts, list(map(visible, shown["classes"].iloc[0]))))
    return matrices


def _draw(axis: Axes, matrix: Matrix, left: bool, lowest: bool) -> None:
    """Draws a matrix. left: whether it names the rows; lowest: whether it names the columns."""
    title, counts, classes = matrix
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The fraction is the opacity of the color, which fits light and dark backgrounds.
    image = np.concatenate([np.broadcast_to(to_rgb(MOTION), (*fractions.shape, 3)), fractions[..., None]], axis=-1)
    axis.imshow(image, interpolation="nearest")
    axis.set_title(fill(title, 30), fontsize=9)
    ticks = list(range(len(classes))) if len(classes) <= _NAMED_CLASSES else []
    axis.set_xticks(ticks, classes[: len(ticks)] if lowest else [""] * len(ticks), rotation=90)
    axis.set_yticks(ticks, classes[: len(ticks)] if left else [""] * len(ticks))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(True)
    if len(classes) <= _NUMBERED_CLASSES:
        for row, column in np.argwhere(counts > 0):
            color = "white" if fractions[row, column] > 0.6 else INK
            axis.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=7.5, color=color)
