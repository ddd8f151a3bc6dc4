"""Curves along a parameter and curves of training, read back from their SVG."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from pages import evaluation

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page.comparisons import comparisons_of
from workflow_scripts.report.page.figures import curves_figure, training_figure
from workflow_scripts.report.page.inputs import VIDEO_COLUMNS, Run, evaluation_table

RUNS = {
    "short": {"objective": "instance", "clip_length": 8, "subset": 10},
    "usual": {"objective": "instance"},
    "long": {"objective": "instance", "clip_length": 32, "k": 7},
}
VIDEOS = pd.DataFrame(columns=VIDEO_COLUMNS)  # none
ACCURACIES = {"short": 0.3, "usual": 0.6, "long": 0.5}


@pytest.mark.parametrize(
    ("along", "order"),
    [("clip_length", {"short": 8, "usual": 16, "long": 32}), ("subset", {"short": 10, "usual": 90, "long": 91})],
)
def test_curves_figure_follows_parameter(along: str, order: dict[str, int]) -> None:
    config = resolve({"datasets": {"toy": {"layout": "generated"}}, "pretraining": {"dataset": "toy", "runs": RUNS}})
    records = [evaluation(run, seed, accuracy) for (run, accuracy), seed in product(ACCURACIES.items(), (0, 1))]
    results = evaluation_table(records)
    runs = [Run(name, 0, [], n) for name, n in {"short": 10, "usual": 90, "long": 91}.items()]
    comparisons = [{"title": "Length", "runs": ["long", "short", "usual"], "along": along}]
    [comparison] = comparisons_of(comparisons, methods_of(list(RUNS), RUNS), runs, results, [], VIDEOS, config)
    assert comparison.values == order
    svg = curves_figure([comparison])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert [text for text in texts if text.isdigit()][:3] == [str(value) for value in order.values()]
    lines = re.findall(r'<path d="M ([\d. \nL]+?)" [^>]*style="fill: none; stroke: #c673a4', svg)
    [points] = [
        np.array(line.replace("L", " ").split(), float).reshape(-1, 2) for line in lines if line.count("L") == 2
    ]
    assert (np.diff(points[:, 0]) > 0).all()
    heights = [ACCURACIES[run] for run in order]
    assert np.corrcoef(points[:, 1], heights)[0, 1] == pytest.approx(-1)  # SVG counts from the top


def test_training_figure_titles_and_points() -> None:
    runs = {"ir": {"objective": "instance"}, "sup": {"objective": "supervised"}}
    histories = {"ir": {"loss": 3.0, "knn": 0.4}, "sup": {"loss": 2.0, "accuracy": 0.7, "validation": 0.5}}
    trained = [
        Run(name, 0, [{"epoch": epoch, **values, "lr": 0.1} for epoch in range(3)], 10)
        for name, values in histories.items()
    ]
    [comparison] = comparisons_of([], methods_of(list(runs), runs), trained, evaluation_table([]), [], VIDEOS, {})
    losses = ["Instance recognition", "Cross-entropy, with labels"]
    for held_out, videos in ((False, "training videos"), (True, "held-out videos")):
        svg = training_figure([comparison], held_out)
        texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
        titles = [*losses, f"kNN, {videos}", "Class head, training clips", f"Class head, {videos}"]
        assert [text for text in texts if text in titles] == titles
        assert texts.count("accuracy, %") == 3 and texts.count("loss") == 2
        lines = re.findall(r'<path d="M [\d. ]+\nL [\d. ]+\nL [\d. ]+\n" clip-path', svg)
        assert len(lines) == 5


def test_curves_figure_without_parameter() -> None:
    assert "No comparison along a parameter" in curves_figure([])
