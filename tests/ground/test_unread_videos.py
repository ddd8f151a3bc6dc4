"""What the system could not read is no result: the other videos are computed, and the next run reads the rest.

And whatever else a video's file makes the libraries raise is that video's result, and stops no other.
"""

import errno
import logging
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
from processes import default_signals

import idt_tools
from idt_tools import ReadingFailed
from idt_tools.attributes import read_attributes
from idt_tools.reading import OF_THE_SYSTEM, system_errors
from idt_tools.trajectory_files import find_boxes, find_rows, read_boxes, read_rows
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.ground.process_shard import UnreadVideos, process_shard
from workflow_scripts.ground.record_file import RecordFile, Result
from workflow_scripts.ground.stage import StageError
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

NAMES = ("spin_bricks_00", "walk_beach_00", "walk_bricks_00")
AWAY = NAMES[1]


class Videos:
    """Three videos, their shard's list, and the stages that read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = {path.stem: path for path in sorted((folder / "videos").rglob("*.mp4")) if path.stem in NAMES}
        stats = {name: path.stat() for name, path in self.paths.items()}
        size = {"width": 96, "height": 72, "fps": 25, "n_frames": 22}
        rows = [
            {"video_id": name, "path": path, "bytes": stats[name].st_size, "mtime_ns": stats[name].st_mtime_ns, **size}
            for name, path in self.paths.items()
        ]
        write_columns(folder / "shard.tsv", rows, [*rows[0]])

    def run(self, stage: str) -> dict[str, tuple[str, str]]:
        """Status and reason by video, as the stage's artifact has them."""
        videos, output, store = self.folder / "shard.tsv", self.folder / f"{stage}.h5", self.folder / f"{stage}.store"
        settings = TrajectoriesSettings()
        if stage == "frames":
            store_frames(videos, output, store, FramesSettings(short_side=32))
        elif stage == "persons":
            detect_persons(videos, output, store, "hog", PersonsSettings(stride=10, hog_height=0))
        elif stage == "trajectories":
            extract_shard(videos, output, store, settings)
        elif stage == "encoding":  # of a sample of one; the others are tracked as they are encoded
            of_sample, book = self.folder / "of_sample.h5", self.folder / "codebook.h5"
            if not book.exists():
                write_columns(self.folder / "sample.tsv", [{"video_id": NAMES[0]}], ["video_id"])
                extract_shard(videos, of_sample, self.folder / "s", settings, only=self.folder / "sample.tsv")
                fit_codebook(self.folder / "sample.tsv", [of_sample], book, EncodingSettings(components=2))
            encode_shard(of_sample, book, output, store, settings, videos=videos)
        else:
            dataset = DatasetSettings(layout="folder", root=str(self.folder / "videos"))
            index_videos("d", self.folder / "index" / "index.tsv", dataset, max_failed_fraction=1)
            return {Path(row["path"]).stem: (row["status"], row["reason"]) for row in read_columns(self.index)}
        with h5py.File(output) as file:
            if stage == "encoding":
                texts = [file[name].asstr()[:].tolist() for name in ("video_id", "status", "reason")]
                return {name: (status, reason) for name, status, reason in zip(*texts, strict=True)}
            told = {name: read_attributes(group) for name, group in file.items()}
        return {name: (values["status"], values["reason"]) for name, values in told.items()}

    @property
    def index(self) -> Path:
        return self.folder / "index" / "index.tsv"

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """The file is not there for a while, and has its size and time when it is again."""
        hidden = self.paths[name].with_name(".away")
        self.paths[name].rename(hidden)
        try:
            yield
        finally:
            hidden.rename(self.paths[name])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated") / "videos"
    settings = GeneratedSettings(
        motions=("walk", "spin"), scenes=("bricks", "beach"), per_pair=1, frames=22, width=96, height=72
    )
    generate_videos(root, settings)
    return root


@pytest.fixture
def videos(generated: Path, tmp_path: Path) -> Videos:
    shutil.copytree(generated, tmp_path / "videos")
    return Videos(tmp_path)


READING_STAGES = ("persons", "trajectories", "encoding", "frames")


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
    with videos.away(AWAY), pytest.raises(UnreadVideos) as raised:
        videos.run(stage)
    assert [*raised.value.reasons] == [AWAY]
    assert f"1 of 3 videos could not be read just now ({videos.paths[AWAY]}: there is no such file); run the same" in (
        str(raised.value)
    )
    assert f"{NAMES[2]}" in caplog.text and f"computed {AWAY}" not in caplog.text, "the others are computed"
    caplog.clear()
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}
    computed = [record.getMessage().split()[-1] for record in caplog.records if ": computed " in record.getMessage()]
    assert computed == [AWAY]


