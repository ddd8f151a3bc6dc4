"""Confusion matrices, read back from their SVG."""

import base64
import re

import cv2
import numpy as np
from pages import evaluation

from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page.confusion import confusion_figure
from workflow_scripts.report.page.inputs import evaluation_table

RUNS = {"short": {"objective": "instance"}, "usual": {"objective": "instance"}}


def test_confusion_figure_sums_seeds() -> None:
    results = [evaluation("usual", seed, confusion=[[3, 1], [0, 2 + 2 * seed]]) for seed in (0, 1)]
    results.append(evaluation("short", confusion=[[0, 4], [0, 0]]))
    svg = confusion_figure(evaluation_table(results), methods_of(["short", "usual"], RUNS))
    images = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", svg)]
    assert len(images) == 2
    for image, shares in zip(images, ([[0, 1], [0, 0]], [[0.75, 0.25], [0, 1]]), strict=True):
        # matplotlib stores the image upside down
        alpha = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)[::-1, :, 3] / 255
        half = len(alpha) // 2
        quarters = [[alpha[: half - 1, : half - 1], alpha[: half - 1, half + 1 :]]]
        quarters.append([alpha[half + 1 :, : half - 1], alpha[half + 1 :, half + 1 :]])
        for row, quarter_row in zip(shares, quarters, strict=True):
            for share, part in zip(row, quarter_row, strict=True):
                np.testing.assert_allclose(part, share, atol=0.01)
    assert svg.count(">wave<") >= 2 and svg.index("Video IR (short)") < svg.index("Video IR (usual)")
    numbers = re.findall(r"<text[^>]*>(\d+)</text>", svg)
    assert sorted(numbers) == sorted(["4", "6", "2", "6"]), "the test videos of the cells that have any"


def test_confusion_figure_names_classes() -> None:
    runs = {f"ir{number}": {"objective": "instance"} for number in range(5)}
    results = [evaluation(run, confusion=[[3, 1], [0, 4]]) for run in runs]
    other = [one | {"dataset": "zoo", "classes": ["cat", "dog"]} for one in results[:1]]
    svg = confusion_figure(evaluation_table(results + other), methods_of(list(runs), runs))
    # Five matrices in rows of four: two rows are named at the left, four columns at the bottom.
    assert svg.count(">walk<") == svg.count(">wave<") == 2 + 4
    assert svg.count(">cat<") == svg.count(">dog<") == 1 + 1
    assert svg.count(">toy<") == svg.count(">zoo<") == 1
    many = [str(number) * 9 for number in range(17)]
    crowded = results[0] | {"classes": many, "confusion": np.eye(17, dtype=int).tolist()}
    svg = confusion_figure(evaluation_table([crowded]), methods_of(["ir0"], runs))
    assert many[0] not in svg and ">1<" not in svg, "no room for names and numbers"
