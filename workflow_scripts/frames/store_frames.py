"""Stage: decodes the videos of a shard once and stores their resized frames for training (paper 4.2).

In:  the list of a shard's videos.
Out: frames/{short_side}/{shard}.h5 with a group per video id: `jpeg` (concatenated JPEG files of all frames) and
     `offsets` (T + 1; frame t is jpeg[offsets[t]:offsets[t + 1]]); attributes width, height (pixels of the stored
     frames), fps, n_frames, n_skipped (damaged frames, which are left out), status and reason. The group of an
     unreadable video is empty.
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


def stored_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Returns width and height with exactly `short_side` pixels on the shorter side, at the same aspect ratio.

    Smaller videos are enlarged: crops are cut in proportion to the frame, so all videos must have the same scale.
    """
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def encode_frames(frames: Iterable[np.ndarray], settings: FramesSettings) -> Result:
    """Encodes the frames of a video, (H, W, 3) uint8 RGB each, as JPEG.

    Returns arrays `jpeg` and `offsets`, or a status other than `ok` if the video is unreadable or has no frames.
    """
    encoded: list[np.ndarray] = []
    width = height = 0
    try:
        for frame in frames:
            if not encoded:
                width, height = stored_size(frame.shape[1], frame.shape[0], settings.short_side)
                if max(width, height) > jpeg.MAX_SIDE:
                    enlarged = f"{frame.shape[1]}x{frame.shape[0]} pixels would be stored as {width}x{height}"
                    return Result("too_large", f"{enlarged}; a JPEG has at most {jpeg.MAX_SIDE} on a side")
            encoded.append(jpeg.encode(resize(frame, width, height), settings.jpeg_quality))
    except idt_tools.VideoError as error:
        return Result(error.status, error.reason)
    if not encoded:
        return Result("unreadable", "it holds no frame")
    offsets = np.concatenate([[0], np.cumsum([len(jpeg) for jpeg in encoded])]).astype(np.int64)
    attributes: dict[str, str | int | float] = {"width": width, "height": height, "n_frames": len(encoded)}
    # `read_video` returns these two. isinstance would need PyAV, which a GPU machine may lack.
    attributes |= {name: getattr(frames, name) for name in ("n_skipped", "fps") if hasattr(frames, name)}
    return Result(arrays={"jpeg": np.concatenate(encoded), "offsets": offsets}, attributes=attributes)


def write_frames(
    output: Path, settings: FramesSettings, videos: str, results: Iterable[tuple[str, Result]], fps: Mapping[str, float]
) -> None:
    """Writes the encoded frames of videos.

    Args:
        output: The HDF5 file to write.
        settings: How the frames were encoded.
        videos: A digest of the videos.
        results: What `encode_frames` returned, by video id.
        fps: Frame rates by video id; for 0, the rate of the decoded frames is written.
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
            attributes = {"width": 0, "height": 0, "n_frames": 0, "n_skipped": 0, "fps": 0.0, **result.attributes}
            attributes |= {"fps": fps[name] or attributes["fps"], "status": result.status, "reason": result.reason}
            write_attributes(group, attributes)


def store_frames(
    videos: Path,
    output: Path,
    store: Path,
    settings: FramesSettings,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Decodes the videos of a shard and writes their resized frames.

    Args:
        videos: The list of the shard's videos.
        output: The HDF5 file to write.
        store: The record file of the shard. Videos in it are not decoded again.
        settings: Size and quality of the frames.
        threads: How many videos are decoded at once.
        reading: Which videos are refused.
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
