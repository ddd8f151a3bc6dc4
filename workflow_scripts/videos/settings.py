"""How a dataset lies on disk and how it is split, one entry of `datasets` in the config; how videos are read."""

from dataclasses import dataclass
from typing import Annotated, Any

from workflow_scripts.ground.setting import setting
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.videos.layouts import LAYOUTS

# The VERSION of each stage, raised when the same files give another index.
VERSIONS = {"index_videos": 4}


@dataclass(frozen=True)
class ReadingSettings:
    """Which videos are refused, as in `idt_tools.read_video`."""

    max_corrupt_fraction: float = setting(
        0.05,
        "Share of a video's frames that may be damaged. They are skipped, and trajectories end there; with more, the "
        "video has the status corrupted.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    max_frame_side: int = setting(
        8192, "Videos with a longer side are refused as too_large.", source="ours", unit="pixels", minimum=1
    )


READING = ReadingSettings()


@dataclass(frozen=True)
class DatasetSettings:
    """An entry of `datasets`."""

    layout: str = setting(
        "folder",
        f"Where the videos and labels are. {'; '.join(f'{name}: {entry.meaning}' for name, entry in LAYOUTS.items())}.",
        required=True,
        enum=list(LAYOUTS),
    )
    root: str = setting("", "Folder that holds the videos.")
    manifest: str = setting(
        "",
        "CSV with the columns path (relative to root), label, group, scene, and split or split1, split2, ... (train or "
        "test). All but path are optional; without labels the videos serve training only.",
    )
    annotations: str = setting(
        "",
        "Of ucf101 and hmdb51, the folder of the split files; of kinetics, a CSV or JSON or a folder of them. It is "
        "below root, in the working folder, or a full path. Empty: root.",
    )
    include: str = setting(
        "*", "Glob over the path relative to root: only these videos are used. An asterisk also matches slashes."
    )
    splits: str = setting(
        "auto",
        "How train and test videos are told apart. official: as distributed (of kinetics, validation is the test "
        "part); column: the manifest's split columns (of generated, the first take is the test part); auto: official "
        "where the layout has such splits, else random.",
        enum=["auto", "official", "leave_one_group_out", "column", "random"],
    )
    test_fraction: float = setting(
        0.3,
        "Share of each label's videos in the test part of a random split.",
        exclusiveMinimum=0,
        exclusiveMaximum=1,
    )
    n_splits: int = setting(1, "Number of random splits.", minimum=1)
    shards: int = setting(
        16, "Parts of this dataset; the stages work through one per job.", default_key="videos.shards", minimum=1
    )
    generated: Annotated[dict[str, Any], GeneratedSettings] | None = setting(None, "What to generate.")

    @property
    def kind_of_splits(self) -> str:
        """`splits`, or what `auto` stands for."""
        if self.splits != "auto":
            return self.splits
        return "official" if LAYOUTS[self.layout].n_official_splits else "random"
