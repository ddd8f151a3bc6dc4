"""Tables beside the paper's: every number is the paper's or the mean of the records, in all three formats."""

import json
import re
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from workflow_scripts.configuration.resolve import as_yaml, read_config, resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.report.page.remarks import remarks
from workflow_scripts.report.settings import TableSettings
from workflow_scripts.report.tables.departures import departures, in_words
from workflow_scripts.report.tables.paper_table import paper_table

REPOSITORY = Path(__file__).parents[2]
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


def made(results: Any, folder: Path, table: TableSettings, protocols: set[str]) -> dict[str, Path]:
    runs = {row.get("run") for row in table.rows}
    files = [path for path in results.evaluations if path.stem in protocols and runs & {*path.parts}]
    config = folder / "config.yaml"
    config.write_text(as_yaml(read_config([])))
    outputs = {kind: folder / f"table.{kind}" for kind in ("tsv", "md", "tex", "html")}
    paper_table(files, config, outputs["tsv"], outputs["md"], outputs["tex"], outputs["html"], table)
    return outputs


def accuracies(results: Any, run: str, protocol: str, pick: Any) -> list[float]:
    """The mean of each seed in percent, recomputed from the files."""
    records = [json.loads(path.read_text()) for path in results.evaluations]
    here = [record for record in records if (record["run"], record["protocol"]) == (run, protocol)]
    return [100 * mean(v for r in here if r["seed"] == seed for v in pick(r)) for seed in (0, 1)]


def test_our_numbers_are_the_means_of_the_records_beside_the_papers(results: Any, tmp_path: Path) -> None:
    outputs = made(results, tmp_path, OBJECTIVES, {"finetune", "svm"})
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


def test_few_shot_columns_are_the_papers_and_ours(results: Any, tmp_path: Path) -> None:
    outputs = made(results, tmp_path, FEW_SHOT, {"linear"})
    lines = {line["shots"]: line for line in read_columns(outputs["tsv"])}
    assert list(lines) == ["1", "5", "20", "all"]
    for shots in ("1", "5", "all"):
        seeds = accuracies(results, "la", "linear", lambda r, s=shots: r["shots"][s])  # type: ignore[misc]
        assert float(lines[shots]["ours"]) == pytest.approx(mean(seeds), abs=0.006)
    assert (lines["5"]["paper"], lines["20"]["paper"], lines["20"]["ours"]) == ("", "44.2", "")


def test_markdown_latex_and_html_hold_the_same_cells(results: Any, tmp_path: Path) -> None:
    outputs = made(results, tmp_path, OBJECTIVES, {"finetune", "svm"})
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


def test_departures_are_what_is_not_the_papers(results: Any, tmp_path: Path) -> None:
    demo, paper = (
        resolve(yaml.safe_load((REPOSITORY / path).read_text())) for path in ("config.yaml", "configs/paper.yaml")
    )
    told = {departure.key: departure for departure in departures(demo, ["la_idt"])}
    assert told["pretraining.epochs"].source == "paper 4.2: 200" and told["pretraining.epochs"].value != 200
    assert told["clusters.iterations"].source == "authors' code"
    assert "pretraining.embedding_dim" not in told  # the paper's value, as it is
    for table in paper["report"]["tables"].values():  # what the paper says in another place is the paper's too
        runs = [row["run"] for row in table["rows"] if "run" in row]
        assert not [one for one in departures(paper, runs, table["protocol"]) if one.contradicts]
    told = {departure.key: departure for departure in departures(paper, ["la_idt"])}
    assert told["la_idt.epochs"].source == "authors' code; paper 3.3: a few" and "ir_warmup.epochs" not in told
    assert "la.epochs" not in told and "la_nodet.epochs" not in told  # runs of other tables
    assert "trajectories.keep" not in told and "pretraining.checkpoint_minutes" not in told  # change nothing
    assert "evaluation.finetune_epochs" in told and "evaluation.linear_draws" not in told
    assert "evaluation.linear_draws" in {one.key for one in departures(paper, ["la_idt"], "linear")}
    paper["pretraining"]["runs"]["ir_warmup"]["epochs"] = 30
    told = {departure.key: departure for departure in departures(paper, ["la_idt"])}
    assert (told["ir_warmup.epochs"].value, told["ir_warmup.epochs"].source) == (30, "paper 4.2: 40")
    outputs = made(results, tmp_path, OBJECTIVES, {"finetune", "svm"})
    assert f"- pretraining.epochs: {demo['pretraining']['epochs']} (paper 4.2: 200)" in outputs["md"].read_text()


