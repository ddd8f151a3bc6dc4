"""A report of a GPU: whether the pipeline's CUDA code works on it, and how fast it is.

    make gpu-report                                             # at most 8 minutes; the report is build/gpu_report.md
    python -m benchmarks.gpu_report --output docs/my_gpu.md     # without the pipeline's other packages
    python -m benchmarks.gpu_report --short                     # small sizes, on any machine, about a minute

It needs torch, numpy, h5py, OpenCV and tqdm. What needs more packages is skipped where they are missing, with a
message. Each part runs in a process of its own with a time limit (`benchmarks.gpu_parts`), so a part that fails, hangs
or crashes costs only its rows. The report is written after each part. Beside it is a log with the whole output of the
parts, such as the tracebacks of failed tests, and a JSON file of rates, from which another machine with the pipeline's
packages computes the hours of the paper's tables:

    python -m benchmarks.gpu_parts hours --rates build/gpu_report.json
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SECONDS = 8 * 60  # of the whole report
LAST_SECONDS = 30  # of them, for the hours of the tables
TESTS = ("tests/gpu", "tests/pretraining/test_ranks.py")  # all files with tests marked `gpu`
WIDE = {**os.environ, "COLUMNS": "300"}  # so that pytest does not shorten the reasons
STEPS = ("network", "step", "batch", "clips/s", "ms", "TFLOP/s", "of matrix rate", "GiB for a step")
SHAPES = ("18:16:112", "34:16:112", "18:32:112", "18:64:112", "18:16:224")  # depth, frames, pixels
SHORT_SHAPES = ("10:16:32", "10:8:32")


@dataclass(frozen=True)
class Part:
    """A part of the report. Parts with the same heading share a table."""

    name: str  # as `benchmarks.gpu_parts` takes it, or tests
    heading: str
    columns: tuple[str, ...]
    seconds: int  # the most on a GPU
    packages: tuple[str, ...] = ()


def parts_in_order(short: bool) -> list[Part]:
    """The parts, the most important first."""
    shapes = SHORT_SHAPES if short else SHAPES
    hours = ("table", "trainings", "hours of training", "hours of evaluation", "days")
    return [
        Part("device", "Device", ("", "value"), 40),
        Part("tests", "Tests on the device", ("tests", "number or names"), 150, ("pytest", "hypothesis")),
        *(Part(f"steps:{shape}", "Training steps", STEPS, 60) for shape in shapes),
        Part("losses", "Loss over the memory bank, 256 clips", ("work", "videos", "ms", "MiB"), 40),
        Part("loading", "Loading clips of 16 frames, 320 x 240", ("way", "clips/s", "remark"), 70),
        Part(
            "kmeans",
            "K-means, 20 iterations",
            ("backend", "points", "seconds", "TFLOP/s", "objective", "GiB"),
            90,
        ),
        Part(
            "detector",
            "Detectors of torchvision, frames of 340 x 256",
            ("model", "frames per batch", "frames/s", "hours for Kinetics, stride 1", "stride 5"),
            45,
            ("torchvision", "scipy"),
        ),
        *(Part(f"compiled:{shape}", "Compiled training steps", STEPS, 120) for shape in shapes if not short),
        Part("hours", "Hours of the paper's tables", hours, LAST_SECONDS, ("snakemake", "jsonschema", "pandas", "av")),
    ]


@dataclass
class Section:
    """A heading with a table and remarks."""

    heading: str
    columns: tuple[str, ...]
    rows: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = [f"## {self.heading}", ""]
        if self.rows:
            lines += [f"| {' | '.join(cells)} |" for cells in (self.columns, ["---"] * len(self.columns))]
            lines += [*self.rows, ""]
        return "\n".join([*lines, *(f"- {remark}" for remark in self.remarks), *[""] * bool(self.remarks)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/gpu_report.md", help="default: %(default)s")
    parser.add_argument("--short", action="store_true", help="small sizes: on a CPU, about a minute")
    arguments = parser.parse_args()
    output, started, sections = arguments.output.resolve(), time.monotonic(), list[Section]()
    output.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".log"):
        output.with_suffix(suffix).unlink(missing_ok=True)
    for part in parts_in_order(arguments.short):
        if not sections or sections[-1].heading != part.heading:
            sections.append(Section(part.heading, part.columns))
        reserved = 0 if part.name == "hours" else LAST_SECONDS
        limit = min(part.seconds, SECONDS - reserved - (time.monotonic() - started))
        if arguments.short:
            limit = SECONDS  # a busy machine may be slow
        before = time.monotonic()
        add_part(sections[-1], part, limit, output, arguments.short)
        print(f"{part.name}: {time.monotonic() - before:.0f} s", file=sys.stderr, flush=True)
        took = f"{time.monotonic() - started:.0f} s"
        head = f"# Report of this machine's device\n\nMade by `python -m benchmarks.gpu_report` in {took}.\n"
        output.write_text("\n".join([head, *(section.text() for section in sections)]))
    print(output.read_text(), flush=True)


def add_part(section: Section, part: Part, limit: float, output: Path, short: bool) -> None:
    """Runs a part of the report `output` and adds its rows and remarks, or why there are none."""
    rates = output.with_suffix(".json")
    if missing := [package for package in part.packages if find_spec(package) is None]:
        remark = f"{part.name} skipped: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        if part.name == "hours":
            remark += f"; elsewhere: python -m benchmarks.gpu_parts hours --rates {rates.name}"
        section.remarks.append(remark)
        return
    if limit < 5:
        section.remarks.append(f"{part.name} left out: the {SECONDS // 60} minutes are over")
        return
    command = [sys.executable, "-m", "benchmarks.gpu_parts", part.name, "--rates", str(rates)]
    command += ["--short"] if short else []
    good_codes = (0,)
    if part.name == "tests":
        good_codes = (0, 1)  # 1: tests failed, and the rows name them
        command = [sys.executable, "-m", "pytest", "-v", "-rfE", "--tb=short", "-p", "no:cacheprovider", "-m", "gpu"]
        command += ["--continue-on-collection-errors", *TESTS]
    printed, problem = run_limited(command, limit, output.with_suffix(".log"), good_codes)
    lines = test_lines(printed) if part.name == "tests" else printed.splitlines()
    section.rows += [line for line in lines if line.startswith("|")]
    section.remarks += [line for line in lines if line.strip() and not line.startswith("|")]
    if problem:
        section.remarks.append(f"{part.name} {problem}")


def run_limited(command: list[str], seconds: float, log: Path, good_codes: tuple[int, ...] = (0,)) -> tuple[str, str]:
    """Runs a command for so many seconds at most, then ends it with its child processes.

    Args:
        command: The command.
        seconds: The time limit.
        log: A file, to which the output and the error messages are added.
        good_codes: Exit codes that are no problem.

    Returns:
        Its output, and the problem in words, or nothing.
    """
    text: dict[str, Any] = {"mode": "w+", "encoding": "utf-8", "errors": "replace"}
    with tempfile.TemporaryFile(**text) as output, tempfile.TemporaryFile(**text) as errors:
        # Files, because a pipe stays open as long as a child process lives.
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, cwd=REPOSITORY, start_new_session=True, env=WIDE
        )
        code, problem = None, ""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            problem = f"stopped after {seconds:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        errors.seek(0)
        printed, complaints = output.read(), errors.read()
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join([f"$ {' '.join(command)}", printed, complaints, problem, ""]))
    if code is not None and code not in good_codes:
        last = (complaints.strip().splitlines() or [f"exit code {code}"])[-1]
        problem = f"failed: {last}" if code > 0 else f"failed: ended by signal {-code}"
    return printed, problem


def test_lines(printed: str) -> list[str]:
    """Rows with the numbers of passed, failed and skipped tests, and the names of those that failed.

    Args:
        printed: The output of pytest -v, which may end in the middle of a test.
    """
    results = re.findall(r"^(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", printed, re.MULTILINE)
    rows = [
        f"| {kind.lower()} | {sum(one == kind for _, one in results)} |" for kind in ("PASSED", "FAILED", "SKIPPED")
    ]
    problems = re.findall(r"^(?:FAILED|ERROR) (tests/.*)$", printed, re.MULTILINE)
    problems = problems or [name for name, kind in results if kind in ("FAILED", "ERROR")]
    rows += [f"| failed | {problem.replace('|', '/')[:300]} |" for problem in problems]
    unfinished = re.search(r"^(\S+::\S+) *$", printed.rstrip("\n").rpartition("\n")[2])
    if unfinished:
        rows.append(f"| stopped during | {unfinished[1]} |")
    reasons = sorted(set(re.findall(r"SKIPPED \((.*?)\)", printed)))
    return rows + [f"skipped: {reason}" for reason in reasons]


if __name__ == "__main__":
    main()
