"""A table of the paper: its numbers, ours, and how far they are apart, as TSV, Markdown, LaTeX and HTML.

`snakemake NAME` computes exactly what the table NAME of the config's `report.tables` needs.
"""

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.stage import command_line
from workflow_scripts.report.page.inputs import Evaluation, read_evaluations
from workflow_scripts.report.page.remarks import remarks
from workflow_scripts.report.page.tables import SHARED_BY_SEEDS, Spread, by_seed, origin
from workflow_scripts.report.settings import TableSettings
from workflow_scripts.report.tables.departures import Departure, departures, in_words
from workflow_scripts.report.templates import render
from workflow_scripts.report.text import visible

log = logging.getLogger(__name__)

COLUMNS = (
    "method run dataset protocol shots paper ours sd difference paper_of_supervised of_supervised chance "
    "n_seeds n_splits splits n_train n_test n_listed config_digests"
).split()
LATEX = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "±": r"$\pm$", "−": "$-$"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
MARKDOWN = {sign: f"\\{sign}" for sign in "\\|`*<$["}

Place = tuple[str, str]  # a column: dataset, and the number of shots, empty where all videos are trained on
Notes = dict[str, list[str]]  # what stands beside the table, by what it has in common
BESIDE = "How ours differs from the paper's"


@dataclass(frozen=True)
class Number:
    """A method's accuracy at one place, in percent: the paper's, and ours with the records it is made of."""

    paper: float | None
    ours: Spread | None
    paper_of_supervised: float | None
    of_supervised: float | None
    evaluations: list[Evaluation]

    @property
    def difference(self) -> float | None:
        """Points by which ours is above the paper's."""
        return None if self.paper is None or self.ours is None else self.ours.mean - self.paper


def paper_table(
    evaluations: list[Path],
    config: Path,
    output: Path,
    markdown: Path,
    latex: Path,
    html: Path,
    table: TableSettings = TableSettings(),  # noqa: B008 (frozen)
) -> None:
    """Writes a table from the records of evaluations and from what the paper says.

    `config` is the resolved config, by which is told which values are not the paper's. `output` has a row for each
    method, dataset and number of shots, in percent, with what the number rests on; `markdown`, `latex` and `html` (a
    part of a page: the report's) are for reading, with the standard deviation over seeds (as in `Spread`) and with the
    table's notes and `remarks`. Raises StageError for a damaged record.
    """
    # The runs of IDT are always evaluated by the SVM.
    found = [one for one in read_evaluations(evaluations) if one.protocol in (table.protocol, "svm")]
    rows = [{**row, "method": visible(row["method"])} for row in table.rows]
    table = dataclasses.replace(table, title=visible(table.title), rows=rows)
    places = _places(table, found)
    numbers = [{place: _number(row, place, table, found) for place in places} for row in table.rows]
    runs = [row["run"] for row in table.rows if "run" in row]
    resolved = yaml.safe_load(config.read_text())
    judged = dict.fromkeys(one.dataset for one in found)
    splits = {dataset: {one.split for one in found if one.dataset == dataset} for dataset in judged}
    beside = [*map(visible, table.notes), *remarks(resolved, runs, splits)]
    notes = {BESIDE: beside, **_notes(departures(resolved, runs, table.protocol))}
    write_columns(output, _long(table, numbers), COLUMNS)
    write_text(markdown, _markdown(table, places, numbers, notes))
    write_text(latex, _latex(table, places, numbers, notes))
    write_text(html, _html(table, places, numbers, notes))
    log.info("%s: %d methods, %d results", table.title, len(table.rows), len(found))


def _places(table: TableSettings, found: Sequence[Evaluation]) -> list[Place]:
    """Datasets, and of few-shot tables their numbers of shots: the paper's, and what there is of ours besides."""
    places = {
        (dataset, shots) for row in table.rows for dataset in row.get("paper", {}) for shots in _said(row, dataset)
    }
    places |= {(evaluation.dataset, shots) for evaluation in found for shots in evaluation.shots or [""]}
    order = list(dict.fromkeys(dataset for row in table.rows for dataset in row.get("paper", {})))
    order += sorted({dataset for dataset, _ in places} - set(order))
    return sorted(places, key=lambda place: (order.index(place[0]), place[1] == "all", place[1].zfill(4)))


