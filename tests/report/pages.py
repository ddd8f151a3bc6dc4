"""Builds report pages for tests, and reads them."""

import dataclasses
import json
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from statistics import mean
from typing import Any

from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.report.page.build_report import ResultFiles, build_report
from workflow_scripts.report.settings import ReportSettings
from workflow_scripts.videos.tables import INDEX

VOID = {"meta", "link", "br", "img", "input", "hr"}


BASELINE = {"toy": {"name": "Size alone", "accuracy": 0.25}}


TITLES = {
    "scratch": "Scratch",
    "la": "Video LA la",
    "la_idt": "Video LA + IDT prior la_idt",
    "supervised": "Supervised",
    "idt": "IDT + linear SVM idt",
}


def build_page(settings: ReportSettings = ReportSettings(), **arguments: Any) -> None:  # noqa: B008 (frozen)
    """Calls build_report. The fields of ResultFiles are arguments here."""
    names = {field.name for field in dataclasses.fields(ResultFiles)}
    files = ResultFiles(**{name: value for name, value in arguments.items() if name in names})
    arguments_in: dict[str, Path] = {name: value for name, value in arguments.items() if name not in names}
    build_report(files, **arguments_in, settings=settings)


class Page(HTMLParser):
    """A parsed page: its elements with attributes, and the text and the tables of every section."""

    def __init__(self, path: Path):
        super().__init__()
        self.text = path.read_text()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[list[str]]]] = defaultdict(list)
        self.words: dict[str, str] = defaultdict(str)
        self._open: list[str] = []
        self._section = ""
        self.feed(self.text)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"]
        elif tag == "table":
            self.tables[self._section].append([])
        elif tag == "tr":
            self.tables[self._section][-1].append([])
        elif tag in ("td", "th"):
            self.tables[self._section][-1][-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words[self._section] += data
        if {"td", "th"} & set(self._open):
            self.tables[self._section][-1][-1][-1] += data

    def rows(self, section: str, table: int = 0) -> dict[str, list[str]]:
        """The rows of a table by their first cell, with whitespace collapsed."""
        cells = [[" ".join(text.split()) for text in row] for row in self.tables[section][table]]
        return {row[0]: row[1:] for row in cells if row}


def records(results: Any, **values: Any) -> list[dict[str, Any]]:
    """The evaluation records with these values."""
    all_records = [json.loads(path.read_text()) for path in results.evaluations]
    return [record for record in all_records if values.items() <= record.items()]


def of_seeds(results: Any, protocol: str, run: str) -> list[float]:
    """A run's mean accuracy over the splits, of each seed."""
    accuracies = [(record["seed"], record["accuracy"]) for record in records(results, run=run, protocol=protocol)]
    return [mean(accuracy for seed, accuracy in accuracies if seed == number) for number in (0, 1)]


def arguments_in(results: Any, folder: Path) -> dict[str, Any]:
    """The arguments to build the page again in another folder."""
    tables = {"method_table": folder / "methods.tsv", "cluster_table": folder / "clusters.tsv"}
    return results.arguments() | tables | {"output": folder / "index.html"}


def without_labels(results: Any, folder: Path) -> dict[str, Any]:
    """The arguments for a page of videos without labels and scenes."""
    nothing: dict[str, Any] = {"evaluations": [], "paper_tables": []}
    return arguments_in(results, folder) | nothing | {"indexes": [changed_index(results, folder, label="", scene="")]}


def changed_index(results: Any, folder: Path, **values: str) -> Path:
    """A copy of the index in another folder; `values` replace those of all videos, by column."""
    index = folder / "toy/videos/index.tsv"
    write_columns(index, [row | values for row in read_columns(results.indexes[0])], INDEX)
    return index


def evaluation(
    run: str, seed: int = 0, accuracy: float = 0.5, confusion: list[list[int]] | None = None
) -> dict[str, Any]:
    """A finetuning record on a single split."""
    return dict(
        run=run,
        seed=seed,
        dataset="toy",
        split=1,
        protocol="finetune",
        accuracy=accuracy,
        mean_class_accuracy=accuracy,
        accuracy_interval=[0.0, 1.0],
        chance=0.5,
        n_train=10,
        n_test=10,
        n_left_out=0,
        config_digest="0" * 16,
        classes=["walk", "wave"],
        confusion=confusion or [],
    )
