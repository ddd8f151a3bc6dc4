"""The report page: what it says is what the results say, it stands by itself, and it opens in a browser."""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from html.parser import HTMLParser
from math import log2
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from xml.etree import ElementTree

import pytest
from page_of import build_page

from workflow_scripts.ground.artifacts import read_columns, write_columns, write_text
from workflow_scripts.ground.identity import video_id
from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.methods import methods_of
from workflow_scripts.report.page.accuracies import method_table
from workflow_scripts.report.page.inputs import evaluation_table
from workflow_scripts.report.settings import ReportSettings

SECTIONS = [
    "overview",
    "methods",
    "paper",
    "few-shot",
    "training",
    "agreement",
    "gallery",
    "explorer",
    "times",
    "provenance",
]
VOID = {"meta", "link", "br", "img", "input", "hr"}
BASELINE = {"toy": {"name": "Size alone", "accuracy": 0.25}}


class Page(HTMLParser):
    """A page as a test reads it: elements with attributes, ids, and every section's tables as rows of texts."""

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
        """A table's rows by their first cell, blanks made one."""
        cells = [[" ".join(text.split()) for text in row] for row in self.tables[section][table]]
        return {row[0]: row[1:] for row in cells if row}


@pytest.fixture(scope="module")
def arguments(results: Any) -> dict[str, Any]:
    """The arguments with which `page` was built."""
    arguments: dict[str, Any] = results.arguments()
    build_page(**arguments, settings=ReportSettings(baselines=BASELINE))
    return arguments


@pytest.fixture(scope="module")
def page(arguments: dict[str, Any]) -> Page:
    return Page(arguments["output"])


def records(results: Any, **wanted: Any) -> list[dict[str, Any]]:
    """The evaluation records with these values."""
    found = [json.loads(path.read_text()) for path in results.evaluations]
    return [record for record in found if wanted.items() <= record.items()]


def of_seeds(results: Any, protocol: str, run: str) -> list[float]:
    """A run's mean accuracy over the splits, of each seed."""
    found = [(record["seed"], record["accuracy"]) for record in records(results, run=run, protocol=protocol)]
    return [mean(accuracy for seed, accuracy in found if seed == wanted) for wanted in (0, 1)]


def outputs(results: Any, folder: Path) -> dict[str, Any]:
    """The arguments to build the page again, elsewhere."""
    tables = {"method_table": folder / "methods.tsv", "cluster_table": folder / "clusters.tsv"}
    return results.arguments() | tables | {"output": folder / "index.html"}


