"""Stage: writes a table of the paper, with our numbers and the differences, as TSV, Markdown, LaTeX and HTML.

`snakemake NAME` runs exactly what the table NAME of `report.tables` needs.
"""

import dataclasses
import logging
from pathlib import Path

import pandas as pd
import yaml

from workflow_scripts.ground.artifacts import write_text
from workflow_scripts.ground.stage import command_line
from workflow_scripts.report.page.inputs import read_evaluations
from workflow_scripts.report.page.remarks import remarks
from workflow_scripts.report.page.spread import SHARED_BY_SEEDS
from workflow_scripts.report.settings import TableSettings
from workflow_scripts.report.tables.departures import Departure, departures, in_words
from workflow_scripts.report.tables.numbers import Place, numbers_of, places_of
from workflow_scripts.report.templates import render
from workflow_scripts.report.text import visible
from workflow_scripts.videos.tables import write_table

log = logging.getLogger(__name__)

FORMATS = dict.fromkeys(("paper", "paper_of_supervised", "of_supervised"), ".1f")  # formats in the TSV
FORMATS |= {"ours": ".2f", "sd": ".2f", "difference": "+.2f", "chance": ".2f"}
LATEX = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "±": r"$\pm$", "−": "$-$"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
MARKDOWN = {sign: f"\\{sign}" for sign in "\\|`*<$["}

