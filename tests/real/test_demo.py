"""`make demo` in a fresh clone. It takes minutes, so `make test-demo` runs it and `make test` does not."""

import json
import subprocess
import time
from pathlib import Path

import pandas

REPOSITORY = Path(__file__).parents[2]


def _make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def test_make_demo_in_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
    started = time.monotonic()
    output = _make(clone, "demo")
    minutes = (time.monotonic() - started) / 60
    assert "100%" in output and f"The report: {clone}/results/report/index.html" in output
    assert (clone / "results" / "report" / "index.html").stat().st_size < 10e6

    again = subprocess.run([clone / ".venv/bin/snakemake", "-n"], cwd=clone, capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert "pip install" not in _make(clone, "demo")

    # With wide margins: an SVM recognizes the motion from IDT.
    (svm,) = (clone / "results/evaluation/idt").rglob("svm.json")
    record = json.loads(svm.read_text())
    assert record["n_left_out"] <= 0.1 * record["n_test"] and record["accuracy"] > 2 * record["chance"]
    table = pandas.read_csv(clone / "results/tables/method_table.tsv", sep="\t")
    assert set(table["run"]) == {"scratch", "ir", "la", "la_idt", "la_idt_tune", "supervised", "idt"}
    # The aim is 15 minutes on 2 cores, set-up included; a busy machine must not fail the test.
    print(f"make demo: {minutes:.1f} minutes, IDT + SVM {record['accuracy']:.1%}\n{table}")