def _said(row: dict[str, Any], dataset: str, key: str = "paper") -> dict[str, float]:
    """What the paper says of a row and a dataset, by number of shots."""
    said = row.get(key, {}).get(dataset, {})
    return {str(shots): value for shots, value in said.items()} if isinstance(said, dict) else {"": said}


def _number(row: dict[str, Any], place: Place, table: TableSettings, found: Sequence[Evaluation]) -> Number:
    def ours(run: str) -> tuple[list[Evaluation], Spread | None]:
        here = [one for one in found if (one.run, one.dataset) == (run, dataset)]
        seeds = by_seed((one.seed, one.shots.get(shots, []) if shots else [one.accuracy]) for one in here)
        percent = {seed: [100 * accuracy for accuracy in accuracies] for seed, accuracies in seeds.items()}
        return here, Spread.of(percent) if percent else None

    dataset, shots = place
    evaluations, spread = ours(row.get("run", ""))
    paper, fraction = _said(row, dataset).get(shots), _said(row, dataset, "paper_of_supervised").get(shots)
    name = row.get("supervised", table.supervised)
    supervised = next((other for other in table.rows if name and other.get("run") == name), None)
    of_supervised = None
    if supervised is not None:
        whole, paper_whole = ours(name)[1], _said(supervised, dataset).get(shots)
        of_supervised = 100 * spread.mean / whole.mean if spread and whole and whole.mean else None
        if fraction is None and "run" in row and paper is not None and paper_whole:
            fraction = 100 * paper / paper_whole
    return Number(paper, spread, fraction, of_supervised, evaluations)


def _text(value: float | None, form: str = ".1f") -> str:
    return "" if value is None else format(value, form)


def _long(table: TableSettings, numbers: list[dict[Place, Number]]) -> list[dict[str, str]]:
    """The rows of the TSV: every number with protocol, seeds, test videos and its `origin`."""
    rows = []
    for row, of_row in zip(table.rows, numbers, strict=True):
        for (dataset, shots), number in of_row.items():
            found, ours = number.evaluations, number.ours
            line = {"method": row["method"], "run": row.get("run", ""), "dataset": dataset, "shots": shots}
            line |= {"paper": _text(number.paper), "difference": _text(number.difference, "+.2f")}
            line |= {"paper_of_supervised": _text(number.paper_of_supervised)}
            if ours is not None:
                line |= {"protocol": found[0].protocol, "ours": _text(ours.mean, ".2f"), "sd": _text(ours.sd, ".2f")}
                line |= {"of_supervised": _text(number.of_supervised), "chance": _text(100 * found[0].chance, ".2f")}
                line |= {"n_seeds": str(ours.n_seeds), "n_splits": str(len({one.split for one in found}))}
                line |= {"n_test": str(round(sum(one.n_test for one in found) / ours.n_seeds)), **origin(found)}
                line |= {"n_listed": str(round(sum(one.n_listed for one in found) / ours.n_seeds))}
            rows.append(line)
    return rows


def _cells(number: Number, fractions: bool) -> list[str]:
    """The paper's accuracy, ours, the difference, and both as a part of the supervised accuracy."""
    ours = "" if number.ours is None else _text(number.ours.mean)
    if number.ours is not None and number.ours.sd is not None:
        ours += f" ± {number.ours.sd:.1f}"
    cells = [_text(number.paper), ours, _text(number.difference, "+.1f").replace("-", "−")]
    return [*cells, _text(number.paper_of_supervised), _text(number.of_supervised)] if fractions else cells


def _grid(
    table: TableSettings, places: list[Place], numbers: list[dict[Place, Number]]
) -> tuple[list[str], list[str], list[list[str]]]:
    """Titles of the places, of the columns of each, and the rows; a method without a run of ours is cited."""
    fractions = any(number.paper_of_supervised is not None for of_row in numbers for number in of_row.values())
    heads = ["paper", "ours", "difference", *(["paper, % sup.", "ours, % sup."] if fractions else [])]
    titles = [
        f"{dataset}, {shots} shots" if shots.isdigit() else f"{dataset} {shots}".strip() for dataset, shots in places
    ]
    rows = []
    for row, of_row in zip(table.rows, numbers, strict=True):
        cells = [cell for place in places for cell in _cells(of_row[place], fractions)]
        rows.append([row["method"] if "run" in row else f"{row['method']} (cited)", *cells])
    return titles, heads, rows


