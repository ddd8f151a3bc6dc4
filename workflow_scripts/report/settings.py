"""Settings of the report."""

from dataclasses import dataclass
from typing import Annotated, Any

from workflow_scripts.evaluation.protocols import NETWORK_PROTOCOLS
from workflow_scripts.ground.setting import setting

# The VERSION of each stage, raised when the same results give another page or table.
VERSIONS = {"build_report": 6, "paper_table": 6, "draw_examples": 5, "measure_people": 5}


@dataclass(frozen=True)
class TableRow:
    method: str = setting("", "What the paper calls the method.", required=True)
    run: str | None = setting(None, "Our run. Without one, the method is only cited.")
    paper: dict[str, Any] | None = setting(
        None,
        "The paper's accuracy by dataset; in tables of protocol linear by dataset and number of shots.",
        unit="percent",
    )
    paper_of_supervised: dict[str, Any] | None = setting(
        None,
        "The paper's fraction of the supervised accuracy, with the same keys, if no row gives the supervised accuracy.",
        unit="percent",
    )
    supervised: str | None = setting(None, "Run whose accuracy is 100 % for this row, if not the table's.")


@dataclass(frozen=True)
class TableSettings:
    """A table of the paper, an entry of `report.tables`."""

    title: str = setting("", "What the table is about.", required=True)
    protocol: str = setting(
        "finetune",
        "How models are evaluated. The runs idt and idt_fisher are always evaluated with a linear SVM.",
        enum=NETWORK_PROTOCOLS,
    )
    supervised: str = setting("", "Run whose accuracy is 100 % for fractions; it must have a row. Empty: none.")
    notes: list[str] = setting(
        [], "Other differences between our numbers and the paper's, one sentence each, shown below the table."
    )
    rows: list[Annotated[dict[str, Any], TableRow]] = setting([], "The methods, in order.", required=True, minItems=1)


@dataclass(frozen=True)
class Baseline:
    """A known simple baseline of a dataset."""

    name: str = setting("", "Its name.", required=True)
    accuracy: float = setting(0.0, "Its accuracy.", required=True, minimum=0, maximum=1)


@dataclass(frozen=True)
class Comparison:
    """Runs that are compared with each other."""

    title: str = setting("", "The heading above its table.", required=True)
    runs: list[str] = setting(
        [],
        "Names of runs; also scratch and idt, if they are evaluated.",
        required=True,
        minItems=1,
        uniqueItems=True,
    )
    along: str | None = setting(
        None,
        "The parameter by which these runs differ. Their accuracies are drawn against it.",
        enum=["clip_length", "frame_interval", "subset", "k", "m", "crop_size", "depth"],
    )


@dataclass(frozen=True)
class ReportSettings:
    """Settings of the page. None changes a result, and all defaults are ours."""

    title: str = setting("Dense trajectory clustering", "The page's heading.")
    baselines: dict[str, Annotated[dict[str, Any], Baseline]] = setting(
        {}, "A known simple baseline per dataset. It is a row of the method table."
    )
    comparisons: list[Annotated[dict[str, Any], Comparison]] = setting(
        [],
        "Groups of runs, each with its own tables and its own row of the figures. Empty: all runs are one group. The "
        "gallery shows clusters of the first group.",
    )
    gallery_clusterings: int = setting(
        3, "Clusterings in the gallery: first a network without prior, then IDT, then a network with the prior."
    )
    gallery_clusters: int = setting(8, "Clusters shown per clustering.")
    gallery_videos: int = setting(6, "Videos shown per cluster.")
    gallery_order: str = setting(
        "size",
        "Which clusters come first. size: the largest; purity: those of a single motion.",
        enum=["size", "purity"],
    )
    explorer_videos: int = setting(600, "The most videos in the cluster explorer, about 10 KB each. 0: no explorer.")
    thumbnail_width: int = setting(128, "Width of a thumbnail; its height is three quarters of it.", unit="pixels")
    thumbnail_frames: int = setting(12, "Frames of a thumbnail's loop.")
    thumbnail_seconds: float = setting(
        2.0, "Length of the part in the middle of the video that the loop shows, at normal speed.", unit="seconds"
    )
    thumbnail_quality: int = setting(55, "WebP quality of the thumbnails.", minimum=1, maximum=100)
    failures_shown: int = setting(100, "Rows of the table of failed videos. The page says how many more there are.")
