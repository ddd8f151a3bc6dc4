"""Settings of a dataset (an entry of `datasets` in the config) and of reading videos."""

from dataclasses import dataclass
from typing import Annotated, Any

from workflow_scripts.ground.setting import setting
from workflow_scripts.synthetic.settings import GeneratedSettings
from workflow_scripts.videos.layouts import LAYOUTS

# The VERSION of each stage. Increase it when the same files give another index.
VERSIONS = {"index_videos": 4}


@dataclass(frozen=True)
class ReadingSettings:
    """Limits of the videos that are read, as in `idt_tools.read_video`."""

    max_corrupt_fraction: float = setting(
        0.05,
        "Largest share of a video's frames that may be damaged. They are skipped, and trajectories end there. A "
        "video with more damaged frames gets the status corrupted.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    max_frame_side: int = setting(
        8192, "Videos with a longer side get the status too_large.", source="ours", unit="pixels", minimum=1
    )


READING = ReadingSettings()

_ANNOTATIONS = "; ".join(
    f"{name}: {layout.source_meaning}" for name, layout in LAYOUTS.items() if layout.source == "annotations"
)


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
        "test). All columns but path are optional. Videos without labels are used only for training.",
    )
    annotations: str = setting(
        "",
        f"{_ANNOTATIONS}. The path is absolute, or relative to root, the working folder or the folder of the "
        "Snakefile. Empty: root.",
    )
    include: str = setting(
        "*", "Glob pattern of the used videos' paths relative to root. An asterisk also matches slashes."
    )
    splits: str = setting(
        "auto",
        "How the videos are split into train and test. official: as distributed (kinetics: the validation part is the "
        "test part); leave_one_group_out: each group is the test part of one split; column: the manifest's split "
        "columns (generated: the first group is the test part); random: drawn for each label; auto: official if the "
        "layout has official splits, otherwise random.",
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
        16, "Parts of this dataset. Each job of a stage processes one.", default_key="videos.shards", minimum=1
    )
    generated: Annotated[dict[str, Any], GeneratedSettings] | None = setting(None, "Settings of the generated videos.")

    @property
    def kind_of_splits(self) -> str:
        """Returns `splits`, or the kind that `auto` means."""
        if self.splits != "auto":
            return self.splits
        return "official" if LAYOUTS[self.layout].n_official_splits else "random"
