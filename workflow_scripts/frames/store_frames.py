"""Stage: the frames of a shard's videos, decoded once and kept small for training (paper, section 4.2).

In: a shard list. Out: frames/{short_side}/{shard}.h5, per video id a group with `jpeg` (all frames' JPEG bytes, one
after the other) and `offsets` (T + 1; frame t is jpeg[offsets[t]:offsets[t + 1]]); attributes width, height (pixels of
the stored frames), fps, n_frames, n_skipped (damaged frames, left out), status and reason. A video that cannot be read
keeps its group, empty.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

import idt_tools
from idt_tools.attributes import write_attributes
from workflow_scripts.frames import jpeg
from workflow_scripts.frames.clips import resize
from workflow_scripts.frames.settings import VERSIONS, FramesSettings
from workflow_scripts.ground.artifacts import dataset, read_columns, write_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import command_line
from workflow_scripts.ground.work_keys import attributes_of
from workflow_scripts.videos.settings import READING, ReadingSettings

LONGEST_SIDE = 65500  # pixels, of libjpeg


def stored_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height at which the shorter side is exactly `short_side`, the aspect ratio kept to a pixel.

    Smaller videos are enlarged: crops are cut in proportion to the frame, so all videos must share one scale.
    """
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def encode_frames(frames: Iterable[np.ndarray], settings: FramesSettings) -> Result:
    """A video's frames, (H, W, 3) uint8 RGB each, as JPEG bytes with offsets.

    A status and reason instead where they cannot be read (idt_tools.VideoError) or there are none.
    """
    encoded: list[np.ndarray] = []
    width = height = 0
    try:
        for frame in frames:
            if not encoded:
                width, height = stored_size(frame.shape[1], frame.shape[0], settings.short_side)
                if max(width, height) > LONGEST_SIDE:
                    enlarged = f"{frame.shape[1]}x{frame.shape[0]} pixels would be stored as {width}x{height}"
                    return Result("too_large", f"{enlarged}; a JPEG has at most {LONGEST_SIDE} on a side")
            encoded.append(jpeg.encode(resize(frame, width, height), settings.jpeg_quality))
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    if not encoded:
        return Result("unreadable", "it holds no frame")
    offsets = np.concatenate([[0], np.cumsum([len(jpeg) for jpeg in encoded])]).astype(np.int64)
    seen: dict[str, str | int | float] = {"width": width, "height": height, "n_frames": len(encoded)}
    # Frames of a file know more. Not asked by their type: a GPU machine need not have PyAV.
    seen |= {name: getattr(frames, name) for name in ("n_skipped", "fps") if hasattr(frames, name)}
    return Result(arrays={"jpeg": np.concatenate(encoded), "offsets": offsets}, attributes=seen)


def write_frames(
    output: Path, settings: FramesSettings, videos: str, results: Iterable[tuple[str, Result]], fps: Mapping[str, float]
) -> None:
    """Writes encoded videos by id to the artifact `output`; `videos` is their digest.

    fps: frame rates; where one is 0, that of the frames that were decoded is written.
    """
    parameters = dataclasses.asdict(settings)
    with write_hdf5(
        output, stage="frames", version=VERSIONS["store_frames"], parameters=parameters, videos=videos
    ) as file:
        for name, result in results:
            group = file.create_group(name)
            content = result.arrays.get("jpeg", np.empty(0, np.uint8))
            offsets = result.arrays.get("offsets", np.zeros(1, np.int64))
            dataset(group, "jpeg", content, unit="byte", meaning="JPEG files of all frames, one after the other")
            dataset(group, "offsets", offsets, unit="byte", meaning="frame t is jpeg[offsets[t]:offsets[t + 1]]")
            seen = {"width": 0, "height": 0, "n_frames": 0, "n_skipped": 0, "fps": 0.0, **result.attributes}
            told = {"fps": fps[name] or seen["fps"], "status": result.status, "reason": result.reason}
            write_attributes(group, {**seen, **told})


def store_frames(
    videos: Path,
    output: Path,
    store: Path,
    settings: FramesSettings,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Decodes every video of the shard list `videos` once and writes its frames, small, to `output`.

    What is already in `store` is not decoded again.
    """
    rows = {row["video_id"]: row for row in read_columns(videos)}
    keys = {name: digest(VERSIONS["store_frames"], settings, reading, attributes_of(row)) for name, row in rows.items()}

    def compute(name: str) -> Result:
        return encode_frames(idt_tools.read_video(Path(rows[name]["path"]), **vars(reading)), settings)

    results = process_shard(store, keys, compute, stage="frames", threads=threads)
    fps = {name: float(row["fps"] or 0) for name, row in rows.items()}
    write_frames(output, settings, digest(keys), results, fps)


if __name__ == "__main__":
    command_line(store_frames)
