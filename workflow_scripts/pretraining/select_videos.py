"""Stage: the videos that every run trains on, so that all rows of a table rest on the same ones.

In: the shards' lists of videos, their frames, and the encodings by all descriptors that any run uses. Out: a table of
video_id and label, sorted by video_id, of the videos whose frames and every sketch are usable.
"""

import logging
from collections.abc import Iterable
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
    """Writes the usable videos of the lists `videos`, or a `subset`: a number, drawn by hash(seed, video_id); those in
    folders of a name, wherever below `root`; those of the training part of a split of the table `splits` (`splitN`); or
    FOLDER:NUMBER or splitN:NUMBER of them.

    `encodings` are shards of any number of descriptors; a video is taken when all those that hold it say ok. Logs how
    many are left out and why. Raises StageError when a listed video is in no frames file (made from other lists),
    when more than `max_failed_fraction` are left out, or none remains.
    """
    listed = [row for path in videos for row in read_columns(path)]
    label_of = {row["video_id"]: row["label"] for row in listed}
    store = FrameStore(frames)
    store.require(label_of)

    left_out = _unusable(label_of, store, encodings)
    usable = sorted(label_of.keys() - left_out.keys())
    for name in sorted(left_out.keys() & label_of.keys()):
        log.info("left out: %s, %s", name, left_out[name])
    log.info("pretraining: n_in %d, n_ok %d, n_failed %d", len(label_of), len(usable), len(label_of) - len(usable))
    if not usable:
        raise StageError("no video has both frames and sketches: there is nothing to train on")
    if 1 - len(usable) / len(label_of) > max_failed_fraction:
        raise StageError(
            f"{len(label_of) - len(usable)} of {len(label_of)} videos have no frames or no sketch, more than "
            f"max_failed_fraction = {max_failed_fraction} allows; the log says why each; mend them or raise it"
        )

    folder, number = parts_of_subset(subset)
    split = split_of_subset(subset)
    if split is not None:
        within = _training_part(splits, split)
        where = f"in the training part of split {split}"
    else:
        within = {row["video_id"] for row in listed if in_folder(row["path"], folder, root)}
        where = f"in a folder {folder!r} below {root}"
    usable = [name for name in usable if name in within]
    if not usable:
        raise StageError(f"subset: {subset!r}: no usable video is {where}")
    if number is not None:
        if not 0 < number <= len(usable):
            raise StageError(f"subset: {subset!r}: there are {len(usable)} usable videos; take 1 to {len(usable)}")
        usable = sorted(sorted(usable, key=lambda name: digest(seed, "subset", name))[:number])
    if subset != "all":
        log.info("pretraining: the subset %s is %d of them", subset, len(usable))
    write_columns(output, [{"video_id": name, "label": label_of[name]} for name in usable], ["video_id", "label"])


def _unusable(video_ids: Iterable[str], store: FrameStore, encodings: list[Path]) -> dict[str, str]:
    """Video ids without usable frames or with an unusable sketch, each with the reason."""
    left_out: dict[str, str] = {}
    for name in video_ids:
        status, reason = store.outcome(name)
        if status != "ok":
            left_out[name] = f"frames {status}: {reason}"
    for path in encodings:
        with read_hdf5(path) as file:
            outcomes = zip(*(file[column].asstr()[:] for column in ("video_id", "status", "reason")), strict=True)
            for name, status, reason in outcomes:
                if status != "ok":
                    left_out.setdefault(name, f"sketch {status}: {reason}")
    return left_out


def _training_part(splits: Path | None, split: int) -> set[str]:
    """The ids of the videos that a split trains on. Raises StageError where there is no such split."""
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
