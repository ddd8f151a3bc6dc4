"""How a dataset lies on disk and how it is split, one entry of `datasets` in the config; how videos are read."""

from dataclasses import dataclass, field
from typing import Any

from workflow_scripts.videos.layouts import LAYOUTS

VERSION = 4  # raised when the index of the same files changes


@dataclass(frozen=True)
class ReadingSettings:
    """Which videos are refused, as in `idt_tools.read_video`."""

    max_corrupt_fraction: float = 0.05  # share of its frames that damage may cost a video, 0..1
    max_frame_side: int = 8192  # pixels; frames with a longer side are refused


READING = ReadingSettings()


@dataclass(frozen=True)
class DatasetSettings:
    """One named dataset. The defaults are those of the schema."""

    layout: str = "folder"  # a name in LAYOUTS
    root: str = ""  # folder that holds the videos
    manifest: str = ""  # CSV with the columns path, label, group, scene, split<N> (all but path optional)
    annotations: str = ""  # file or folder of the annotations of an official dataset
    include: str = "*"  # glob over the path relative to root; * also matches slashes
    splits: str = "auto"  # official | leave_one_group_out | column | random; auto: official where there are, or random
    test_fraction: float = 0.3  # share of each label's videos in a random split's test part
    n_splits: int = 1  # number of random splits
    shards: int = 16  # parts in which the stages work
    generated: dict[str, Any] = field(default_factory=dict)  # see synthetic.settings.GeneratedSettings

    @property
    def kind_of_splits(self) -> str:
        """`splits`, or what `auto` stands for."""
        if self.splits != "auto":
            return self.splits
        return "official" if LAYOUTS[self.layout].n_official_splits else "random"
