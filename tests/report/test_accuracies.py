"""The accuracies on the page and in the tables are those of the evaluation records."""

from statistics import mean, stdev
from typing import Any

import pytest
from pages import TITLES, Page, of_seeds, records

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page.accuracies import method_table
from workflow_scripts.report.page.inputs import evaluation_table


@pytest.mark.parametrize("run", TITLES)
def test_method_table_is_mean_of_records(results: Any, page: Page, arguments: Any, run: str) -> None:
    row = page.rows("methods")[TITLES[run]]
    for position, protocol in enumerate(["finetune", "linear", "knn", "svm"]):
        if protocol not in (["svm"] if run == "idt" else ["finetune", "linear", "knn"]):
            assert row[position] == "–"
            continue
        accuracies = of_seeds(results, protocol, run)
        expected = f"{100 * mean(accuracies):.1f} ± {100 * stdev(accuracies):.1f}"
        assert row[position].startswith(expected)
        supervised = of_seeds(results, protocol, "supervised") if protocol != "svm" else []
        if protocol == "finetune" and run not in ("supervised", "idt"):
            assert f"{100 * mean(accuracies) / mean(supervised):.1f} % of sup." in row[position]
        [line] = [
            line
            for line in read_columns(arguments["method_table"])
            if (line["run"], line["protocol"], line["shots"]) == (run, protocol, "all")
        ]
        assert float(line["accuracy"]) == pytest.approx(mean(accuracies), abs=1e-6)
        assert float(line["sd"]) == pytest.approx(stdev(accuracies), abs=1e-6)
        assert [line[name] for name in ("n_values", "n_splits", "n_seeds", "n_test")] == ["4", "2", "2", "12"]
        run_records = records(results, run=run, protocol=protocol)
        assert (line["splits"], line["n_train"]) == ("1 2", "6 6")
        assert line["config_digests"].split() == sorted({record["config_digest"] for record in run_records})


def test_few_shot_tables_are_means_over_draws_and_splits(results: Any, page: Page) -> None:
    table = page.rows("few-shot")
    assert table["toy"] == ["1-shot", "5-shot", "all"]
    for run in ("scratch", "la", "la_idt", "supervised"):
        for position, shot in enumerate(["1", "5", "all"]):
            run_records = records(results, run=run, protocol="linear")
            seeds = [
                mean(a for record in run_records if record["seed"] == s for a in record["shots"][shot]) for s in (0, 1)
            ]
            assert table[TITLES[run]][position] == f"{100 * mean(seeds):.1f} ± {100 * stdev(seeds):.1f}"


def test_method_table_order_with_chance_and_baseline(page: Page) -> None:
    names = list(page.rows("methods"))
    assert names[-7:] == [*TITLES.values(), "Chance", "Size alone"]
    assert page.rows("methods")["Size alone"] == ["25.0"]
    assert page.rows("methods")["Chance"] == ["33.3"] * 4
    assert "2 splits, 2 seeds, 12 of 14 test videos" in " ".join(page.words["methods"].replace("\u00a0", " ").split())


def test_method_table_shows_intervals(results: Any, page: Page) -> None:
    for run in ("la", "supervised"):
        intervals = [record["accuracy_interval"] for record in records(results, run=run, protocol="finetune")]
        low, high = (100 * mean(bounds) for bounds in zip(*intervals, strict=True))
        assert f"{low:.1f} to {high:.1f}" in page.rows("methods")[TITLES[run]][0]


BETTER_THAN = {  # accuracy and interval of ir, la and scratch; chance is 0.25
    "clear": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], [0.3, 0.2, 0.4], "la"),
    "not_above_chance": ([0.5, 0.4, 0.6], [0.6, 0.2, 0.9], None, ""),
    "not_above_scratch": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], [0.75, 0.7, 0.8], ""),
    "scratch_not_evaluated": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], None, "la"),
    "alone": (None, [0.8, 0.7, 0.9], [0.3, 0.2, 0.4], ""),
}


@pytest.mark.parametrize("case", BETTER_THAN)
def test_method_table_best_if_interval_is_clear(case: str) -> None:
    *numbers, bold = BETTER_THAN[case]
    common = {"seed": 0, "dataset": "toy", "split": 1, "protocol": "finetune", "chance": 0.25, "config_digest": ""}
    common |= {"n_train": 10, "n_test": 10, "n_left_out": 0}
    evaluations = evaluation_table(
        common | {"run": run, "accuracy": number[0], "accuracy_interval": number[1:]}
        for run, number in zip(("ir", "la", "scratch"), numbers, strict=True)
        if number
    )
    methods = methods_of(evaluations["run"], {"ir": {"objective": "instance"}, "la": {"objective": "instance"}})
    table = method_table(evaluations, methods)
    assert [run for _, _, run in table.cells.index[table.cells["best"]]] == ([bold] if bold else [])
