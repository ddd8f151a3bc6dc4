"""Settings of the report."""

from dataclasses import dataclass, field
from typing import Any

# The VERSION of each stage, raised when the same results give another page or table.
VERSIONS = {"build_report": 5, "paper_table": 5, "draw_examples": 5, "measure_people": 5}


@dataclass(frozen=True)
class TableSettings:
    """A table of the paper, an entry of `report.tables`. All keys are ours; what the paper says is in percent."""

    title: str = ""
    # finetune or linear; the runs idt and idt_fisher are always judged by their linear SVM.
    protocol: str = "finetune"
    # Run that fractions of the supervised accuracy are taken of; none if empty.
    supervised: str = ""
    # Each {"method": text}, and what there is of: "run" (none: the method is only cited); "paper": dataset -> accuracy,
    # or in few-shot tables -> number of shots -> accuracy; "paper_of_supervised", likewise, where no row gives the
    # supervised accuracy; "supervised": another run than the table's.
    rows: list[dict[str, Any]] = field(default_factory=list)
    # What else tells our numbers from the paper's, a sentence each; they stand beside the table.
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReportSettings:
    """What the page shows and how much of it; none of it changes a result. All keys are ours."""

    # The page's heading.
    title: str = "Dense trajectory clustering"
    # Dataset -> {"name": text, "accuracy": 0..1}: a known simple baseline, shown as a row of the method table.
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Each {"title": text, "runs": [names]}: runs compared with each other, with their own tables and their own row of
    # the figures; all in one if empty. With "along", the parameter by which they differ (clip_length, subset, k, m,
    # size or depth), accuracies are drawn against it. The gallery shows clusters of the first. A run may be in several.
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    # Clusterings in the gallery: first a network without prior, then IDT, then a network with the prior.
    gallery_clusterings: int = 3
    # Clusters shown of each clustering.
    gallery_clusters: int = 8
    # Videos shown of each cluster.
    gallery_videos: int = 6
    # "size": largest clusters first; "purity": those of one motion first (clusters of one video come last).
    gallery_order: str = "size"
    # The cluster explorer holds about this many videos (all if there are fewer), some 10 KB each; 0: no explorer.
    explorer_videos: int = 600
    # Pixels: a thumbnail is this wide and three quarters as high.
    thumbnail_width: int = 128
    # Frames of a thumbnail's loop.
    thumbnail_frames: int = 12
    # Seconds from the middle of the video that the loop shows, at the video's own speed.
    thumbnail_seconds: float = 2.0
    # WebP quality of the thumbnails, 1..100.
    thumbnail_quality: int = 55
    # Rows of the table of failed videos; the page says how many more there are.
    failures_shown: int = 100
