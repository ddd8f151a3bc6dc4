"""Stage: encodes the trajectories of each video of a shard as one sketch or one Fisher vector (paper 3.3).

In:  codebook.h5, and trajectories/{descriptors}/{shard}.h5 with /{video_id}/descriptors (n, 426) float16. If that file
     holds only the sampled videos, the other videos are tracked here.
Out: encoding/{descriptors}/{shard}.h5: video_id (n,), sketch (n, 2000) float32, n_trajectories (n,), status (n,) and
     reason (n,). Each video of the shard has a row; rows are sorted by id. The sketch of a failed video is zero.
     encoding/{descriptors}/fisher/{shard}.h5 has `fisher` (n, 2KD) float32 instead of `sketch`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from idt_tools.attributes import read_attributes
from idt_tools.codebook import Codebook, Encoder
from idt_tools.tracked import Undescribed
from workflow_scripts.encoding.settings import VERSIONS
from workflow_scripts.ground.artifacts import dataset, read_hdf5, write_hdf5
from workflow_scripts.ground.identity import digest
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.ground.stage import StageError, command_line
from workflow_scripts.ground.work_keys import keys_by_video
from workflow_scripts.trajectories.describe_video import Video, shard_videos
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.settings import READING, ReadingSettings

READ_ROWS = 16384  # descriptors per read: 13 MiB


def stored_descriptors(path: Path, video_id: str) -> Iterator[np.ndarray]:
    """Yields blocks (n, 426) of a video's descriptors from a trajectories file. Raises Undescribed if it has none."""
    with read_hdf5(path) as file:
        video = file[video_id]
        outcome = read_attributes(video)
        if outcome["status"] != "ok":
            raise Undescribed(outcome["status"], outcome["reason"])
        rows = video["descriptors"]
        if not len(rows):
            raise Undescribed("no_trajectories", "its trajectories file holds none")
        for first in range(0, len(rows), READ_ROWS):
            yield rows[first : first + READ_ROWS]


def encode_video(descriptors: Iterable[np.ndarray], codebook: Encoder, fisher: bool = False) -> Result:
    """Returns a video's sketch or Fisher vector.

    Args:
        descriptors: Blocks (n, 426).
        codebook: The codebook.
        fisher: Return the Fisher vector instead of the sketch.

    Returns:
        Array `sketch` (2000,) or `fisher` (2KD,) float32, and attribute `n_trajectories`; a status other than `ok` if
        the video has no descriptors or if they are not finite.
    """
    n_trajectories = 0

    def counted_blocks() -> Iterator[np.ndarray]:
        nonlocal n_trajectories
        for block in descriptors:
            n_trajectories += len(block)
            yield block

    try:
        vector = codebook.fisher(counted_blocks()) if fisher else codebook.encode(counted_blocks())
    except Undescribed as error:
        return Result(error.status, error.reason)
    if not np.isfinite(vector).all():
        return Result("not_finite", "a descriptor is not a finite number")
    return Result(arrays={"fisher" if fisher else "sketch": vector}, attributes={"n_trajectories": n_trajectories})


def encode_shard(
    trajectories: Path,
    codebook: Path,
    output: Path,
    store: Path,
    settings: TrajectoriesSettings,
    videos: Path | None = None,
    boxes: Path | None = None,
    fisher: bool = False,
    threads: int = 1,
    reading: ReadingSettings = READING,
) -> None:
    """Encodes the videos of a shard with a codebook. Memory does not grow with the length of a video.

    Args:
        trajectories: The trajectories of all videos of the shard, or only of the sampled videos.
        codebook: The codebook.
        output: The HDF5 file to write.
        store: The record file of the shard. Results in it are not computed again.
        settings: How videos without stored trajectories are tracked. Their sketches equal those of stored trajectories.
        videos: The list of the shard's videos, if `trajectories` holds only the sampled videos.
        boxes: The boxes of persons to mask in the videos that are tracked here.
        fisher: Write Fisher vectors instead of sketches.
        threads: How many videos are encoded at once.
        reading: Which videos are refused.

    Raises:
        StageError: The codebook cannot be read.
    """
    try:
        book = Codebook.load(codebook)
    except ValueError as error:
        raise StageError(f"{error}; delete it and run again") from error
    codebook_digest = book.digest()
    with read_hdf5(trajectories) as file:
        stored_keys = {video_id: read_attributes(file[video_id])["key"] for video_id in file}
    listed: dict[str, Video] = shard_videos(videos, settings, boxes, reading) if videos else {}
    tracked_keys, unread = keys_by_video(
        (video_id for video_id in listed if video_id not in stored_keys), lambda video_id: listed[video_id].key
    )
    stage = "fisher_vectors" if fisher else "encoding"  # the name of the rule, from which `dtc status` finds the log
    prefix = (stage, VERSIONS["encode_shard"], codebook_digest)
    keys = {video_id: digest(*prefix, key) for video_id, key in (tracked_keys | stored_keys).items()}

    def compute(video_id: str) -> Result:
        if video_id in stored_keys:
            return encode_video(stored_descriptors(trajectories, video_id), book, fisher)
        return encode_video((block.descriptors for block in listed[video_id].trajectories()), book, fisher)

    with threadpool_limits(1):  # one thread per product, so that the bytes do not depend on the number of cores
        results = process_shard(store, keys, compute, stage=stage, threads=threads, unread=unread)
        _write_encodings(output, book, codebook_digest, keys, results, fisher)


def _write_encodings(
    output: Path,
    codebook: Encoder,
    codebook_digest: str,
    keys: dict[str, str],
    results: Iterable[tuple[str, Result]],
    fisher: bool,
) -> None:
    """Writes the vectors and the outcomes of a shard; `results` are sorted by video id."""
    vector, dimension = ("fisher", len(codebook.sketch_hash)) if fisher else ("sketch", codebook.sketch_dimension)
    vectors = np.zeros((len(keys), dimension), np.float32)
    counts = np.zeros(len(keys), np.int64)
    outcomes = []
    for row, (_, result) in enumerate(results):
        outcomes.append((result.status, result.reason))
        if result.status == "ok":
            vectors[row] = result.arrays[vector]
            counts[row] = result.attributes["n_trajectories"]
    meaning = "normalised Fisher vector" if fisher else "count sketch of the normalised Fisher vector"
    with write_hdf5(
        output,
        stage="encoding.encode_shard",
        version=VERSIONS["encode_shard"],
        parameters=codebook.parameters,
        codebook=codebook_digest,
        trajectories=digest(keys),
    ) as file:
        dataset(file, "video_id", sorted(keys), meaning="ids of the shard's videos, sorted")
        dataset(file, vector, vectors, meaning=f"{meaning}; zeros where it failed")
        dataset(file, "n_trajectories", counts, unit="trajectories", meaning="descriptors that the sketch averages")
        dataset(file, "status", [status for status, _ in outcomes], meaning="ok, or why there is no sketch")
        dataset(file, "reason", [reason for _, reason in outcomes], meaning="the same in words")


if __name__ == "__main__":
    command_line(encode_shard)
