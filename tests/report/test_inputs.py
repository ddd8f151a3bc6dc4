"""Reading of videos, failures, clusterings and times, as the page shows them."""

from typing import Any

import pytest
from pages import TITLES, Page, arguments_in, build_page

from workflow_scripts.ground.artifacts import write_columns, write_text
from workflow_scripts.ground.identity import video_id
from workflow_scripts.report.page.inputs import read_clusterings


def test_read_failures_lists_each_video_once(page: Page, results: Any) -> None:
    failures = page.tables["overview"][2][1:]
    lost = sorted(results.motions)[0]
    assert sorted(row[1:4] for row in failures) == sorted(
        [[video_id("bad/half.avi"), "videos", "truncated"], [lost, "trajectories", "no_trajectories"]]
    )
    assert "76 of 174 frames &lt;moov&gt;" in page.text
    assert page.rows("overview")["toy"][:6] == ["13", "11", "2", "3", "2", "2"]


def test_read_damaged_lists_videos_with_skipped_frames(page: Page) -> None:
    assert page.tables["overview"][3][1:] == [["toy", video_id("wave/wave_beach_01.mp4"), "3"]]


@pytest.fixture(scope="module")
def changed(results: Any, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a dataset with missing videos and files that are not read, and of trainings that were resumed."""
    folder = tmp_path_factory.mktemp("changed")
    index = folder / "toy/videos/index.tsv"
    write_text(index, results.indexes[0].read_text())
    write_text(index.parent / "missing.tsv", "name\tlabel\tsplit\n" + "v_Surfing_g01_c01\tSurfing\t\n" * 1234)
    rows = [{"kind": "suffix", "name": suffix, "files": n} for suffix, n in ((".txt", 1234), ("", 2), (".<b>", 1))]
    rows.append({"kind": "link", "name": "root/again", "files": ""})
    write_columns(index.parent / "passed_over.tsv", rows, ["kind", "name", "files"])
    for name, seconds in (("la", 4.0), ("la_idt", 40.0)):  # their histories hold 15 seconds
        write_text(folder / f"benchmarks/pretraining/{name}/seed0.tsv", f"s\tmax_rss\n{seconds}\t1\n")
    arguments = arguments_in(results, folder) | {"indexes": [index], "benchmarks": [folder / "benchmarks"]}
    build_page(**arguments)
    return Page(arguments["output"])


def test_read_missing_counts_videos(page: Page, changed: Page) -> None:
    assert "Missing" not in page.words["overview"]
    assert changed.rows("overview")["toy"][:5] == ["13", "11", "2", "1,234", "3"]


def test_read_passed_over_names_files_and_links(page: Page, changed: Page) -> None:
    assert "Not read in" not in page.words["overview"]
    sentence = (
        "Not read in toy: files without a video suffix (1,234 .txt, 2 without suffix, 1 .<b>); links to "
        "folders that are read under another path (root/again)."
    )
    assert sentence in changed.words["overview"]


def test_read_runs_sums_training_time(page: Page) -> None:
    assert page.rows("overview", 1)[TITLES["la"]][-1] == "15 s"  # ten epochs of a second and a half


def test_read_stage_times_sums_jobs(page: Page) -> None:
    times = page.rows("times")
    assert times["trajectories"] == ["2", "20 s", "310 MB"]
    assert times["videos"] == ["1", "0.8 s", "–"]
    assert times["All stages"][:2] == ["3", "21 s"]


def test_read_stage_times_of_resumed_training(changed: Page) -> None:
    assert changed.rows("times")["pretraining"][:2] == ["2", "55 s"]


def test_read_clusterings_of_runs_and_idt(results: Any) -> None:
    clusterings = read_clusterings(results.clusters)
    assert {(c.run, c.descriptors, c.variant) for c in clusterings} == {
        ("la", "", "seed0"),
        ("la", "", "seed1"),
        ("la_idt", "", "seed0"),
        ("la_idt", "", "seed1"),
        ("", "idt", "all kmeans_k3_m2_s0"),
    }
    assert all(c.labels.shape == (2, 12) and len(c.video_ids) == 12 for c in clusterings)