Notes = dict[str, list[str]]  # the notes of the table, by their heading
DIFFERENCES = "How our runs differ from the paper's"


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table for reading: a title per place, the heads of the columns of a place, and rows of texts."""

    titles: list[str]
    heads: list[str]
    rows: list[list[str]]


def paper_table(
    evaluations: list[Path],
    config: Path,
    output: Path,
    markdown: Path,
    latex: Path,
    html: Path,
    table: TableSettings = TableSettings(),  # noqa: B008 (frozen)
) -> None:
    """Writes a table of the paper with our numbers beside the paper's.

    Args:
        evaluations: The records of the table's runs.
        config: The resolved config. It says which values are not the paper's.
        output: TSV with a row for each method, dataset and number of shots: percentages and their provenance.
        markdown: Output for reading, with the standard deviation over seeds (see `Spread`), notes and remarks.
        latex: Output, the same as LaTeX.
        html: Output, the same as a part of the report's page.
        table: The entry of `report.tables`.

    Raises:
        StageError: A record is damaged.
    """
    results = read_evaluations(evaluations)
    results = results[results["protocol"].isin([table.protocol, "svm"])]  # IDT is always evaluated by the SVM
    rows = [{**row, "method": visible(row["method"])} for row in table.rows]
    table = dataclasses.replace(table, title=visible(table.title), rows=rows)
    places = places_of(table, results)
    numbers = numbers_of(table, places, results)
    runs = [row["run"] for row in table.rows if "run" in row]
    resolved = yaml.safe_load(config.read_text())
    splits = {str(dataset): set(numbers) for dataset, numbers in results.groupby("dataset", sort=False)["split"]}
    differences = [*map(visible, table.notes), *remarks(resolved, runs, splits)]
    notes = {DIFFERENCES: differences, **_notes(departures(resolved, runs, table.protocol))}
    grid, facts = _grid(places, numbers), _facts(places, results, runs)
    write_table(output, _formatted(numbers))
    write_text(markdown, _markdown(table, grid, facts, notes))
    write_text(latex, _latex(table, grid, facts, notes))
    write_text(html, _html(table, grid, facts, notes))
    log.info("%s: %d methods, %d results", table.title, len(table.rows), len(results))


def _text(value: float, form: str = ".1f") -> str:
    return "" if pd.isna(value) else format(value, form)


def _formatted(numbers: pd.DataFrame) -> pd.DataFrame:
    texts = numbers.copy()
    for column, form in FORMATS.items():
        texts[column] = [_text(value, form) for value in numbers[column]]
    return texts


def _grid(places: list[Place], numbers: pd.DataFrame) -> Grid:
    """The table for reading. A method without a run of ours is cited."""
    heads = ["paper", "ours", "difference"]
    cells = {
        "paper": numbers["paper"].map(_text),
        "ours": numbers["ours"].map(_text) + [f" ± {sd:.1f}" if pd.notna(sd) else "" for sd in numbers["sd"]],
        "difference": [_text(value, "+.1f").replace("-", "−") for value in numbers["difference"]],
    }
    if numbers["paper_of_supervised"].notna().any():
        heads += ["paper, % sup.", "ours, % sup."]
        cells["paper, % sup."] = numbers["paper_of_supervised"].map(_text)
        cells["ours, % sup."] = numbers["of_supervised"].map(_text)
    texts = pd.DataFrame(cells, columns=heads)
    titles = [
        f"{dataset}, {shots} shots" if shots.isdigit() else f"{dataset} {shots}".strip() for dataset, shots in places
    ]
    rows = []
    for first in range(0, len(numbers), len(places) or 1):
        row = numbers.iloc[first]
        name = row["method"] if row["run"] else f"{row['method']} (cited)"
        rows.append([name, *texts.iloc[first : first + len(places)].to_numpy().ravel().tolist()])
    return Grid(titles, heads, rows)


def _caption(table: TableSettings) -> str:
    """The meaning of the numbers, for the caption."""
    repeats = ["draws", "splits"] if table.protocol == "linear" else ["splits"]
    return (
        f"Accuracy in percent: the mean over {', '.join(repeats)} and seeds, ± the standard deviation of the seeds' "
        f"means (with one seed: of its {' and '.join(repeats)}). {SHARED_BY_SEEDS}"
    )


def _notes(all_departures: list[Departure]) -> Notes:
    """The departures in words, by heading: those that the paper contradicts, and those that it leaves open."""
    return {
        "Values that are not the paper's": in_words(one for one in all_departures if one.contradicts),
        "Values that the paper does not state": in_words(one for one in all_departures if not one.contradicts),
    }


def _extent(numbers: "pd.Series[int]") -> str:
    """`3`, or `3 to 5`."""
    return " to ".join(map(str, dict.fromkeys((numbers.min(), numbers.max()))))


def _facts(places: list[Place], evaluations: pd.DataFrame, runs: list[str]) -> list[str]:
    """The splits, seeds, test videos and chance level of each dataset, and the config digests of the runs."""
    lines = []
    of_table = evaluations[evaluations["run"].isin(runs)]
    for dataset in dict.fromkeys(dataset for dataset, _ in places):
        here = of_table[of_table["dataset"] == dataset]
        if here.empty:
            continue
        splits, seeds = (", ".join(map(str, sorted(set(here[column])))) for column in ("split", "seed"))
        tested, listed = _extent(here["n_test"]), _extent(here["n_listed"])
        videos = tested if tested == listed else f"{tested} of {listed}"
        chance = 100 * here["chance"].iloc[0]
        lines.append(f"{dataset}: split {splits}; seed {seeds}; {videos} test videos; chance {chance:.1f} %")
    digests = of_table.groupby("run")["config_digest"].agg(lambda digests: " ".join(sorted(set(digests))))
    if len(digests):
        of_runs = (f"{run} {digests[run]}" for run in dict.fromkeys(runs) if run in digests)
        lines.append("Config digests: " + "; ".join(of_runs))
    return lines


def _markdown(table: TableSettings, grid: Grid, facts: list[str], notes: Notes) -> str:
    header = ["", *(f"{title}: {head}" for title in grid.titles for head in grid.heads)]
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *grid.rows]
    text = [f"# {_markdown_text(table.title)}", "", _caption(table), ""]
    text += ["| " + " | ".join(map(_markdown_text, line)) + " |" for line in lines]
    text += ["", *(f"- {fact}" for fact in facts), ""]
    for heading, of_kind in notes.items():
        text += [f"{heading}:" if of_kind else f"{heading}: none", "", *(f"- {note}" for note in of_kind), ""]
    return "\n".join(text)


def _markdown_text(text: str) -> str:
    """Text that Markdown shows unchanged."""
    return "".join(MARKDOWN.get(sign, sign) for sign in text)


def _latex(table: TableSettings, grid: Grid, facts: list[str], notes: Notes) -> str:
    def escaped(cell: str) -> str:
        return "".join(LATEX.get(sign, sign) for sign in cell)

    groups = " & ".join(f"\\multicolumn{{{len(grid.heads)}}}{{c}}{{{escaped(title)}}}" for title in grid.titles)
    lines = [
        *(f"% {line}" for line in (_caption(table), *facts)),
        *(f"% {heading}: {note}" for heading, of_kind in notes.items() for note in of_kind),
        r"\begin{tabular}{l" + "r" * (len(grid.heads) * len(grid.titles)) + "}  % needs booktabs",
        r"\toprule",
        f"Method & {groups} \\\\",
        " & ".join(["", *(escaped(head) for _ in grid.titles for head in grid.heads)]) + r" \\",
        r"\midrule",
        *(" & ".join(map(escaped, row)) + r" \\" for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ]
    return "\n".join(lines)


def _html(table: TableSettings, grid: Grid, facts: list[str], notes: Notes) -> str:
    content = {"table": table, **dataclasses.asdict(grid), "facts": facts}
    folded = {heading: of_kind for heading, of_kind in notes.items() if heading != DIFFERENCES}
    return render(
        "tables/paper_table.html", **content, caption=_caption(table), differences=notes[DIFFERENCES], notes=folded
    )


if __name__ == "__main__":
    command_line(paper_table)