def test_whose_boxes_mask_people_is_a_departure_of_the_runs_that_learn_from_them() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    config["persons"] |= {"stride": 3, "weights": "mine.pth"}
    config["descriptors"] |= {"idt": {"boxes": "hog", "rows": ""}}
    told = {one.key: one for one in departures(config, ["la_idt"])}
    assert (told["descriptors.idt.boxes"].value, told["descriptors.idt.boxes"].source) == (
        "hog",
        "paper 3.3: detectron2",
    )
    assert told["persons.stride"].source == "paper 3.3: 1" and told["persons.hog_height"].source.startswith("ours")
    assert not {"persons.score_threshold", "persons.weights", "descriptors.idt.rows"} & told.keys()  # not those of hog
    assert "descriptors.idt.boxes" in {one.key for one in departures(config, ["idt_fisher"])}
    for run in ("la", "supervised", "la_nodet"):
        assert not [one for one in departures(config, [run]) if one.key.startswith(("persons.", "descriptors."))]
    config["descriptors"]["idt"]["boxes"] = "detectron2"
    assert {one.key: one.source for one in departures(config, ["la_idt"])}["persons.weights"] == "paper 4.2: another"


def test_equal_departures_of_several_runs_are_one_line() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    lines = in_words(departures(config, ["la_idt", "la_idt_64"]))
    assert "la_idt.epochs, la_idt_64.epochs: 25 (authors' code; paper 3.3: a few)" in lines


def judged_on_its_own() -> dict[str, Any]:
    """A config whose networks are judged on the dataset that they are pretrained on."""
    runs = {
        "ir": {"objective": "instance"},
        "la": {"objective": "local_aggregation", "clusters": "network", "init": "ir"},
        "supervised": {"objective": "supervised"},
    }
    datasets = {"a": {"layout": "folder", "root": "videos"}, "b": {"layout": "folder", "root": "videos/more"}}
    datasets["c"] = {"layout": "folder", "root": "videos_of_others"}
    given = {"datasets": datasets, "pretraining": {"dataset": "a", "runs": runs}}
    return resolve(given)


def test_networks_that_saw_the_test_videos_are_named() -> None:
    config = judged_on_its_own()
    config["frames"]["short_side"] = 240
    runs = ["scratch", "la", "supervised"]
    seen = "la: saw the test videos of {} in pretraining, without labels."
    assert remarks(config, runs, {"a": {1}}) == [seen.format("a")]
    assert remarks(config, runs, {"b": {1}}) == [seen.format("b")], "its folder is in that of a"
    assert remarks(config, runs, {"c": {1}}) == [] == remarks(config, ["scratch", "supervised"], {"a": {1}})
    config["pretraining"]["subset"] = "split1"
    assert remarks(config, runs, {"a": {1}}) == []
    assert remarks(config, ["ir"], {"a": {1, 2, 3}}) == [], "it is judged on split 1 alone"
    config["pretraining"]["subset"] = "split1:100"
    assert remarks(config, runs, {"a": {1, 2, 3}}) == []
    (line,) = remarks(config, ["la"], {"b": {1}})
    assert line == "la: saw some of the test videos of b in pretraining, without labels."
    config["pretraining"]["runs"]["ir"]["subset"] = "split3"  # what it starts from counts
    (line,) = remarks(config, ["la"], {"a": {1, 2, 3}})
    assert line == "la: saw test videos of split 1 of a in pretraining, without labels."
    config["pretraining"]["runs"]["ir"]["subset"] = 50
    (line,) = remarks(config, ["la"], {"a": {1}})
    assert line == "la: saw some of the test videos of a in pretraining, without labels."
    (line,) = remarks(config, ["idt", "idt_fisher"], {"c": {1}})
    assert line.startswith("idt, idt_fisher: learns its PCA and GMM from a sample of the evaluated dataset")


