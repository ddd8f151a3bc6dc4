"""Outputs of failed jobs are asked for until they are there."""

from pathlib import Path

import pytest

from workflow_scripts.durations import in_words
from workflow_scripts.unfinished import note_failed, to_force


def test_what_failed_is_forced_until_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert to_force([]) == set()
    note_failed([])
    assert not Path(".snakemake").exists(), "a run without failures leaves no note"
    note_failed(["results/a.pt"])
    note_failed(["results/b c.pt"])
    assert to_force([]) == {"results/a.pt", "results/b c.pt"}
    Path("results").mkdir()
    Path("results/a.pt").touch()
    assert to_force([]) == {"results/b c.pt"}
    note_failed([])
    Path("results/a.pt").unlink()
    assert to_force([]) == {"results/b c.pt"}, "deleted by hand after it was made: not asked for"


def test_an_index_that_is_not_there_is_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert to_force(["mine"]) == {"results/mine/videos/index.tsv"}
    Path("results/mine/videos").mkdir(parents=True)
    Path("results/mine/videos/index.tsv").touch()
    assert to_force(["mine"]) == set()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (4.2, "4.2 s"), (42, "42 s"), (720, "12 min"), (12600, "3.5 h"), (360000, "4.2 days")],
)
def test_durations_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