def test_every_section_is_there_and_linked(page: Page) -> None:
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert ids == SECTIONS
    assert {"#" + name for name in SECTIONS} <= {a["href"] for tag, a in page.elements if tag == "a"}


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed")
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\((?!['\"]?(data:|#))", page.text)
    assert "@import" not in page.text


def test_a_table_of_the_paper_is_on_the_page(page: Page) -> None:
    rows = page.rows("paper")
    assert list(rows) == ["Method", "paper", "Video LA", "PMAS_1 (cited)"]
    assert rows["Video LA"][0] == "71.4" and "±" in rows["Video LA"][1] and rows["PMAS_1 (cited)"] == ["61.2", "–", "–"]
    assert "pretraining.epochs" in page.words["paper"] and "6 of 7 test videos" in page.words["paper"]


def test_examples_are_on_the_page(results: Any, tmp_path: Path) -> None:
    write_text(tmp_path / "examples.html", '<ul class="examples"><li>walk</li></ul>')
    arguments = outputs(results, tmp_path) | {"examples": tmp_path / "examples.html"}
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "walk" in page.words["trajectories"] and ("a", {"href": "#trajectories"}) in page.elements


def test_people_and_what_masking_them_does_are_one_section(results: Any, tmp_path: Path) -> None:
    write_text(tmp_path / "examples.html", '<ul class="examples"><li>walk</li></ul>')
    write_text(tmp_path / "people.html", "<p>masked: 0.1 pixels</p>")
    arguments = outputs(results, tmp_path) | {name: tmp_path / f"{name}.html" for name in ("examples", "people")}
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "walk" in page.words["people"] and "masked: 0.1 pixels" in page.words["people"]
    assert ("a", {"href": "#people"}) in page.elements and "trajectories" not in page.words


def test_pictures_have_words(page: Page) -> None:
    pictures = 0
    for tag, attributes in page.elements:
        if tag == "img" or attributes.get("role") == "img":
            assert attributes.get("alt") or attributes.get("aria-label")
            pictures += 1
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true"  # the figure around it is labelled
    assert pictures
    assert any("wave, in front of beach" in attributes.get("aria-label", "") for _, attributes in page.elements)


def test_ids_are_unique(page: Page) -> None:
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert not [name for name, count in ids.items() if count > 1]
    used = set(re.findall(r"url\(#([^)]+)\)", page.text)) | set(re.findall(r'xlink:href="#([^"]+)"', page.text))
    assert used <= set(ids)


TITLES = {
    "scratch": "Scratch",
    "la": "Video LA la",
    "la_idt": "Video LA + IDT prior la_idt",
    "supervised": "Supervised",
    "idt": "IDT + linear SVM idt",
}


@pytest.mark.parametrize("run", TITLES)
def test_accuracies_are_the_means_of_the_records(results: Any, page: Page, arguments: Any, run: str) -> None:
    row = page.rows("methods")[TITLES[run]]
    for position, protocol in enumerate(["finetune", "linear", "knn", "svm"]):
        if protocol not in (["svm"] if run == "idt" else ["finetune", "linear", "knn"]):
            assert row[position] == "–"
            continue
        accuracies = of_seeds(results, protocol, run)
        expected = f"{100 * mean(accuracies):.1f} ± {100 * stdev(accuracies):.1f}"
        assert row[position].startswith(expected)
        supervised = of_seeds(results, protocol, "supervised") if protocol != "svm" else []
        if protocol == "finetune" and run not in ("supervised", "idt"):
            assert f"{100 * mean(accuracies) / mean(supervised):.1f} % of sup." in row[position]
        [line] = [
            line
            for line in read_columns(arguments["method_table"])
            if (line["run"], line["protocol"], line["shots"]) == (run, protocol, "all")
        ]
        assert float(line["accuracy"]) == pytest.approx(mean(accuracies), abs=1e-6)
        assert float(line["sd"]) == pytest.approx(stdev(accuracies), abs=1e-6)
        assert [line[name] for name in ("n_values", "n_splits", "n_seeds", "n_test")] == ["4", "2", "2", "12"]
        found = records(results, run=run, protocol=protocol)
        assert (line["splits"], line["n_train"]) == ("1 2", "6 6")
        assert line["config_digests"].split() == sorted({record["config_digest"] for record in found})


def test_few_shot_numbers_are_in_the_method_table(results: Any, arguments: Any) -> None:
    lines = [line for line in read_columns(arguments["method_table"]) if line["protocol"] == "linear"]
    assert [line["shots"] for line in lines if line["run"] == "la"] == ["1", "5", "all"]
    for line in lines:
        if line["shots"] != "all":
            found = records(results, run=line["run"], protocol="linear")
            seeds = [mean(a for r in found if r["seed"] == s for a in r["shots"][line["shots"]]) for s in (0, 1)]
            assert float(line["accuracy"]) == pytest.approx(mean(seeds), abs=1e-6)
            assert float(line["sd"]) == pytest.approx(stdev(seeds), abs=1e-6)
            assert (line["n_values"], line["n_seeds"]) == ("12", "2")


def test_the_method_table_tells_retrieval_and_how_far_an_accuracy_can_be_trusted(results: Any, arguments: Any) -> None:
    lines = {(line["run"], line["protocol"], line["shots"]): line for line in read_columns(arguments["method_table"])}
    assert float(lines["la", "knn", "all"]["R@1"]) == pytest.approx(0.7 * 0.5)
    assert (lines["la", "knn", "all"]["R@20"], lines["la", "linear", "all"]["R@1"]) == ("", "")
    for protocol in ("finetune", "linear", "knn"):
        found = records(results, run="la", protocol=protocol)
        line = lines["la", protocol, "all"]
        for bound, name in enumerate(["interval_low", "interval_high"]):
            expected = mean(record["accuracy_interval"][bound] for record in found)
            assert float(line[name]) == pytest.approx(expected, abs=1e-6)
        expected = mean(one["mean_class_accuracy"] for one in found)
        assert float(line["mean_class_accuracy"]) == pytest.approx(expected, abs=1e-6)
        assert line["top5_accuracy"] == ""  # of three classes


def test_the_cluster_table_pools_the_seeds_of_a_run(arguments: Any) -> None:
    lines = {(line["run"], line["label"], line["score"]): line for line in read_columns(arguments["cluster_table"])}
    assert len(lines) == 3 * 2 * 2
    tuned = lines["la_idt", "motion", "NMI"]
    # One seed groups the motions, the other parts a video from them: H = log2(3) of motion, more of the clusters.
    sizes = [4, 4, 3, 1]
    entropy, of_clusters = log2(3), -sum(n / 12 * log2(n / 12) for n in sizes)
    other = 2 * entropy / (entropy + of_clusters)
    assert float(tuned["value"]) == pytest.approx((1 + other) / 2, abs=1e-6)
    assert float(tuned["sd"]) == pytest.approx((1 - other) / 2**0.5, abs=1e-6)
    assert (tuned["n_values"], tuned["n_seeds"], tuned["n_videos"], tuned["n_clusters"]) == ("4", "2", "12", "4")
    assert (lines["idt", "scene", "AMI"]["n_values"], lines["idt", "scene", "AMI"]["n_seeds"]) == ("2", "1")


def test_comparisons_have_tables_of_their_own_and_leave_no_run_out(results: Any, tmp_path: Path) -> None:
    arguments = outputs(results, tmp_path)
    wanted = [{"title": "Prior", "runs": ["la", "la_idt"]}, {"title": "Labels & none", "runs": ["scratch", "la"]}]
    build_page(**arguments, settings=ReportSettings(comparisons=wanted))
    page = Page(arguments["output"])
    names = [[row for row in page.rows("methods", table) if row in TITLES.values()] for table in range(3)]
    assert names == [
        ["Video LA la", "Video LA + IDT prior la_idt"],
        ["Scratch", "Video LA la"],
        ["Supervised", "IDT + linear SVM idt"],
    ]
    assert [len(page.tables[section]) for section in ("methods", "few-shot", "agreement")] == [6, 3, 3]
    assert "Labels &amp; none" in page.text and "Other runs" in page.words["methods"]
    few_shot = (tmp_path / "figures/few_shot.svg").read_text()
    assert all(few_shot.count(title) == 1 for title in (">Prior<", ">Labels &amp; none<", ">Other runs<"))
    # The tables as files hold every run once, whatever is compared with what.
    runs = Counter(line["run"] for line in read_columns(arguments["method_table"]) if line["protocol"] == "finetune")
    assert set(runs.values()) == {1} and len(runs) == 4


def test_runs_of_the_same_kind_are_told_apart(results: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    write_text(config, results.config.read_text().replace("clusters: idt", "clusters: network"))
    arguments = outputs(results, tmp_path) | {"config": config}
    build_page(**arguments)
    assert list(Page(arguments["output"]).rows("methods"))[3:5] == ["Video LA la", "Video LA la_idt"]
    for name in ("few_shot", "training", "nmi"):
        figure = (tmp_path / "figures" / f"{name}.svg").read_text()
        assert figure.count(">Video LA (la)<") == figure.count(">Video LA (la_idt)<") == 1
    lines = re.findall(
        r'<g id="line2d_\d+">\s*<path d="M[^"]*L[^"]*L[^"]*"[^>]*stroke: (#\w+)',
        (tmp_path / "figures/few_shot.svg").read_text(),
    )
    assert len(set(lines)) == 5, lines  # scratch, two of local aggregation, supervised, chance


def test_a_comparison_of_unknown_runs_is_named(results: Any, tmp_path: Path) -> None:
    wanted = [{"title": "Prior", "runs": ["la", "la_itd"]}]
    with pytest.raises(StageError, match="'Prior' names runs without results: la_itd"):
        build_page(**outputs(results, tmp_path), settings=ReportSettings(comparisons=wanted))


def test_methods_stand_in_the_papers_order_with_chance_and_baseline_below(page: Page) -> None:
    names = list(page.rows("methods"))
    assert names[-7:] == [*TITLES.values(), "Chance", "Size alone"]
    assert page.rows("methods")["Size alone"] == ["25.0"]
    assert page.rows("methods")["Chance"] == ["33.3"] * 4
    assert "2 splits, 2 seeds, 12 of 14 test videos" in " ".join(page.words["methods"].replace("\u00a0", " ").split())


BETTER_THAN = {  # accuracy and interval of ir, la and scratch; chance is 0.25
    "clear": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], [0.3, 0.2, 0.4], "la"),
    "not_above_chance": ([0.5, 0.4, 0.6], [0.6, 0.2, 0.9], None, ""),
    "not_above_scratch": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], [0.75, 0.7, 0.8], ""),
    "scratch_not_judged": ([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], None, "la"),
    "alone": (None, [0.8, 0.7, 0.9], [0.3, 0.2, 0.4], ""),
}


