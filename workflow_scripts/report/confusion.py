"""Confusion matrices: what each method takes for what, added up over splits and seeds."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from workflow_scripts.report.inputs import Evaluation
from workflow_scripts.report.methods import MOTION, Method, name_among
from workflow_scripts.report.svg import STYLE, empty, to_svg

_NAMED_CLASSES = 16  # more names than these cannot be read
_IN_A_ROW = 4


def confusion_figure(evaluations: list[Evaluation], methods: list[Method]) -> str:
    """A panel for each dataset and method: rows are true classes, columns answers, colours shares of a row.

    Networks are shown finetuned or, where they are not, by their linear classifier on all shots.
    """
    panels = _panels(evaluations, methods)
    if not panels:
        return empty("No evaluation in this run.")
    most = max(len(classes) for _, _, classes in panels)
    rows, columns = -(-len(panels) // _IN_A_ROW), min(len(panels), _IN_A_ROW)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.5 * columns + 0.8, 2.7 * rows + 0.5), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False, sharex=most <= _NAMED_CLASSES).flat)
        for unused in axes[len(panels) :]:
            unused.remove()
        for number, (axis, (title, confusion, classes)) in enumerate(zip(axes, panels, strict=False)):
            _panel(axis, title, confusion, classes, first=number % _IN_A_ROW == 0)
        return to_svg(figure)


def _panels(evaluations: list[Evaluation], methods: list[Method]) -> list[tuple[str, np.ndarray, list[str]]]:
    """(title, counts (C, C), classes) of each dataset and method."""
    panels = []
    datasets = sorted({evaluation.dataset for evaluation in evaluations})
    for dataset in datasets:
        for method in methods:
            here = [one for one in evaluations if (one.dataset, one.run) == (dataset, method.run) and one.confusion]
            found = next(
                (of for p in ("finetune", "svm", "few_shot") if (of := [o for o in here if o.protocol == p])), []
            )
            if found:
                title = name_among(method, methods) + (f"\n{dataset}" if len(datasets) > 1 else "")
                panels.append((title, np.sum([one.confusion for one in found], axis=0), found[0].classes))
    return panels


def _panel(axis: Axes, title: str, confusion: np.ndarray, classes: list[str], first: bool) -> None:
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    # Shares are the colour's opacity, so that the figure stands on light and on dark ground.
    image = np.concatenate([np.broadcast_to(to_rgb(MOTION), (*shares.shape, 3)), shares[..., None]], axis=-1)
    axis.imshow(image, interpolation="nearest")
    axis.set_title(title, fontsize=9)
    ticks = list(range(len(classes))) if len(classes) <= _NAMED_CLASSES else []
    axis.set_xticks(ticks, classes[: len(ticks)], rotation=90)
    axis.set_yticks(ticks, classes[: len(ticks)] if first else [""] * len(ticks))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(True)