@pytest.mark.parametrize("stage", ["index", *READING_STAGES])
def test_stage_loses_no_video_at_any_limit_of_open_files(videos: Videos, stage: str) -> None:
    """The system's own EMFILE, at each place where a stage opens a file."""
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}  # and all modules are loaded
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    errors = []
    for n_free in range(8):
        for path in videos.folder.rglob("*"):
            if path.name in (f"{stage}.store", f"{stage}.h5", "probes", "index.tsv"):
                path.unlink()
        in_use = [int(name) for name in os.listdir("/proc/self/fd")]
        filled = [os.open(os.devnull, os.O_RDONLY) for _ in range(max(in_use) + 1 - len(in_use))]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(in_use) + 1 + n_free, hard))
        try:
            videos.run(stage)
        except (StageError, OSError) as error:
            errors.append(type(error))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in filled:
                os.close(descriptor)
        assert {status for status, _ in videos.run(stage).values()} == {"ok"}, n_free
    # The encoding meets the shard's trajectories file first, which is no video.
    assert (StageError if stage == "encoding" else UnreadVideos) in errors, errors


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN])
def test_index_videos_stops_if_the_system_returns_no_size(
    videos: Videos, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def failing(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if Path(str(path)).stem == AWAY:
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
    """Files of boxes, or of the original extractor's rows, on a server that is away for one video."""
    folder, ending = videos.folder / "server", {"boxes": ".bb", "rows": ".txt"}[stage]
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}{ending}").write_text("")
    is_file = Path.is_file

    def failing(path: Path) -> bool:
        if path.name == AWAY + ending:
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
    assert [*raised.value.reasons] == [AWAY]
    with RecordFile(videos.folder / "o.store") as results:
        assert [results.read(name) is None for name in NAMES] == [name == AWAY for name in NAMES]
    assert {*run().values()} == ({"ok"} if stage == "boxes" else {"no_trajectories"})


def test_index_videos_lists_a_missing_file(videos: Videos) -> None:
    rows = [{"path": path.relative_to(videos.folder).as_posix()} for path in videos.paths.values()]
    lines = ["path", *(row["path"] for row in rows), "none.mp4"]
    (videos.folder / "list.csv").write_text("\n".join(lines) + "\n")
    settings = DatasetSettings(layout="manifest", manifest=str(videos.folder / "list.csv"), root=str(videos.folder))
    index_videos("d", videos.index, settings, max_failed_fraction=1)
    statuses = {Path(row["path"]).stem: row["status"] for row in read_columns(videos.index)}
    assert statuses == {**dict.fromkeys(NAMES, "ok"), "none": "missing"}


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv", ".ts"])
def test_read_video_raises_reading_failed_if_the_file_server_fails(ending: str, tmp_path: Path) -> None:
    """The system's own EIO, after each frame: it is never taken for the end of the file, or for damage."""
    path, n_frames = tmp_path / f"v{ending}", 30
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 8_000_000
        for seed in range(n_frames):
            container.mux(stream.encode(_noise(seed)))
        container.mux(stream.encode())
    n_failed = 0
    for n_before in range(1, n_frames):
        frames = idt_tools.read_video(path)
        n_read = sum(1 for _ in islice(frames, n_before))
        _take_away(path)
        try:
            n_read += sum(1 for _ in frames)
            assert n_read == n_frames  # the rest was in memory
        except ReadingFailed as error:
            assert (error.path, error.reason) == (path, os.strerror(errno.EIO))
            n_failed += 1
    assert n_failed >= n_frames / 2


def _take_away(path: Path) -> None:
    """Puts something of which the system can read nothing (EIO) in place of the open file at `path`."""
    nothing = os.open("/proc/self/mem", os.O_RDONLY)  # nobody has memory at its first addresses
    for descriptor in os.listdir("/proc/self/fd"):
        if descriptor != str(nothing) and os.path.realpath(f"/proc/self/fd/{descriptor}") == str(path):
            os.dup2(nothing, int(descriptor))
    os.close(nothing)


@pytest.mark.parametrize("number", sorted(OF_THE_SYSTEM))
def test_system_errors_become_reading_failed(number: int) -> None:
    with pytest.raises(ReadingFailed, match=r"^a\.mp4: \S") as raised, system_errors("a.mp4"):
        raise OSError(number, os.strerror(number), "a.mp4")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.path, again.reason) == (Path("a.mp4"), raised.value.reason)


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL])
def test_system_errors_passes_on_errors_of_the_file(number: int) -> None:
    with pytest.raises(OSError, match=r"a\.mp4") as raised, system_errors("a.mp4"):
        raise OSError(number, os.strerror(number), "a.mp4")
    assert not isinstance(raised.value, ReadingFailed)


