"""Stage: the videos that every run trains on, so that all rows of a table rest on the same ones.

In: the frames, the encodings of all features that any run uses, and the index. Out: a table of video_id and label,
sorted by video_id, of the videos whose frames and every sketch are usable.
"""

import logging
from pathlib import Path

import h5py

from workflow_scripts.artifacts import read_columns, write_columns
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.identity import digest
from workflow_scripts.stage import StageError, command_line

log = logging.getLogger(__name__)


def select_videos(frames: list[Path], encodings: list[Path], index: Path, output: Path, subset: str, seed: int) -> None:
    """Writes the usable videos of `index`, all of them or a number drawn by hash(seed, video_id) (`subset`).

    `encodings` are shards of any number of features; a video is taken when all those that hold it say ok. Logs how
    many are left out and why; raises StageError when a readable video is in no frames file (made from another index).
    """
    label_of = {row["video_id"]: row["label"] for row in read_columns(index) if row["status"] == "ok"}
    store = FrameStore(frames)
    missing = sorted(label_of.keys() - set(store.video_ids))
    if missing:
        raise StageError(f"the frames lack {len(missing)} videos of {index} ({', '.join(missing[:5])}); make them anew")

    left_out: dict[str, str] = {}  # id -> why
    for name in label_of:
        status, reason = store.outcome(name)
        if status != "ok":
            left_out[name] = f"frames {status}: {reason}"
    for path in encodings:
        with h5py.File(path, "r") as file:
            outcomes = zip(*(file[column].asstr()[:] for column in ("video_id", "status", "reason")), strict=True)
            for name, status, reason in outcomes:
                if status != "ok":
                    left_out.setdefault(name, f"sketch {status}: {reason}")
    usable = sorted(label_of.keys() - left_out.keys())
    for name in sorted(left_out.keys() & label_of.keys()):
        log.info("left out: %s, %s", name, left_out[name])
    log.info("pretraining: %d of %d readable videos are usable", len(usable), len(label_of))

    if subset != "all":
        if not subset.isdigit() or not 0 < int(subset) <= len(usable):
            raise StageError(f"subset must be all or a number from 1 to {len(usable)}, not {subset!r}")
        usable = sorted(sorted(usable, key=lambda name: digest(seed, "subset", name))[: int(subset)])
        log.info("pretraining: a subset of %d of them is taken", len(usable))
    if not usable:
        raise StageError(f"no video of {index} has both frames and sketches: there is nothing to train on")
    write_columns(output, [{"video_id": name, "label": label_of[name]} for name in usable], ["video_id", "label"])


if __name__ == "__main__":
    command_line(select_videos)