@pytest.mark.parametrize("case", BETTER_THAN)
def test_the_best_network_without_labels_is_bold_where_its_interval_is_clear(case: str) -> None:
    *numbers, bold = BETTER_THAN[case]
    common = {"seed": 0, "dataset": "toy", "split": 1, "protocol": "finetune", "chance": 0.25, "config_digest": ""}
    common |= {"n_train": 10, "n_test": 10, "n_left_out": 0}
    evaluations = evaluation_table(
        common | {"run": run, "accuracy": number[0], "accuracy_interval": number[1:]}
        for run, number in zip(("ir", "la", "scratch"), numbers, strict=True)
        if number
    )
    methods = methods_of(evaluations["run"], {"ir": {"objective": "instance"}, "la": {"objective": "instance"}})
    table = method_table(evaluations, methods)
    assert [run for _, _, run in table.cells.index[table.cells["best"]]] == ([bold] if bold else [])


def test_the_interval_stands_below_each_accuracy(results: Any, page: Page) -> None:
    for run in ("la", "supervised"):
        found = [record["accuracy_interval"] for record in records(results, run=run, protocol="finetune")]
        low, high = (100 * mean(bounds) for bounds in zip(*found, strict=True))
        assert f"{low:.1f} to {high:.1f}" in page.rows("methods")[TITLES[run]][0]


