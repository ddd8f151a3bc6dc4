"""Groups of runs that are compared with each other, each with its own tables and figures."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pages import TITLES, Page, arguments_in, build_page

from workflow_scripts.ground.artifacts import read_columns, write_text
from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.settings import ReportSettings


def test_comparisons_of_groups_leave_no_run_out(results: Any, tmp_path: Path) -> None:
    arguments = arguments_in(results, tmp_path)
    comparisons = [{"title": "Prior", "runs": ["la", "la_idt"]}, {"title": "Labels & none", "runs": ["scratch", "la"]}]
    build_page(**arguments, settings=ReportSettings(comparisons=comparisons))
    page = Page(arguments["output"])
    names = [[row for row in page.rows("methods", table) if row in TITLES.values()] for table in range(3)]
    assert names == [
        ["Video LA la", "Video LA + IDT prior la_idt"],
        ["Scratch", "Video LA la"],
        ["Supervised", "IDT + linear SVM idt"],
    ]
    assert [len(page.tables[section]) for section in ("methods", "few-shot", "agreement")] == [6, 3, 3]
    assert "Labels &amp; none" in page.text and "Other runs" in page.words["methods"]
    few_shot = (tmp_path / "figures/few_shot.svg").read_text()
    assert all(few_shot.count(title) == 1 for title in (">Prior<", ">Labels &amp; none<", ">Other runs<"))
    # The TSV tables hold every run once, even if it is in several comparisons.
    runs = Counter(line["run"] for line in read_columns(arguments["method_table"]) if line["protocol"] == "finetune")
    assert set(runs.values()) == {1} and len(runs) == 4


def test_comparisons_of_runs_of_one_kind(results: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    write_text(config, results.config.read_text().replace("clusters: idt", "clusters: network"))
    arguments = arguments_in(results, tmp_path) | {"config": config}
    build_page(**arguments)
    assert list(Page(arguments["output"]).rows("methods"))[3:5] == ["Video LA la", "Video LA la_idt"]
    for name in ("few_shot", "training", "nmi"):
        figure = (tmp_path / "figures" / f"{name}.svg").read_text()
        assert figure.count(">Video LA (la)<") == figure.count(">Video LA (la_idt)<") == 1
    lines = re.findall(
        r'<g id="line2d_\d+">\s*<path d="M[^"]*L[^"]*L[^"]*"[^>]*stroke: (#\w+)',
        (tmp_path / "figures/few_shot.svg").read_text(),
    )
    assert len(set(lines)) == 5, lines  # scratch, two of local aggregation, supervised, chance


def test_comparisons_of_unknown_runs(results: Any, tmp_path: Path) -> None:
    comparisons = [{"title": "Prior", "runs": ["la", "la_itd"]}]
    with pytest.raises(StageError, match="'Prior' names runs without results: la_itd"):
        build_page(**arguments_in(results, tmp_path), settings=ReportSettings(comparisons=comparisons))