def _caption(table: TableSettings) -> str:
    """What the numbers are."""
    repeats = ["draws", "splits"] if table.protocol == "linear" else ["splits"]
    return (
        f"Accuracy, %: mean over {', '.join(repeats)} and seeds, ± standard deviation over seeds, each the mean of its "
        f"{' and '.join(repeats)} (of one seed: over these). {SHARED_BY_SEEDS}"
    )


def _notes(found: list[Departure]) -> Notes:
    """The departures in words, by heading: what the paper contradicts apart from what it leaves open."""
    return {
        "Values that are not the paper's": in_words(one for one in found if one.contradicts),
        "Values that the paper does not state": in_words(one for one in found if not one.contradicts),
    }


def _extent(numbers: Iterable[int]) -> str:
    """`3`, or `3 to 5`."""
    every = sorted(set(numbers))
    return " to ".join(map(str, dict.fromkeys((every[0], every[-1]))))


def _facts(numbers: list[dict[Place, Number]]) -> list[str]:
    """What the numbers of each dataset rest on, and the digests of the settings behind them by run."""
    lines = []
    every = [one for of_row in numbers for number in of_row.values() for one in number.evaluations]
    for dataset in dict.fromkeys(one.dataset for one in every):
        here = [one for one in every if one.dataset == dataset]
        splits, seeds = sorted({one.split for one in here}), sorted({one.seed for one in here})
        tested, listed = _extent(one.n_test for one in here), _extent(one.n_listed for one in here)
        judged = tested if tested == listed else f"{tested} of {listed}"
        lines.append(
            f"{dataset}: split {', '.join(map(str, splits))}; seed {', '.join(map(str, seeds))}; "
            f"{judged} test videos; chance {100 * here[0].chance:.1f} %"
        )
    digests: dict[str, set[str]] = defaultdict(set)
    for one in every:
        digests[one.run].add(one.config_digest)
    if digests:
        lines.append("Config digests: " + "; ".join(f"{run} {' '.join(sorted(of))}" for run, of in digests.items()))
    return lines


def _markdown(table: TableSettings, places: list[Place], numbers: list[dict[Place, Number]], notes: Notes) -> str:
    titles, heads, rows = _grid(table, places, numbers)
    header = ["", *(f"{title}: {head}" for title in titles for head in heads)]
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    text = [f"# {_markdown_text(table.title)}", "", _caption(table), ""]
    text += ["| " + " | ".join(map(_markdown_text, line)) + " |" for line in lines]
    text += ["", *(f"- {fact}" for fact in _facts(numbers)), ""]
    for heading, of_kind in notes.items():
        text += [f"{heading}:" if of_kind else f"{heading}: none", "", *(f"- {note}" for note in of_kind), ""]
    return "\n".join(text)


def _markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(MARKDOWN.get(sign, sign) for sign in text)


def _latex(table: TableSettings, places: list[Place], numbers: list[dict[Place, Number]], notes: Notes) -> str:
    def escaped(cell: str) -> str:
        return "".join(LATEX.get(sign, sign) for sign in cell)

    titles, heads, rows = _grid(table, places, numbers)
    groups = " & ".join(f"\\multicolumn{{{len(heads)}}}{{c}}{{{escaped(title)}}}" for title in titles)
    lines = [
        *(f"% {line}" for line in (_caption(table), *_facts(numbers))),
        *(f"% {heading}: {note}" for heading, of_kind in notes.items() for note in of_kind),
        r"\begin{tabular}{l" + "r" * (len(heads) * len(titles)) + "}  % needs booktabs",
        r"\toprule",
        f"Method & {groups} \\\\",
        " & ".join(["", *(escaped(head) for _ in titles for head in heads)]) + r" \\",
        r"\midrule",
        *(" & ".join(map(escaped, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ]
    return "\n".join(lines)


def _html(table: TableSettings, places: list[Place], numbers: list[dict[Place, Number]], notes: Notes) -> str:
    titles, heads, rows = _grid(table, places, numbers)
    content = {"table": table, "titles": titles, "heads": heads, "rows": rows, "facts": _facts(numbers)}
    folded = {heading: of_kind for heading, of_kind in notes.items() if heading != BESIDE}
    return render("tables/paper_table.html", **content, caption=_caption(table), beside=notes[BESIDE], notes=folded)


if __name__ == "__main__":
    command_line(paper_table)