HOSTILE = "w$\\frac{1$ve\x07\u202e<b>"


def test_a_label_with_dollars_and_control_characters_is_text(results: Any, tmp_path: Path) -> None:
    records_of = [tmp_path / path.relative_to(results.folder) for path in results.evaluations]
    for path, copy in zip(results.evaluations, records_of, strict=True):
        write_text(copy, path.read_text().replace('"wave"', json.dumps(HOSTILE)))
    index = tmp_path / "toy/videos/index.tsv"
    write_text(index, results.indexes[0].read_text().replace("\twave\t", f"\t{HOSTILE}\t"))
    arguments = outputs(results, tmp_path) | {"evaluations": records_of, "indexes": [index]}
    title = "Cost in $, $\\alpha\x1b"
    wanted = [{"title": title, "runs": ["la", "la_idt"]}]
    build_page(**arguments, settings=ReportSettings(title=title, comparisons=wanted))
    page = Page(arguments["output"])
    shown, heading = "w$\\frac{1$ve\u2407\ufffd<b>", "Cost in $, $\\alpha\u241b"
    assert shown in page.words["gallery"] and heading in page.words["methods"]
    confusion = "".join(ElementTree.parse(tmp_path / "figures/confusion.svg").getroot().itertext())
    assert shown in confusion and heading in (tmp_path / "figures/few_shot.svg").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page.text)


