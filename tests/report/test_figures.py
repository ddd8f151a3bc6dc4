"""Curves along a parameter and confusion matrices, read back from their SVG."""

import base64
import re
from itertools import product
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page.comparisons import comparisons_of
from workflow_scripts.report.page.confusion import confusion_figure
from workflow_scripts.report.page.figures import curves_figure, training_figure
from workflow_scripts.report.page.inputs import VIDEO_COLUMNS, Run, evaluation_table

RUNS = {
    "short": {"objective": "instance", "clip_length": 8, "subset": 10},
    "usual": {"objective": "instance"},
    "long": {"objective": "instance", "clip_length": 32, "k": 7},
}
VIDEOS = pd.DataFrame(columns=VIDEO_COLUMNS)  # none
ACCURACIES = {"short": 0.3, "usual": 0.6, "long": 0.5}


def evaluation(
    run: str, seed: int = 0, accuracy: float = 0.5, confusion: list[list[int]] | None = None
) -> dict[str, Any]:
    return dict(
        run=run,
        seed=seed,
        dataset="toy",
        split=1,
        protocol="finetune",
        accuracy=accuracy,
        mean_class_accuracy=accuracy,
        accuracy_interval=[0.0, 1.0],
        chance=0.5,
        n_train=10,
        n_test=10,
        n_left_out=0,
        config_digest="0" * 16,
        classes=["walk", "wave"],
        confusion=confusion or [],
    )


@pytest.mark.parametrize(
    ("along", "order"),
    [("clip_length", {"short": 8, "usual": 16, "long": 32}), ("subset", {"short": 10, "usual": 90, "long": 91})],
)
def test_a_curve_goes_through_the_accuracies_in_the_order_of_the_parameter(along: str, order: dict[str, int]) -> None:
    config = resolve({"datasets": {"toy": {"layout": "generated"}}, "pretraining": {"dataset": "toy", "runs": RUNS}})
    records = [evaluation(run, seed, accuracy) for (run, accuracy), seed in product(ACCURACIES.items(), (0, 1))]
    results = evaluation_table(records)
    runs = [Run(name, 0, [], n) for name, n in {"short": 10, "usual": 90, "long": 91}.items()]
    wanted = [{"title": "Length", "runs": ["long", "short", "usual"], "along": along}]
    [comparison] = comparisons_of(wanted, methods_of(list(RUNS), RUNS), runs, results, [], VIDEOS, config)
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


def test_training_panels_are_titled_by_what_is_asked_and_hold_every_point() -> None:
    runs = {"ir": {"objective": "instance"}, "sup": {"objective": "supervised"}}
    histories = {"ir": {"loss": 3.0, "knn": 0.4}, "sup": {"loss": 2.0, "accuracy": 0.7, "validation": 0.5}}
    trained = [
        Run(name, 0, [{"epoch": epoch, **values, "lr": 0.1} for epoch in range(3)], 10)
        for name, values in histories.items()
    ]
    [comparison] = comparisons_of([], methods_of(list(runs), runs), trained, evaluation_table([]), [], VIDEOS, {})
    losses = ["Instance recognition", "Cross-entropy, with labels"]
    for held_out, asked in ((False, "training videos"), (True, "held-out videos")):
        svg = training_figure([comparison], held_out)
        texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
        titles = [*losses, f"kNN, {asked}", "Class head, training clips", f"Class head, {asked}"]
        assert [text for text in texts if text in titles] == titles
        assert texts.count("accuracy, %") == 3 and texts.count("loss") == 2
        lines = re.findall(r'<path d="M [\d. ]+\nL [\d. ]+\nL [\d. ]+\n" clip-path', svg)
        assert len(lines) == 5


def test_a_comparison_along_nothing_has_no_curve() -> None:
    assert "No comparison along a parameter" in curves_figure([])


def test_a_confusion_matrix_is_the_sum_over_seeds_by_shares_of_its_rows() -> None:
    results = [evaluation("usual", seed, confusion=[[3, 1], [0, 2 + 2 * seed]]) for seed in (0, 1)]
    results.append(evaluation("short", confusion=[[0, 4], [0, 0]]))
    svg = confusion_figure(evaluation_table(results), methods_of(["short", "usual"], RUNS))
    images = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", svg)]
    assert len(images) == 2
    for image, shares in zip(images, ([[0, 1], [0, 0]], [[0.75, 0.25], [0, 1]]), strict=True):
        # matplotlib writes it upside down and turns it over
        alpha = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)[::-1, :, 3] / 255
        half = len(alpha) // 2
        quarters = [[alpha[: half - 1, : half - 1], alpha[: half - 1, half + 1 :]]]
        quarters.append([alpha[half + 1 :, : half - 1], alpha[half + 1 :, half + 1 :]])
        for row, found in zip(shares, quarters, strict=True):
            for share, part in zip(row, found, strict=True):
                np.testing.assert_allclose(part, share, atol=0.01)
    assert svg.count(">wave<") >= 2 and svg.index("Video IR (short)") < svg.index("Video IR (usual)")
    numbers = re.findall(r"<text[^>]*>(\d+)</text>", svg)
    assert sorted(numbers) == sorted(["4", "6", "2", "6"]), "the test videos of the cells that have any"


def test_every_confusion_matrix_is_named_on_both_sides() -> None:
    runs = {f"ir{number}": {"objective": "instance"} for number in range(5)}
    results = [evaluation(run, confusion=[[3, 1], [0, 4]]) for run in runs]
    other = [one | {"dataset": "zoo", "classes": ["cat", "dog"]} for one in results[:1]]
    svg = confusion_figure(evaluation_table(results + other), methods_of(list(runs), runs))
    # Five matrices in rows of four: two rows are named at the left, four columns at the bottom; the other has its own.
    assert svg.count(">walk<") == svg.count(">wave<") == 2 + 4
    assert svg.count(">cat<") == svg.count(">dog<") == 1 + 1
    assert svg.count(">toy<") == svg.count(">zoo<") == 1
    many = [str(number) * 9 for number in range(17)]
    crowded = results[0] | {"classes": many, "confusion": np.eye(17, dtype=int).tolist()}
    svg = confusion_figure(evaluation_table([crowded]), methods_of(["ir0"], runs))
    assert many[0] not in svg and ">1<" not in svg, "no room for names and numbers"