def _noise(seed: int) -> av.VideoFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


@pytest.mark.parametrize("error", [RuntimeError, IndexError, UnicodeDecodeError, KeyError, AssertionError])
@pytest.mark.parametrize("stage", ["index", *READING_STAGES])
def test_stage_records_any_exception_of_a_video(
    videos: Videos, stage: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    videos.run("encoding") if stage == "encoding" else None
    for path in videos.folder.glob(f"{stage}.*"):
        path.unlink()
    odd = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "odd") if error is UnicodeDecodeError else error("odd")
    open_video = av.open

    def failing(file: Any, *arguments: Any, **options: Any) -> Any:
        if Path(str(getattr(file, "name", file))).stem == AWAY:
            raise odd
        return open_video(file, *arguments, **options)

    monkeypatch.setattr(av, "open", failing)
    outcomes = videos.run(stage)
    assert outcomes.pop(AWAY) == ("corrupted", f"{error.__name__}: {odd}")
    assert {status for status, _ in outcomes.values()} == {"ok"}


@pytest.mark.parametrize("stage", READING_STAGES)
def test_stage_stops_at_an_exception_of_its_own(videos: Videos, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    videos.run("encoding") if stage == "encoding" else None
    for path in videos.folder.glob(f"{stage}.*"):
        path.unlink()
    inner = {
        "persons": "workflow_scripts.persons.detect_persons.carry_boxes",
        "trajectories": "workflow_scripts.trajectories.extract_shard.set_relative_time",
        "encoding": "idt_tools.codebook.power_normalise",
        "frames": "workflow_scripts.frames.store_frames.resize",
    }[stage]

    def mistaken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(inner, mistaken)
    with pytest.raises(ZeroDivisionError):
        videos.run(stage)
    monkeypatch.undo()
    assert {status for status, _ in videos.run(stage).values()} == {"ok"}


def test_process_shard_without_memory_for_one_video_computes_the_others(tmp_path: Path) -> None:
    """In the stage's own work too: it says nothing about the video."""
    has_memory = False

    def compute(name: str) -> Result:
        if name == "b" and not has_memory:
            raise MemoryError
        return Result(attributes={"n": 1})

    def run() -> list[str]:
        return [name for name, _ in process_shard(tmp_path / "s", dict.fromkeys("abc", "1"), compute, stage="test")]

    with pytest.raises(UnreadVideos, match=r"1 of 3 videos .*b: Cannot allocate memory"):
        run()
    has_memory = True
    assert run() == ["a", "b", "c"]


@pytest.mark.parametrize("files", [("boxes", "a.bb"), ("boxes", "a.h5"), ("rows", "a.txt"), ("rows", "a.h5")])
def test_find_and_read_boxes_and_rows_raise_reading_failed(files: tuple[str, str], tmp_path: Path) -> None:
    find: Callable[..., Path | None]
    kind, name = files
    folder = tmp_path / "server"
    folder.mkdir()
    path = folder / name
    if kind == "boxes":
        read, find = (lambda: read_boxes(path)), lambda: find_boxes(folder, Path("v/a.mp4"), several=True)
    else:
        read, find = (lambda: list(read_rows(path))), lambda: find_rows(folder, Path("v/a.mp4"))
    with pytest.raises(ReadingFailed, match="there is no such file"):
        read()
    path.write_text("")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(ReadingFailed, match="Too many open files"):
            read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert find() == path
    folder.rename(tmp_path / "away")
    with pytest.raises(ReadingFailed, match="there is no such file"):
        find()


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
    assert running.returncode == 128 + ending and "interrupted; what was computed is kept" in errors
    assert "Traceback" not in errors and not (videos.folder / "o.h5").exists()
    write_columns(videos.folder / "shard.tsv", rows[:1], [*rows[0]])
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "1 videos, 1 of them already done" in done.stderr