@pytest.mark.parametrize(("short_side", "enlarged"), [(240, False), (224, False), (223, True), (128, True)])
def test_crops_that_are_enlarged_are_told(short_side: int, enlarged: bool) -> None:
    config = judged_on_its_own()
    config["frames"]["short_side"] = short_side
    assert config["pretraining"]["crop_size"] == 112 and config["pretraining"]["n_scales"] == 5
    found = [line for line in remarks(config, ["la"], {"c": {1}}) if "crops" in line]
    assert bool(found) == enlarged
    if short_side == 128:
        assert found == [
            "ir, la: was trained on frames with a short side of 128 pixels; its training crops of 64 to 128 pixels "
            "were resized to 112, which blurs smaller ones."
        ]
    config["pretraining"]["n_scales"] = 1
    assert not [line for line in remarks(config, ["la"], {"c": {1}}) if "crops" in line]


def test_notes_stand_beside_the_table_and_names_are_text(results: Any, tmp_path: Path) -> None:
    rows = [{"method": "Cost $5$ ~ ^2 | <i>\x07\n", "run": "la", "paper": {"toy": 1.0}}]
    table = TableSettings(title="In $, \x1b*all*", rows=rows, notes=["The paper's rows are $quoted$."])
    outputs = made(results, tmp_path, table, {"finetune"})
    markdown, latex, html = (outputs[kind].read_text() for kind in ("md", "tex", "html"))
    assert "- The paper's rows are $quoted$." in markdown and "The paper's rows are $quoted$." in latex
    assert r"| Cost \$5\$ ~ ^2 \| \<i>␇␊ |" in markdown and markdown.startswith(r"# In \$, ␛\*all\*")
    assert r"Cost \$5\$ \~{} \^{}2 | <i>␇␊ &" in latex
    page = ElementTree.fromstring(f"<page>{html}</page>")
    assert page.findtext("h3") == "In $, ␛*all*" and page.findtext(".//tbody/tr/th") == "Cost $5$ ~ ^2 | <i>␇␊"
    assert "The paper's rows are $quoted$." in [item.text for item in page.findall("ul/li")], "not in a fold"


def test_the_papers_config_says_what_its_rows_rest_on() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    tables = config["report"]["tables"]
    most = [row for table in tables.values() for row in table["rows"] if "370" in row.get("run", "")]
    assert len(most) == 3
    for row in most:  # the authors skipped the tuning there
        values = run_values(config, row["run"])
        assert (values["clusters"], values["subset"]) == ("idt", "all")
    of_table = {name: " ".join(table["notes"]) for name, table in tables.items()}
    assert "Hara et al." in of_table["table1"] and "noise-contrastive" in of_table["table1"]
    assert "without the tuning" in of_table["table4"] and "Wang and Schmid" in of_table["table4"]
    assert all("batch norm" in notes for name, notes in of_table.items() if name != "table2")
    assert config["encoding"]["per_channel"]
    told = {one.key for one in departures(config, ["la_idt"])}
    assert "encoding.per_channel" not in told, "it is of the run idt_fisher alone"
    config["encoding"]["per_channel"] = False
    assert "encoding.per_channel" in {one.key for one in departures(config, ["idt_fisher"])}


@pytest.mark.parametrize(("protocol", "repeats"), [("finetune", "splits"), ("linear", "draws and splits")])
def test_the_caption_says_over_what_the_deviation_is(results: Any, tmp_path: Path, protocol: str, repeats: str) -> None:
    table = FEW_SHOT if protocol == "linear" else OBJECTIVES
    outputs = made(results, tmp_path, table, {protocol})
    for kind in ("md", "tex", "html"):
        text = outputs[kind].read_text()
        assert f"(with one seed: of its {repeats})" in text
