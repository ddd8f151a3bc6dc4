"""Stages whose videos cannot be read: the others are computed, and the next run reads the rest."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import h5py
import pytest
from processes import default_signals, free_files
from reading_stages import MISSING, NAMES, READING_STAGES, Videos

from idt_tools.attributes import read_attributes
from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.ground.process_shard import UnreadVideos
from workflow_scripts.ground.record_file import RecordFile
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

pytestmark = pytest.mark.slow  # runs stages


@pytest.mark.parametrize("stage", READING_STAGES)
def test_stage_reads_a_missing_video_in_the_next_run(
    videos: Videos, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "workflow_scripts")
    if stage == "encoding":
        videos.run(stage)
        for path in (videos.folder / "encoding.store", videos.folder / "encoding.h5"):
            path.unlink()
    caplog.clear()
    with videos.missing(MISSING), pytest.raises(UnreadVideos) as raised:
        videos.run(stage)
    assert [*raised.value.reasons] == [MISSING]
    assert (
        f"1 of 3 videos could not be read just now ({videos.paths[MISSING]}: there is no such file); run the same"
        in (str(raised.value))
    )
    assert f"{NAMES[2]}" in caplog.text and f"computed {MISSING}" not in caplog.text, "the others must be computed"
    caplog.clear()
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}
    computed = [record.getMessage().split()[-1] for record in caplog.records if ": computed " in record.getMessage()]
    assert computed == [MISSING]


@pytest.mark.parametrize("stage", ["index", *READING_STAGES])
def test_stage_loses_no_video_at_any_limit_of_open_files(videos: Videos, stage: str) -> None:
    """The system returns EMFILE at each place where a stage opens a file."""
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}  # this loads all modules
    errors = []
    for n_free in range(8):
        for path in videos.folder.rglob("*"):
            if path.name in (f"{stage}.store", f"{stage}.h5", "probes", "index.tsv"):
                path.unlink()
        try:
            with free_files(n_free):
                videos.run(stage)
        except (StageError, OSError) as error:
            errors.append(type(error))
        assert {status for status, _ in videos.run(stage).values()} == {"ok"}, n_free
    # The encoding first reads the shard's trajectories file, which is not a video.
    assert (StageError if stage == "encoding" else UnreadVideos) in errors, errors


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN])
def test_index_videos_stops_if_the_system_returns_no_size(
    videos: Videos, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def failing(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if Path(str(path)).stem == MISSING:
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, *arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(UnreadVideos, match=os.strerror(number)):
        patched.setattr("workflow_scripts.videos.index_videos.os.stat", failing)
        videos.run("index")
    assert not videos.index.exists()
    assert {status for status, _ in videos.run("index").values()} == {"ok"}


@pytest.mark.parametrize("stage", ["boxes", "rows"])
def test_stage_computes_the_others_if_boxes_or_rows_cannot_be_found(
    videos: Videos, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of boxes or rows on a server that fails for one video."""
    folder, ending = videos.folder / "server", {"boxes": ".bb", "rows": ".txt"}[stage]
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}{ending}").write_text("")
    is_file = Path.is_file

    def failing(path: Path) -> bool:
        if path.name == MISSING + ending:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return is_file(path)

    def run() -> dict[str, str]:
        listed, output, store = videos.folder / "shard.tsv", videos.folder / "o.h5", videos.folder / "o.store"
        if stage == "boxes":
            detect_persons(listed, output, store, "files", PersonsSettings(files=str(folder)))
        else:
            extract_shard(listed, output, store, TrajectoriesSettings(rows=str(folder)))
        with h5py.File(output) as file:
            return {name: read_attributes(group)["status"] for name, group in file.items()}

    with monkeypatch.context() as patched, pytest.raises(UnreadVideos, match="1 of 3 videos") as raised:
        patched.setattr(Path, "is_file", failing)
        run()
    assert [*raised.value.reasons] == [MISSING]
    with RecordFile(videos.folder / "o.store") as results:
        assert [results.read(name) is None for name in NAMES] == [name == MISSING for name in NAMES]
    assert {*run().values()} == ({"ok"} if stage == "boxes" else {"no_trajectories"})


