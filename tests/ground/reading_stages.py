"""Three videos, and the stages that read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from idt_tools.attributes import read_attributes
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import store_frames
from workflow_scripts.ground.artifacts import read_columns, write_columns
from workflow_scripts.persons.detect_persons import detect_persons
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.trajectories.extract_shard import extract_shard
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

NAMES = ("spin_bricks_00", "walk_beach_00", "walk_bricks_00")
MISSING = NAMES[1]


class Videos:
    """Three videos and the list of their shard."""

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
        """Runs a stage; returns (status, reason) by video from its artifact."""
        videos, output, store = self.folder / "shard.tsv", self.folder / f"{stage}.h5", self.folder / f"{stage}.store"
        settings = TrajectoriesSettings()
        if stage == "frames":
            store_frames(videos, output, store, FramesSettings(short_side=32))
        elif stage == "persons":
            detect_persons(videos, output, store, "hog", PersonsSettings(stride=10, hog_height=0))
        elif stage == "trajectories":
            extract_shard(videos, output, store, settings)
        elif stage == "encoding":  # the sample is one video; the others are encoded while they are tracked
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
            attributes = {name: read_attributes(group) for name, group in file.items()}
        return {name: (values["status"], values["reason"]) for name, values in attributes.items()}

    @property
    def index(self) -> Path:
        return self.folder / "index" / "index.tsv"

    @contextmanager
    def missing(self, name: str) -> Iterator[None]:
        """Moves a file away during the block. Its size and time do not change."""
        hidden = self.paths[name].with_name(".hidden")
        self.paths[name].rename(hidden)
        try:
            yield
        finally:
            hidden.rename(self.paths[name])


READING_STAGES = ("persons", "trajectories", "encoding", "frames")
