"""Stage: selects the videos that all runs train on, so that their results are comparable.

Inputs: the video lists of the shards, their frames, and the encodings of all descriptors that a run uses. Output: a
table of video_id and label, sorted by video_id, of the videos with usable frames and sketches.
"""

import logging
from collections.abc import Collection
from pathlib import Path

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.ground.artifacts import read_columns, read_hdf5, write_columns
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.pretraining.settings import in_folder, parts_of_subset, split_of_subset

log = logging.getLogger(__name__)


def select_videos(
    videos: list[Path],
    frames: list[Path],
    encodings: list[Path],
    output: Path,
    subset: str,
    seed: int,
    max_failed_fraction: float = 1.0,
    root: Path = Path(),
    splits: Path | None = None,
) -> None:
    """Writes the table of the usable videos of a subset, and logs which videos are not usable.

    Args:
        videos: The video lists.
        frames: Shards of frames.
        encodings: Shards of any number of descriptors. A video needs the status ok in all that contain it.
        output: The table.
        subset: all, a number of videos, a folder name, FOLDER:NUMBER, splitN (the training part) or splitN:NUMBER.
        seed: Seed of the draw by hash(seed, video_id).
        max_failed_fraction: Largest fraction (0..1) of unusable videos.
        root: Only folders below this one count.
        splits: The table of splits, for splitN.

    Raises:
        StageError: A listed video is in no frames file, too many videos are unusable, or the subset is empty.
    """
    listed = [row for path in videos for row in read_columns(path)]
    label_of = {row["video_id"]: row["label"] for row in listed}
    reasons = _unusable(label_of, FrameStore(frames), encodings)
    usable = sorted(label_of.keys() - reasons.keys())
    for name in sorted(reasons.keys() & label_of.keys()):
        log.info("left out: %s, %s", name, reasons[name])
    log.info("pretraining: n_in %d, n_ok %d, n_failed %d", len(label_of), len(usable), len(label_of) - len(usable))
    if not usable:
        raise StageError("no video has both frames and sketches; the log names the reasons")
    if 1 - len(usable) / len(label_of) > max_failed_fraction:
        raise StageError(
            f"{len(label_of) - len(usable)} of {len(label_of)} videos have no frames or no sketch, more than "
            f"max_failed_fraction = {max_failed_fraction} allows; the log names the reasons; repair videos or raise it"
        )

    folder, number = parts_of_subset(subset)
    split = split_of_subset(subset)
    if split is not None:
        candidates, place = _training_part(splits, split), f"in the training part of split {split}"
    else:
        candidates = {row["video_id"] for row in listed if in_folder(row["path"], folder, root)}
        place = f"in a folder {folder!r} below {root}"
    usable = [name for name in usable if name in candidates]
    if not usable:
        raise StageError(f"subset: {subset!r}: no usable video is {place}")
    if number is not None:
        if not 0 < number <= len(usable):
            raise StageError(f"subset: {subset!r}: there are {len(usable)} usable videos; set 1 to {len(usable)}")
        usable = sorted(sorted(usable, key=lambda name: digest(seed, "subset", name))[:number])
    if subset != "all":
        log.info("pretraining: the subset %s has %d of them", subset, len(usable))
    write_columns(output, [{"video_id": name, "label": label_of[name]} for name in usable], ["video_id", "label"])


def _unusable(video_ids: Collection[str], store: FrameStore, encodings: list[Path]) -> dict[str, str]:
    """The reasons why videos have no usable frames or no usable sketch, by video id."""
    store.require(video_ids)
    reasons: dict[str, str] = {}
    for name in video_ids:
        status, reason = store.outcome(name)
        if status != "ok":
            reasons[name] = f"frames {status}: {reason}"
    for path in encodings:
        with read_hdf5(path) as file:
            outcomes = zip(*(file[column].asstr()[:] for column in ("video_id", "status", "reason")), strict=True)
            for name, status, reason in outcomes:
                if status != "ok":
                    reasons.setdefault(name, f"sketch {status}: {reason}")
    return reasons


def _training_part(splits: Path | None, split: int) -> set[str]:
    """The ids of the training videos of a split. Raises StageError if there is no such split."""
    rows = read_columns(splits) if splits else []
    numbers = sorted({int(row["split"]) for row in rows})
    if split not in numbers:
        raise StageError(
            f"subset: 'split{split}': {splits} has the splits {', '.join(map(str, numbers)) or 'none'}; name one of "
            "them, or see splits.json beside the table"
        )
    return {row["video_id"] for row in rows if row["split"] == str(split) and row["part"] == "train"}


if __name__ == "__main__":
    command_line(select_videos)