def test_index_videos_lists_a_missing_file(videos: Videos) -> None:
    rows = [{"path": path.relative_to(videos.folder).as_posix()} for path in videos.paths.values()]
    lines = ["path", *(row["path"] for row in rows), "none.mp4"]
    (videos.folder / "list.csv").write_text("\n".join(lines) + "\n")
    settings = DatasetSettings(layout="manifest", manifest=str(videos.folder / "list.csv"), root=str(videos.folder))
    index_videos("d", videos.index, settings, max_failed_fraction=1)
    statuses = {Path(row["path"]).stem: row["status"] for row in read_columns(videos.index)}
    assert statuses == {**dict.fromkeys(NAMES, "ok"), "none": "missing"}


@pytest.mark.parametrize("error", [RuntimeError, IndexError, UnicodeDecodeError, KeyError, AssertionError])
@pytest.mark.parametrize("stage", ["index", *READING_STAGES])
def test_stage_records_any_exception_of_a_video(
    videos: Videos, stage: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    videos.run("encoding") if stage == "encoding" else None
    for path in videos.folder.glob(f"{stage}.*"):
        path.unlink()
    raised = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "odd") if error is UnicodeDecodeError else error("odd")
    open_video = av.open

    def failing(file: Any, *arguments: Any, **options: Any) -> Any:
        if Path(str(getattr(file, "name", file))).stem == MISSING:
            raise raised
        return open_video(file, *arguments, **options)

    monkeypatch.setattr(av, "open", failing)
    outcomes = videos.run(stage)
    assert outcomes.pop(MISSING) == ("corrupted", f"{error.__name__}: {raised}")
    assert {status for status, _ in outcomes.values()} == {"ok"}


@pytest.mark.parametrize("stage", READING_STAGES)
def test_stage_stops_at_an_exception_in_its_code(videos: Videos, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    videos.run("encoding") if stage == "encoding" else None
    for path in videos.folder.glob(f"{stage}.*"):
        path.unlink()
    inner = {
        "persons": "workflow_scripts.persons.detect_persons.carry_boxes",
        "trajectories": "workflow_scripts.trajectories.extract_shard.set_relative_time",
        "encoding": "idt_tools.fisher_vector.power_normalise",
        "frames": "workflow_scripts.frames.store_frames.resize",
    }[stage]

    def failing(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(inner, failing)
    with pytest.raises(ZeroDivisionError):
        videos.run(stage)
    monkeypatch.undo()
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stage_stops_soon_at_a_signal_and_continues_later(shared: Path, videos: Videos, ending: int) -> None:
    short, long = videos.paths[NAMES[0]], shared / "videos" / "samples" / "vtest.avi"  # minutes of work
    rows = [
        {"video_id": name, "path": path, "width": 96, "height": 72, "fps": 25, "bytes": 1, "mtime_ns": 1}
        for name, path in (("a", short), ("b", long))
    ]
    write_columns(videos.folder / "shard.tsv", rows, [*rows[0]])
    store, log = videos.folder / "s", videos.folder / "log"
    arguments = ["--videos", videos.folder / "shard.tsv", "--output", videos.folder / "o.h5", "--store", store]
    command = [sys.executable, "-m", "workflow_scripts.trajectories.extract_shard", *arguments, "--log", log]
    running = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, preexec_fn=default_signals)
    while not (log.exists() and "computed a" in log.read_text()):
        assert running.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)
    running.send_signal(ending)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 128 + ending and "interrupted; finished work is saved" in errors
    assert "Traceback" not in errors and not (videos.folder / "o.h5").exists()
    write_columns(videos.folder / "shard.tsv", rows[:1], [*rows[0]])
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "1 videos, 1 of them already done" in done.stderr