def test_few_shot_numbers_are_the_means_over_draws_and_splits(results: Any, page: Page) -> None:
    table = page.rows("few-shot")
    assert table["toy"] == ["1-shot", "5-shot", "all"]
    for run in ("scratch", "la", "la_idt", "supervised"):
        for position, shot in enumerate(["1", "5", "all"]):
            found = records(results, run=run, protocol="linear")
            seeds = [mean(a for record in found if record["seed"] == s for a in record["shots"][shot]) for s in (0, 1)]
            assert table[TITLES[run]][position] == f"{100 * mean(seeds):.1f} ± {100 * stdev(seeds):.1f}"


def test_failures_are_listed_once_with_the_first_stage_and_escaped(page: Page, results: Any) -> None:
    failures = page.tables["overview"][2][1:]
    lost = sorted(results.motions)[0]
    assert sorted(row[1:4] for row in failures) == sorted(
        [[video_id("bad/half.avi"), "videos", "truncated"], [lost, "trajectories", "no_trajectories"]]
    )
    assert "76 of 174 frames &lt;moov&gt;" in page.text
    assert page.rows("overview")["toy"][:6] == ["13", "11", "2", "3", "2", "2"]


def test_videos_that_are_used_without_damaged_frames_are_listed(page: Page) -> None:
    assert page.tables["overview"][3][1:] == [["toy", video_id("wave/wave_beach_01.mp4"), "3"]]


def test_videos_that_the_annotations_name_in_vain_are_counted(results: Any, page: Page, tmp_path: Path) -> None:
    assert "Missing" not in page.words["overview"]
    index = tmp_path / "toy/videos/index.tsv"
    write_text(index, results.indexes[0].read_text())
    write_text(index.parent / "missing.tsv", "name\tlabel\tsplit\n" + "v_Surfing_g01_c01\tSurfing\t\n" * 1234)
    arguments = outputs(results, tmp_path) | {"indexes": [index]}
    build_page(**arguments)
    assert Page(arguments["output"]).rows("overview")["toy"][:5] == ["13", "11", "2", "1,234", "3"]


def test_files_and_links_that_are_no_videos_are_told(results: Any, page: Page, tmp_path: Path) -> None:
    assert "Not read in" not in page.words["overview"]
    index = tmp_path / "toy/videos/index.tsv"
    write_text(index, results.indexes[0].read_text())
    rows = [{"kind": "suffix", "name": suffix, "files": n} for suffix, n in ((".txt", 1234), ("", 2), (".<b>", 1))]
    rows.append({"kind": "link", "name": "root/again", "files": ""})
    write_columns(index.parent / "passed_over.tsv", rows, ["kind", "name", "files"])
    arguments = outputs(results, tmp_path) | {"indexes": [index]}
    build_page(**arguments)
    sentence = (
        "Not read in toy: files that are no videos by their suffix (1,234 .txt, 2 without suffix, 1 .<b>); links to "
        "folders that are read already (root/again)."
    )
    assert sentence in Page(arguments["output"]).words["overview"]


def test_the_training_time_of_a_seed_is_told(page: Page) -> None:
    assert page.rows("overview", 1)[TITLES["la"]][-1] == "15 s"  # ten epochs of a second and a half


