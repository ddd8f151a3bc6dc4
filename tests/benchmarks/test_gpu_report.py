"""The report of a GPU, on this machine's device: its parts, the tests that it runs, and the hours of the tables."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_parts, gpu_report, paper_hours
from workflow_scripts.configuration.resolve import read_config
from workflow_scripts.pretraining.settings import PretrainingSettings

REPOSITORY = Path(__file__).parents[2]


def test_gpu_report_on_a_cpu_has_the_rows_of_all_parts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu_report", "--short", "--output", tmp_path / "report.md"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "report.md").read_text()
    sections = dict(zip(*[iter(re.split(r"^## (.*)$", report, flags=re.MULTILINE)[1:])] * 2, strict=True))
    assert "failed:" not in report and "stopped after" not in report
    if not torch.cuda.is_available():
        assert re.search(r"^\| failed \| 0 \|$", sections["Tests on the device"], re.MULTILINE)
        assert "- skipped: needs a GPU" in sections["Tests on the device"]
    for n_frames in (16, 8):
        row = rf"^\| R3D-10, {n_frames} x 32 x 32 \| \+ bfloat16 \| 4 \| \S+ \| \S+ \| \S+ \| \d+% \|"
        assert re.search(row, sections["Training steps"], re.MULTILINE)
    assert re.search(r"^\| local aggregation, .* \| 2,000 \| \S+ \| -?\d+ \|$", report, re.MULTILINE)
    assert (
        len(re.findall(r"^\| (?:torch|faiss) \| 2,000 x 50, K = 20 \| \S+ \| \S+ \| \S+ \|", report, re.MULTILINE)) == 2
    )
    assert re.search(r"^\| read and cropped by one core \| \S+ \|", report, re.MULTILINE)
    tables = re.findall(
        r"^\| (\S+) \| \d+ \| [\d.,]+ \| [\d.,]+ \| [\d.,]+ \|$", sections["Hours of the paper's tables"], re.M
    )
    assert tables == [*read_config([REPOSITORY / "configs/paper.yaml"])["report"]["tables"]]


def test_gpu_report_part_that_hangs_or_crashes_costs_only_its_rows(tmp_path: Path) -> None:
    python, log = [sys.executable, "-c"], tmp_path / "report.log"
    hangs = "print('| a |', flush=True); import time; time.sleep(60)"
    assert gpu_report.run_limited([*python, hangs], 5, log) == ("| a |\n", "stopped after 5 s")
    raises = gpu_report.run_limited([*python, "raise KeyError('no such thing')"], 60, log)
    assert raises == ("", "failed: KeyError: 'no such thing'") and "Traceback" in log.read_text()
    assert gpu_report.run_limited([*python, "import os; os.abort()"], 60, log)[1] == "failed: ended by signal 6"
    assert gpu_report.run_limited([*python, "raise SystemExit(1)"], 60, log, (0, 1)) == ("", "")
    section = gpu_report.Section("Thing", ("a", "b"))
    gpu_report.add_part(section, gpu_report.Part("steps", "Thing", (), 9, ("no_such_package",)), 9, Path("rates"), True)
    gpu_report.add_part(section, gpu_report.Part("steps", "Thing", (), 9), 3, Path("rates"), True)
    assert section.text().splitlines()[2:] == [
        "- steps skipped: no_such_package is not installed",
        "- steps left out: the 8 minutes are over",
    ]


def test_gpu_report_names_the_tests_that_failed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_some.py").write_text(
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 1 == 2\n"
        "@pytest.mark.skip(reason='no way')\ndef test_left(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-v", "-rfE", "-p", "no:cacheprovider", "tests"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=gpu_report.WIDE).stdout
    assert gpu_report.test_lines(printed) == [
        *("| passed | 1 |", "| failed | 1 |", "| skipped | 1 |"),
        "| failed | tests/test_some.py::test_bad - assert 1 == 2 |",
        "skipped: no way",
    ]
    killed = printed[: printed.index("::test_bad") + len("::test_bad ")]
    assert gpu_report.test_lines(killed)[-1] == "| stopped during | tests/test_some.py::test_bad |"


def test_gpu_report_runs_every_file_with_tests_for_a_gpu() -> None:
    marked = {
        path
        for path in REPOSITORY.glob("tests/*/*.py")
        if re.search(r"pytest\.mark\.gpu|import\sDEVICES", path.read_text())
    }
    covered = {path for name in gpu_report.TESTS for path in (REPOSITORY / name, *(REPOSITORY / name).glob("*.py"))}
    assert marked and marked <= covered


def test_gpu_parts_fitting_batch_keeps_tensors_below_two_to_the_31() -> None:
    batches = {(16, 112): 256, (32, 112): 256, (64, 112): 128, (16, 224): 128}
    for (n_frames, size), batch in batches.items():
        assert gpu_parts.fitting_batch(PretrainingSettings(crop_size=size), n_frames) == batch


def test_paper_hours_of_table_1_are_those_of_its_epochs() -> None:
    """One second per clip in training, and nothing in a forward pass."""
    measured = {"depth": 18, "width": 1.0, "frames": 16, "size": 112, "trained": 1.0, "forward": 0.0}
    config = read_config([REPOSITORY / "configs/paper.yaml"])
    n_runs, trained, evaluated = paper_hours.table_hours(config, ["table1"], [measured])
    epochs = 40 + 200 + 200 + 200 + 25 + 200  # ir_warmup, ir, la, la_idt_fixed, la_idt, supervised
    assert n_runs == 6
    assert trained == pytest.approx(epochs * 235_000 / 3600)
    # Five networks, finetuned 40 epochs on 0.9 of the training part of one split of each dataset, then on all of it.
    assert evaluated == pytest.approx(5 * 40 * 1.9 * 0.7 * (13_320 + 6_766) / 3600)
    longer = {**measured, "frames": 32, "trained": 3.0}
    by_operations = paper_hours.table_hours(config, ["table7"], [measured])[1]
    assert paper_hours.table_hours(config, ["table7"], [longer, measured])[1] == pytest.approx(by_operations)
    assert paper_hours.table_hours(config, ["figure4"], [measured])[1] > trained


def test_gpu_parts_need_few_packages() -> None:
    """On a machine with only torch, numpy, h5py and OpenCV."""
    blocked = ["pandas", "yaml", "av", "sklearn", "faiss", "snakemake", "scipy", "matplotlib", "threadpoolctl"]
    script = f"import sys; sys.modules.update(dict.fromkeys({blocked})); sys.argv = ['', 'kmeans', '--short']\n"
    script += "from benchmarks.gpu_parts import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| torch \| 2,000 x 50, K = 20 \| [\d.]+ \|", done.stdout, re.MULTILINE)
    assert "| faiss | 2,000 x 50, K = 20 | skipped: faiss is not installed |" in done.stdout
