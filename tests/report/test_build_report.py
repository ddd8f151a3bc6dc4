"""The page holds the sections of its results, needs no other file, and is the same for the same results."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pages import BASELINE, Page, arguments_in, build_page, changed_index, without_labels
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from workflow_scripts.ground.artifacts import read_columns, write_columns, write_text
from workflow_scripts.ground.stage import StageError
from workflow_scripts.report.settings import ReportSettings
from workflow_scripts.videos.tables import INDEX

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


def test_page_has_and_links_every_section(page: Page) -> None:
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert ids == SECTIONS
    assert {"#" + name for name in SECTIONS} <= {a["href"] for tag, a in page.elements if tag == "a"}


def test_page_loads_no_other_file(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed")
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\((?!['\"]?(data:|#))", page.text)
    assert "@import" not in page.text


def test_page_shows_paper_tables(page: Page) -> None:
    rows = page.rows("paper")
    assert list(rows) == ["Method", "paper", "Video LA", "PMAS_1 (cited)"]
    assert rows["Video LA"][0] == "71.4" and "±" in rows["Video LA"][1] and rows["PMAS_1 (cited)"] == ["61.2", "–", "–"]
    assert "pretraining.epochs" in page.words["paper"] and "6 of 7 test videos" in page.words["paper"]


def test_page_shows_examples(results: Any, tmp_path: Path) -> None:
    write_text(tmp_path / "examples.html", '<ul class="examples"><li>walk</li></ul>')
    arguments = arguments_in(results, tmp_path) | {"examples": tmp_path / "examples.html"}
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "walk" in page.words["trajectories"] and ("a", {"href": "#trajectories"}) in page.elements


def test_page_shows_people_in_one_section(results: Any, tmp_path: Path) -> None:
    write_text(tmp_path / "examples.html", '<ul class="examples"><li>walk</li></ul>')
    write_text(tmp_path / "people.html", "<p>masked: 0.1 pixels</p>")
    arguments = arguments_in(results, tmp_path) | {name: tmp_path / f"{name}.html" for name in ("examples", "people")}
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "walk" in page.words["people"] and "masked: 0.1 pixels" in page.words["people"]
    assert ("a", {"href": "#people"}) in page.elements and "trajectories" not in page.words


def test_page_describes_pictures(page: Page) -> None:
    pictures = 0
    for tag, attributes in page.elements:
        if tag == "img" or attributes.get("role") == "img":
            assert attributes.get("alt") or attributes.get("aria-label")
            pictures += 1
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true"  # the figure around it is labelled
    assert pictures
    assert any("wave, in front of beach" in attributes.get("aria-label", "") for _, attributes in page.elements)


def test_page_ids_are_unique(page: Page) -> None:
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert not [name for name, count in ids.items() if count > 1]
    used = set(re.findall(r"url\(#([^)]+)\)", page.text)) | set(re.findall(r'xlink:href="#([^"]+)"', page.text))
    assert used <= set(ids)


HOSTILE = "w$\\frac{1$ve\x07\u202e<b>"


def test_build_report_shows_control_characters_as_text(results: Any, tmp_path: Path) -> None:
    records_of = [tmp_path / path.relative_to(results.folder) for path in results.evaluations]
    for path, copy in zip(results.evaluations, records_of, strict=True):
        write_text(copy, path.read_text().replace('"wave"', json.dumps(HOSTILE)))
    index = tmp_path / "toy/videos/index.tsv"
    write_text(index, results.indexes[0].read_text().replace("\twave\t", f"\t{HOSTILE}\t"))
    arguments = arguments_in(results, tmp_path) | {"evaluations": records_of, "indexes": [index]}
    title = "Cost in $, $\\alpha\x1b"
    comparisons = [{"title": title, "runs": ["la", "la_idt"]}]
    build_page(**arguments, settings=ReportSettings(title=title, comparisons=comparisons))
    page = Page(arguments["output"])
    shown, heading = "w$\\frac{1$ve\u2407\ufffd<b>", "Cost in $, $\\alpha\u241b"
    assert shown in page.words["gallery"] and heading in page.words["methods"]
    confusion = "".join(ElementTree.parse(tmp_path / "figures/confusion.svg").getroot().itertext())
    assert shown in confusion and heading in (tmp_path / "figures/few_shot.svg").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page.text)


def test_agreements_with_motion_and_scene(page: Page) -> None:
    table = page.rows("agreement")
    assert list(table)[-3:] == ["Video LA la", "IDT", "Video LA + IDT prior la_idt"]
    assert table["Video LA la"][4:] == ["1.00 ± 0.00", "1.00 ± 0.00", "scene"]
    assert table["IDT"][2:4] == ["1.00 ± 0.00", "1.00 ± 0.00"] and table["IDT"][-1] == "motion"
    # Motions and scenes are independent here: clusters that agree with one do not agree with the other.
    assert table["Video LA la"][2] == "0.00 ± 0.00" and table["Video LA la"][3].startswith("−0.")


def test_page_shows_config_and_versions(page: Page, results: Any) -> None:
    assert results.config.read_text().strip() in page.words["provenance"]
    assert "torch" in page.words["provenance"]


def test_page_holds_each_strip_once(page: Page) -> None:
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


def test_build_report_repeats_for_equal_results(results: Any, arguments: dict[str, Any]) -> None:
    folder = results.folder / "again"  # as deep as the first page, so that links to videos are the same
    again = arguments_in(results, folder)
    build_page(**again, settings=ReportSettings(baselines=BASELINE))
    assert again["output"].read_bytes() == arguments["output"].read_bytes()
    for name in ("few_shot", "curves", "confusion", "training", "nmi"):
        figure = folder / "figures" / f"{name}.svg"
        assert figure.read_bytes() == (arguments["output"].parent / "figures" / figure.name).read_bytes()
        ElementTree.parse(figure)


def test_build_report_of_empty_lists(tmp_path: Path) -> None:
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


def test_build_report_without_supervised_few_shot_scenes_recordings_and_frames(results: Any, tmp_path: Path) -> None:
    index = changed_index(results, tmp_path, scene="", group="")
    arguments = arguments_in(results, tmp_path) | {
        "evaluations": [p for p in results.evaluations if p.stem == "finetune" and "supervised" not in p.parts],
        "models": [p for p in results.models if "supervised" not in p.parts],
        "indexes": [index],
        "frames": [],
    }
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "of sup" not in page.words["methods"]
    assert "few-shot" not in page.words
    assert len(page.rows("agreement")["Video LA la"]) == 4  # videos, clusters, NMI and AMI with only the class
    assert page.tables["agreement"][0][1] == ["NMI", "AMI"]
    # The page says "motion" only of datasets with scenes.
    shown = re.sub(r"<style>.*?</style>|(class|data-motion)=\"[^\"]*\"|<script.*?</script>", "", page.text, flags=re.S)
    assert "motion" not in shown and "recording" not in page.words["agreement"] + page.words["gallery"]
    assert "Clusters and classes" in page.words["agreement"] and "class" in page.words["gallery"]
    assert {line["label"] for line in read_columns(arguments["cluster_table"])} == {"class"}
    assert ">motion<" not in (tmp_path / "figures/nmi.svg").read_text()
    assert "no frames" in page.words["gallery"] and "data:image/webp" not in page.text


@pytest.mark.parametrize("layout", ["manifest", "ucf101"])
def test_agreements_with_class_and_recording(results: Any, tmp_path: Path, layout: str) -> None:
    """In a dataset without scenes. UCF101 numbers the recordings within each class, so it has three times as many."""
    config = tmp_path / "config.yaml"
    write_text(config, results.config.read_text().replace("layout: generated", f"layout: {layout}"))
    index = changed_index(results, tmp_path, scene="")
    arguments = arguments_in(results, tmp_path) | {"indexes": [index], "config": config}
    build_page(**arguments)
    page = Page(arguments["output"])
    assert "Class or recording?" in page.words["agreement"] and "scene" not in page.words["agreement"]
    rows = {row["video_id"]: row for row in read_columns(index)}
    lines = {(line["run"], line["label"], line["score"]): line for line in read_columns(arguments["cluster_table"])}
    for run, groups in (("la", results.scenes), ("idt", results.motions)):
        recordings = [rows[name]["label"] * (layout == "ucf101") + rows[name]["group"] for name in groups]
        assert len(set(recordings)) == (6 if layout == "ucf101" else 2)
        for score, function in (("NMI", normalized_mutual_info_score), ("AMI", adjusted_mutual_info_score)):
            expected = function(recordings, list(groups.values()))
            assert float(lines[run, "recording", score]["value"]) == pytest.approx(expected, abs=1e-6)
    assert {label for _, label, _ in lines} == {"class", "recording"}
    assert page.rows("agreement")["IDT"][-1] == "class"
    assert page.tables["agreement"][0][1] == ["NMI", "AMI"] * 2
    figure = (tmp_path / "figures/nmi.svg").read_text()
    assert ">class<" in figure and ">recording<" in figure
    assert "most frequent recording" in page.words["gallery"]


def test_agreements_without_recordings_of_several_videos(results: Any, tmp_path: Path) -> None:
    """Any clusters agree with recordings of one video each."""
    rows = [row | {"scene": "", "group": row["video_id"]} for row in read_columns(results.indexes[0])]
    index = tmp_path / "toy/videos/index.tsv"
    write_columns(index, rows, INDEX)
    arguments = arguments_in(results, tmp_path) | {"indexes": [index]}
    build_page(**arguments)
    assert {line["label"] for line in read_columns(arguments["cluster_table"])} == {"class"}
    page = Page(arguments["output"])
    assert "Clusters and classes" in page.words["agreement"] and "recording" not in page.words["gallery"]


def test_build_report_without_labels(results: Any, tmp_path: Path) -> None:
    arguments = without_labels(results, tmp_path)
    build_page(**arguments)
    page = Page(arguments["output"])
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["overview", "training", "gallery", "explorer", "times", "provenance"]
    assert page.tables["overview"][0][0] == ["Dataset", "Videos", "Usable", "Failed", "Groups", "Length"]
    for section in ("gallery", "explorer"):
        assert not re.search("motion|class|unlabelled|most frequent", page.words[section], re.IGNORECASE)


def test_build_report_by_command_line(results: Any, arguments: dict[str, Any]) -> None:
    folder = results.folder / "by_command"
    command = [sys.executable, "-m", "workflow_scripts.report.page.build_report"]
    for name, value in arguments_in(results, folder).items():
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
def test_build_report_rejects_settings(results: Any, tmp_path: Path, settings: ReportSettings, what: str) -> None:
    arguments = arguments_in(results, tmp_path)
    with pytest.raises(StageError, match=what):
        build_page(**arguments, settings=settings)
    assert not arguments["output"].exists()


def test_build_report_of_wrong_files_and_unknown_runs(results: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    write_text(wrong, "{}")
    arguments = arguments_in(results, tmp_path)
    with pytest.raises(StageError, match="run 'la'"):
        build_page(**arguments | {"config": None})
    for name in ("evaluations", "models"):
        with pytest.raises(StageError, match=re.escape(str(wrong))):
            build_page(**arguments | {name: [wrong]})