def test_agreement_with_motion_and_scene(page: Page) -> None:
    table = page.rows("agreement")
    assert list(table)[-3:] == ["Video LA la", "IDT", "Video LA + IDT prior la_idt"]
    assert table["Video LA la"][4:] == ["1.00 ± 0.00", "1.00 ± 0.00", "scene"]
    assert table["IDT"][2:4] == ["1.00 ± 0.00", "1.00 ± 0.00"] and table["IDT"][-1] == "motion"
    # Motions and scenes are independent here, so what agrees with one says nothing of the other.
    assert table["Video LA la"][2] == "0.00 ± 0.00" and table["Video LA la"][3].startswith("−0.")


def test_stage_times_are_sums(page: Page) -> None:
    times = page.rows("times")
    assert times["trajectories"] == ["2", "20 s", "310 MB"]
    assert times["videos"] == ["1", "0.8 s", "–"]
    assert times["All stages"][:2] == ["3", "21 s"]


def test_a_training_that_was_resumed_took_all_its_epochs(results: Any, tmp_path: Path) -> None:
    for name, seconds in (("la", 4.0), ("la_idt", 40.0)):  # their histories tell of 15 seconds
        write_text(tmp_path / f"benchmarks/pretraining/{name}/seed0.tsv", f"s\tmax_rss\n{seconds}\t1\n")
    arguments = outputs(results, tmp_path) | {"benchmarks": [tmp_path / "benchmarks"]}
    build_page(**arguments)
    assert Page(arguments["output"]).rows("times")["pretraining"][:2] == ["2", "55 s"]


def test_provenance_shows_the_config_and_versions(page: Page, results: Any) -> None:
    assert results.config.read_text().strip() in page.words["provenance"]
    assert "torch" in page.words["provenance"]


def test_each_strip_is_in_the_page_once(page: Page) -> None:
    strips = re.findall(r"\.v-([\w-]+) \{ background-image: url\((data:image/webp;base64,[^)]+)\)", page.text)
    assert strips and page.text.count("data:image/webp") == len(strips)
    assert len({name for name, _ in strips}) == len({uri for _, uri in strips}) == len(strips)
    shown = Counter(
        re.findall(r"thumb v-([\w-]+)", " ".join(attributes.get("class", "") for _, attributes in page.elements))
    )
    assert set(shown) == {name for name, _ in strips}
    assert max(shown.values()) > 1  # the same video in several clusterings
    # 3 x 8 x 6 videos of the default settings stay far below 8 MB.
    assert max(len(uri) for _, uri in strips) < 40_000
    assert len(page.text) < 1_000_000


def test_equal_results_give_an_equal_page(results: Any, arguments: dict[str, Any]) -> None:
    folder = results.folder / "again"  # as deep as the first page, so that links to videos are the same
    again = outputs(results, folder)
    build_page(**again, settings=ReportSettings(baselines=BASELINE))
    assert again["output"].read_bytes() == arguments["output"].read_bytes()
    for name in ("few_shot", "curves", "confusion", "training", "nmi"):
        figure = folder / "figures" / f"{name}.svg"
        assert figure.read_bytes() == (arguments["output"].parent / "figures" / figure.name).read_bytes()
        ElementTree.parse(figure)


def test_empty_lists_give_a_page_without_their_sections(tmp_path: Path) -> None:
    lists: dict[str, Any] = {
        name: [] for name in "evaluations models clusters indexes frames statuses benchmarks paper_tables".split()
    }
    files = {"method_table": tmp_path / "methods.tsv", "cluster_table": tmp_path / "clusters.tsv"}
    build_page(**lists, **files, output=tmp_path / "index.html")
    page = Page(tmp_path / "index.html")
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["overview", "provenance"]
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert links == {"#overview", "#provenance"}
    assert all(read_columns(file) == [] for file in files.values())
    for name in ("few_shot", "curves", "confusion", "training", "nmi"):
        ElementTree.parse(tmp_path / "figures" / f"{name}.svg")


