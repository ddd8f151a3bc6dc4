"""The values of a table's runs that differ from the paper's."""

from pathlib import Path

import yaml

from workflow_scripts.configuration.resolve import resolve
from workflow_scripts.configuration.runs import run_values
from workflow_scripts.report.tables.departures import departures, in_words

REPOSITORY = Path(__file__).parents[2]


def test_departures_of_demo_and_paper() -> None:
    demo, paper = (
        resolve(yaml.safe_load((REPOSITORY / path).read_text())) for path in ("config.yaml", "configs/paper.yaml")
    )
    by_key = {departure.key: departure for departure in departures(demo, ["la_idt"])}
    assert by_key["pretraining.epochs"].source == "paper 4.2: 200" and by_key["pretraining.epochs"].value != 200
    assert by_key["clusters.iterations"].source == "authors' code"
    assert "pretraining.embedding_dim" not in by_key  # the paper's value
    for table in paper["report"]["tables"].values():  # values from other sections of the paper count too
        runs = [row["run"] for row in table["rows"] if "run" in row]
        assert not [one for one in departures(paper, runs, table["protocol"]) if one.contradicts]
    by_key = {departure.key: departure for departure in departures(paper, ["la_idt"])}
    assert by_key["la_idt.epochs"].source == "authors' code; paper 3.3: a few" and "ir_warmup.epochs" not in by_key
    assert "la.epochs" not in by_key and "la_nodet.epochs" not in by_key  # runs of other tables
    assert "trajectories.keep" not in by_key and "pretraining.checkpoint_minutes" not in by_key  # they change no result
    assert "evaluation.finetune_epochs" in by_key and "evaluation.linear_draws" not in by_key
    assert "evaluation.linear_draws" in {one.key for one in departures(paper, ["la_idt"], "linear")}
    paper["pretraining"]["runs"]["ir_warmup"]["epochs"] = 30
    by_key = {departure.key: departure for departure in departures(paper, ["la_idt"])}
    assert (by_key["ir_warmup.epochs"].value, by_key["ir_warmup.epochs"].source) == (30, "paper 4.2: 40")


def test_departures_of_person_boxes() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    config["persons"] |= {"stride": 3, "weights": "mine.pth"}
    config["descriptors"]["idt"] |= {"boxes": "hog"}
    by_key = {one.key: one for one in departures(config, ["la_idt"])}
    assert (by_key["descriptors.idt.boxes"].value, by_key["descriptors.idt.boxes"].source) == (
        "hog",
        "paper 3.3: detectron2",
    )
    assert by_key["persons.stride"].source == "paper 3.3: 1" and by_key["persons.hog_height"].source.startswith("ours")
    assert (
        not {"persons.score_threshold", "persons.weights", "descriptors.idt.rows"} & by_key.keys()
    )  # hog does not read them
    assert "descriptors.idt.boxes" in {one.key for one in departures(config, ["idt_fisher"])}
    for run in ("la", "supervised", "la_nodet"):
        assert not [one for one in departures(config, [run]) if one.key.startswith(("persons.", "descriptors."))]
    config["descriptors"]["idt"]["boxes"] = "detectron2"
    assert {one.key: one.source for one in departures(config, ["la_idt"])}["persons.weights"] == "paper 4.2: another"


def test_in_words_joins_equal_departures() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    lines = in_words(departures(config, ["la_idt", "la_idt_64"]))
    assert "la_idt.epochs, la_idt_64.epochs: 25 (authors' code; paper 3.3: a few)" in lines


def test_departures_of_paper_tables() -> None:
    config = resolve(yaml.safe_load((REPOSITORY / "configs" / "paper.yaml").read_text()))
    tables = config["report"]["tables"]
    most = [row for table in tables.values() for row in table["rows"] if "370" in row.get("run", "")]
    assert len(most) == 3
    for row in most:  # the authors skipped the tuning there
        values = run_values(config, row["run"])
        assert (values["clusters"], values["subset"]) == ("idt", "all")
    of_table = {name: " ".join(table["notes"]) for name, table in tables.items()}
    assert "Hara et al." in of_table["table1"] and "noise-contrastive" in of_table["table1"]
    assert "there is no tuning in the joint space" in of_table["table4"] and "Wang and Schmid" in of_table["table4"]
    assert all("batch norm" in notes for name, notes in of_table.items() if name != "table2")
    assert config["encoding"]["per_channel"]
    by_key = {one.key for one in departures(config, ["la_idt"])}
    assert "encoding.per_channel" not in by_key, "only the run idt_fisher reads it"
    config["encoding"]["per_channel"] = False
    assert "encoding.per_channel" in {one.key for one in departures(config, ["idt_fisher"])}
