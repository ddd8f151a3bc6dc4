"""The lines of an estimate as tables of numbers and of text, with remarks."""

from dataclasses import asdict

import pandas as pd

from workflow_scripts.ground.durations import in_words
from workflow_scripts.operations.estimate.breakdown import longest
from workflow_scripts.operations.estimate.extrapolate import Line, Range, fitting_shards
from workflow_scripts.operations.text_table import markdown, three_digits

RECOMMENDED_STRIDE = 3  # the largest stride with an IoU of at least 0.95: benchmarks/persons_skip.py
ESTIMATED = [f"{name}_{end}" for name in ("hours", "artifacts", "stores") for end in ("value", "low", "high")]


def cost_frame(lines: list[tuple[str, Line]]) -> pd.DataFrame:
    """A row per line with its dataset: hours and bytes, each as a value with its 95 % interval."""
    rows = []
    for dataset, line in lines:
        row = {"dataset": dataset, **asdict(line), "files": line.files}
        for name in ("hours", "artifacts", "stores"):
            row |= {f"{name}_{end}": value for end, value in row.pop(name).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def total(table: pd.DataFrame, keep: str) -> "pd.Series[float]":
    """The sums over the stages of a dataset, with `keep` (all or sample) for its trajectories."""
    counted = table[(table["keep"] == keep) | ((table["keep"] == "") & table["is_configured"])]
    sums = counted[[*ESTIMATED, "files"]].sum()
    sums["memory"] = counted["memory"].max()
    return sums


def cost_table(lines: list[Line]) -> list[str]:
    """The lines of a dataset and their sums as a Markdown table."""
    table = cost_frame([("", line) for line in lines])
    rows = [
        [line.stage, line.of, *_amounts(row), three_digits(line.hours.value * 60 / line.jobs), _note(line)]
        for line, (_, row) in zip(lines, table.iterrows(), strict=True)
    ]
    rows += [["total", "", *_amounts(total(table, keep)), "", f"keep: {keep}"] for keep in ("all", "sample")]
    head = ["stage", "of", "core-hours (95 %)", "disk, GB (95 %)", "store, GB", "files", "memory, GB", "min/job", ""]
    return markdown(pd.DataFrame(rows, columns=head))


def remarks(lines: list[Line], cores: int, stride: int) -> list[str]:
    """Sentences about the table; `stride`: the value of persons.stride."""
    slow, hours = longest(lines), total(cost_frame([("", line) for line in lines]), "all")["hours_value"]
    fewest, most = (fitting_shards(slow.hours.value, minutes) for minutes in (60, 15))
    advice = f"{fewest} to {most} shards make its jobs 60 to 15 minutes long."
    if most == 1:
        advice = f"It takes {in_words(3600 * slow.hours.value)} of one core, so a shard per core is enough."
    sentences = [
        f"On {cores} cores: {in_words(3600 * hours / cores)}, if all of them are always busy.",
        f"The longest stage is {slow.stage} {slow.of}. {advice} The table assumes {slow.jobs}.",
        "Stores are second copies, from which a stopped or changed run resumes. `make clean-stores` deletes them.",
        "With keep: sample, the encoding jobs track the videos whose trajectories are not stored.",
        "The training and evaluation of the networks are below the table.",
    ]
    for line in lines:
        if line.stage == "persons" and line.of != "files" and stride < RECOMMENDED_STRIDE:
            present, reduced = line.hours.value, line.hours.value * stride / RECOMMENDED_STRIDE
            sentences.append(
                f"persons.stride: {RECOMMENDED_STRIDE} reduces persons {line.of} from {three_digits(present)} to about "
                f"{three_digits(reduced)} hours (plus decoding), with an IoU of 0.95 of the persons' area "
                "(docs/cost.md)."
            )
    return sentences


def _amounts(row: "pd.Series[float]") -> list[str]:
    """Hours, gigabytes of artifacts and of stores, files and gigabytes of memory."""
    return [
        _with_interval(Range(row["hours_value"], row["hours_low"], row["hours_high"])),
        _with_interval(Range(row["artifacts_value"], row["artifacts_low"], row["artifacts_high"]) * 1e-9),
        three_digits(row["stores_value"] / 1e9) if row["stores_value"] else "",
        f"{int(row['files']):,}",
        three_digits(row["memory"] / 1e9) if row["memory"] else "",
    ]


def _note(line: Line) -> str:
    if line.keep:
        return f"keep: {line.keep}" + " (as configured)" * line.is_configured
    return "" if line.is_configured else "not configured"


def _with_interval(estimate: Range) -> str:
    if not estimate.value:
        return ""
    value, low, high = map(three_digits, (estimate.value, estimate.low, estimate.high))
    return value if low == high else f"{value} ({low}-{high})"