def test_without_supervised_few_shot_scenes_and_frames(results: Any, tmp_path: Path) -> None:
    index = tmp_path / "toy/videos/index.tsv"
    lines = results.indexes[0].read_text()
    for scene in ("bricks", "beach"):
        lines = lines.replace(f"\t{scene}\t", "\t\t")
    write_text(index, lines)
    arguments = outputs(results, tmp_path) | {
        "evaluations": [p for p in results.evaluations if p.stem == "finetune" and "supervised" not in p.parts],
        "models": [p for p in results.models if "supervised" not in p.parts],
        "indexes": [index],
        "frames": [],
    }
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "of sup" not in page.words["methods"]
    assert "few-shot" not in page.words
    assert len(page.rows("agreement")["Video LA la"]) == 4  # videos, clusters, NMI and AMI with the class alone
    # Motions are the paper's classes: those of a dataset without scenes may be anything.
    assert "motion" not in re.sub(r"<style>.*?</style>|class=\"[^\"]*\"|<script.*?</script>", "", page.text, flags=re.S)
    assert "Clusters and classes" in page.words["agreement"] and "class" in page.words["gallery"]
    assert {line["label"] for line in read_columns(arguments["cluster_table"])} == {"class"}
    assert ">motion<" not in (tmp_path / "figures/nmi.svg").read_text()
    assert "no frames" in page.words["gallery"] and "data:image/webp" not in page.text


def without_labels(results: Any, folder: Path) -> dict[str, Any]:
    """The arguments for a page of videos of which nothing is known."""
    index = folder / "toy/videos/index.tsv"
    lines = results.indexes[0].read_text()
    for known in [*set(results.scenes.values()), *set(results.motions.values())]:
        lines = lines.replace(f"\t{known}\t", "\t\t")
    write_text(index, lines)
    nothing: dict[str, Any] = {"evaluations": [], "paper_tables": []}
    return outputs(results, folder) | nothing | {"indexes": [index]}


def test_without_labels_nothing_is_said_of_them(results: Any, tmp_path: Path) -> None:
    arguments = without_labels(results, tmp_path)
    build_page(**arguments)
    page = Page(arguments["output"])
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["overview", "training", "gallery", "explorer", "times", "provenance"]
    assert page.tables["overview"][0][0] == ["Dataset", "Videos", "Usable", "Failed", "Groups", "Length"]
    for section in ("gallery", "explorer"):
        assert not re.search("motion|class|unlabelled|most frequent", page.words[section], re.IGNORECASE)


def test_the_command_line_builds_the_same_page(results: Any, arguments: dict[str, Any]) -> None:
    folder = results.folder / "by_command"
    command = [sys.executable, "-m", "workflow_scripts.report.page.build_report"]
    for name, value in outputs(results, folder).items():
        command += ["--" + name.replace("_", "-"), *map(str, value if isinstance(value, list) else [value])]
    settings = json.dumps({"baselines": BASELINE})
    done = subprocess.run([*command, "--settings", settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "index.html").read_bytes() == arguments["output"].read_bytes()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (ReportSettings(baselines={"toy": {"name": "x"}}), "report.baselines.toy"),
        (ReportSettings(baselines={"toy": {"name": "x", "accuracy": 53}}), "report.baselines.toy"),
        (ReportSettings(gallery_order="beauty"), "gallery_order"),
        (ReportSettings(thumbnail_frames=500), "thumbnail_frames"),
    ],
)
def test_settings_that_cannot_be_met_are_named(
    results: Any, tmp_path: Path, settings: ReportSettings, what: str
) -> None:
    arguments = outputs(results, tmp_path)
    with pytest.raises(StageError, match=what):
        build_page(**arguments, settings=settings)
    assert not arguments["output"].exists()


def test_files_of_another_kind_and_unknown_runs_are_named(results: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    write_text(wrong, "{}")
    arguments = outputs(results, tmp_path)
    with pytest.raises(StageError, match="run 'la'"):
        build_page(**arguments | {"config": None})
    for name in ("evaluations", "models"):
        with pytest.raises(StageError, match=re.escape(str(wrong))):
            build_page(**arguments | {name: [wrong]})
