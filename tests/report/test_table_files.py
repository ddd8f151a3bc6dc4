"""The tables beside the page, as TSV."""

from math import log2
from statistics import mean, stdev
from typing import Any

import pytest
from pages import records

from workflow_scripts.ground.artifacts import read_columns


def test_write_method_table_few_shot(results: Any, arguments: Any) -> None:
    lines = [line for line in read_columns(arguments["method_table"]) if line["protocol"] == "linear"]
    assert [line["shots"] for line in lines if line["run"] == "la"] == ["1", "5", "all"]
    for line in lines:
        if line["shots"] != "all":
            run_records = records(results, run=line["run"], protocol="linear")
            seeds = [mean(a for r in run_records if r["seed"] == s for a in r["shots"][line["shots"]]) for s in (0, 1)]
            assert float(line["accuracy"]) == pytest.approx(mean(seeds), abs=1e-6)
            assert float(line["sd"]) == pytest.approx(stdev(seeds), abs=1e-6)
            assert (line["n_values"], line["n_seeds"]) == ("12", "2")


def test_write_method_table_retrieval_and_intervals(results: Any, arguments: Any) -> None:
    lines = {(line["run"], line["protocol"], line["shots"]): line for line in read_columns(arguments["method_table"])}
    assert float(lines["la", "knn", "all"]["R@1"]) == pytest.approx(0.7 * 0.5)
    assert (lines["la", "knn", "all"]["R@20"], lines["la", "linear", "all"]["R@1"]) == ("", "")
    for protocol in ("finetune", "linear", "knn"):
        run_records = records(results, run="la", protocol=protocol)
        line = lines["la", protocol, "all"]
        for bound, name in enumerate(["interval_low", "interval_high"]):
            expected = mean(record["accuracy_interval"][bound] for record in run_records)
            assert float(line[name]) == pytest.approx(expected, abs=1e-6)
        expected = mean(one["mean_class_accuracy"] for one in run_records)
        assert float(line["mean_class_accuracy"]) == pytest.approx(expected, abs=1e-6)
        assert line["top5_accuracy"] == ""  # none for three classes


def test_write_cluster_table_pools_seeds(arguments: Any) -> None:
    lines = {(line["run"], line["label"], line["score"]): line for line in read_columns(arguments["cluster_table"])}
    assert len(lines) == 3 * 2 * 2
    tuned = lines["la_idt", "motion", "NMI"]
    # One seed groups the motions, the other parts a video from them: H = log2(3) of motion, more of the clusters.
    sizes = [4, 4, 3, 1]
    entropy, of_clusters = log2(3), -sum(n / 12 * log2(n / 12) for n in sizes)
    other = 2 * entropy / (entropy + of_clusters)
    assert float(tuned["value"]) == pytest.approx((1 + other) / 2, abs=1e-6)
    assert float(tuned["sd"]) == pytest.approx((1 - other) / 2**0.5, abs=1e-6)
    assert (tuned["n_values"], tuned["n_seeds"], tuned["n_videos"], tuned["n_clusters"]) == ("4", "2", "12", "4")
    assert (lines["idt", "scene", "AMI"]["n_values"], lines["idt", "scene", "AMI"]["n_seeds"]) == ("2", "1")
