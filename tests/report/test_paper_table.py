"""Tables of the paper: every number is the paper's or the mean of the records, in all formats."""

import json
import re
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from workflow_scripts.configuration.resolve import as_yaml
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.report.settings import TableSettings
from workflow_scripts.report.tables.paper_table import paper_table

OBJECTIVES = TableSettings(
    title="Objectives & co.",
    supervised="supervised",
    rows=[
        {"method": "Scratch", "run": "scratch", "paper": {"toy": 42.4}},
        {"method": "Video LA", "run": "la", "paper": {"toy": 71.4}},
        {"method": "PMAS_1", "paper": {"toy": 61.2}, "paper_of_supervised": {"toy": 74.3}},
        {"method": "Supervised", "run": "supervised", "paper": {"toy": 84.4}},
        {"method": "IDT", "run": "idt"},
    ],
)
FEW_SHOT = TableSettings(
    title="Few-shot",
    protocol="linear",
    rows=[{"method": "Video LA", "run": "la", "paper": {"toy": {"1": 15.6, "20": 44.2, "all": 58.6}}}],
)


def write_table(results: Any, folder: Path, table: TableSettings, protocols: set[str]) -> dict[str, Path]:
    runs = {row.get("run") for row in table.rows}
    files = [path for path in results.evaluations if path.stem in protocols and runs & {*path.parts}]
    config = folder / "config.yaml"
    values = yaml.safe_load(results.config.read_text())
    values["pretraining"]["epochs"] = 5
    config.write_text(as_yaml(values))
    outputs = {kind: folder / f"table.{kind}" for kind in ("tsv", "md", "tex", "html")}
    paper_table(files, config, outputs["tsv"], outputs["md"], outputs["tex"], outputs["html"], table)
    return outputs


def accuracies(results: Any, run: str, protocol: str, pick: Any) -> list[float]:
    """The mean of each seed in percent, recomputed from the files."""
    records = [json.loads(path.read_text()) for path in results.evaluations]
    here = [record for record in records if (record["run"], record["protocol"]) == (run, protocol)]
    return [100 * mean(v for r in here if r["seed"] == seed for v in pick(r)) for seed in (0, 1)]


def test_paper_table_shows_means_of_records(results: Any, tmp_path: Path) -> None:
    outputs = write_table(results, tmp_path, OBJECTIVES, {"finetune", "svm"})
    lines = {line["method"]: line for line in read_columns(outputs["tsv"])}
    supervised = mean(accuracies(results, "supervised", "finetune", lambda r: [r["accuracy"]]))
    for name, run in (("Scratch", "scratch"), ("Video LA", "la"), ("Supervised", "supervised"), ("IDT", "idt")):
        protocol = "svm" if run == "idt" else "finetune"
        seeds = accuracies(results, run, protocol, lambda r: [r["accuracy"]])
        line = lines[name]
        assert float(line["ours"]) == pytest.approx(mean(seeds), abs=0.006)
        assert float(line["sd"]) == pytest.approx(stdev(seeds), abs=0.006)
        assert float(line["of_supervised"]) == pytest.approx(100 * mean(seeds) / supervised, abs=0.06)
        assert (line["protocol"], line["n_seeds"], line["n_splits"], line["n_test"]) == (protocol, "2", "2", "12")
        assert (line["splits"], line["n_train"]) == ("1 2", "6 6")
        assert re.fullmatch(r"[0-9a-f]{16,}", line["config_digests"])
        assert all(f"{run} {line['config_digests']}" in outputs[kind].read_text() for kind in ("md", "tex", "html"))
    assert lines["IDT"]["paper"] == "" and lines["IDT"]["difference"] == ""
    assert float(lines["Video LA"]["difference"]) == pytest.approx(float(lines["Video LA"]["ours"]) - 71.4, abs=0.006)
    assert lines["Video LA"]["paper_of_supervised"] == "84.6"  # as the paper's table 1 has it
    assert lines["PMAS_1"]["ours"] == "" and lines["PMAS_1"]["paper_of_supervised"] == "74.3"


def test_paper_table_few_shot_columns(results: Any, tmp_path: Path) -> None:
    outputs = write_table(results, tmp_path, FEW_SHOT, {"linear"})
    lines = {line["shots"]: line for line in read_columns(outputs["tsv"])}
    assert list(lines) == ["1", "5", "20", "all"]
    for shots in ("1", "5", "all"):
        seeds = accuracies(results, "la", "linear", lambda r, s=shots: r["shots"][s])  # type: ignore[misc]
        assert float(lines[shots]["ours"]) == pytest.approx(mean(seeds), abs=0.006)
    assert (lines["5"]["paper"], lines["20"]["paper"], lines["20"]["ours"]) == ("", "44.2", "")


def test_paper_table_formats_hold_same_cells(results: Any, tmp_path: Path) -> None:
    outputs = write_table(results, tmp_path, OBJECTIVES, {"finetune", "svm"})
    rows = [line for line in outputs["md"].read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (rows[0], *rows[2:])]
    assert [row[0] for row in cells] == ["", "Scratch", "Video LA", "PMAS_1 (cited)", "Supervised", "IDT"]
    assert {len(row) for row in cells} == {6} and cells[1][1] == "42.4" and "±" in cells[1][2]
    body = outputs["tex"].read_text().partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    plain = body.replace(r"$\pm$", "±").replace("$-$", "−").replace(r"\_", "_")
    in_latex = [[cell.strip() for cell in line.split("&")] for line in plain.replace(r"\\", "").strip().splitlines()]
    assert in_latex == cells[1:]
    html = ElementTree.fromstring(f"<page>{outputs['html'].read_text()}</page>")
    in_html = [["".join(cell.itertext()) for cell in row] for row in html.findall(".//tbody/tr")]
    assert [["" if cell == "–" else cell for cell in row] for row in in_html] == cells[1:]
    assert html.findtext("h3") == "Objectives & co."
    assert "& 5" not in outputs["tex"].read_text().partition(r"\toprule")[0]
    assert "- toy: split 1, 2; seed 0, 1; 6 of 7 test videos; chance 33.3 %" in outputs["md"].read_text()
    assert "- pretraining.epochs: 5 (paper 4.2: 200)" in outputs["md"].read_text()


def test_paper_table_shows_notes_and_escapes_names(results: Any, tmp_path: Path) -> None:
    rows = [{"method": "Cost $5$ ~ ^2 | <i>\x07\n", "run": "la", "paper": {"toy": 1.0}}]
    table = TableSettings(title="In $, \x1b*all*", rows=rows, notes=["The paper's rows are $quoted$."])
    outputs = write_table(results, tmp_path, table, {"finetune"})
    markdown, latex, html = (outputs[kind].read_text() for kind in ("md", "tex", "html"))
    assert "- The paper's rows are $quoted$." in markdown and "The paper's rows are $quoted$." in latex
    assert r"| Cost \$5\$ ~ ^2 \| \<i>␇␊ |" in markdown and markdown.startswith(r"# In \$, ␛\*all\*")
    assert r"Cost \$5\$ \~{} \^{}2 | <i>␇␊ &" in latex
    page = ElementTree.fromstring(f"<page>{html}</page>")
    assert page.findtext("h3") == "In $, ␛*all*" and page.findtext(".//tbody/tr/th") == "Cost $5$ ~ ^2 | <i>␇␊"
    assert "The paper's rows are $quoted$." in [item.text for item in page.findall("ul/li")], "not in a fold"


@pytest.mark.parametrize(("protocol", "repeats"), [("finetune", "splits"), ("linear", "draws and splits")])
def test_paper_table_caption_names_repeats(results: Any, tmp_path: Path, protocol: str, repeats: str) -> None:
    table = FEW_SHOT if protocol == "linear" else OBJECTIVES
    outputs = write_table(results, tmp_path, table, {protocol})
    for kind in ("md", "tex", "html"):
        text = outputs[kind].read_text()
        assert f"(with one seed: of its {repeats})" in text
