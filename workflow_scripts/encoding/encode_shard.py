"""Encodes the videos of a shard: trajectories to one sketch each, or to the whole Fisher vector (paper 3.3).

In:  codebook.h5, and trajectories/{descriptors}/{shard}.h5, /{video_id}/descriptors (n, 426) float16. Where only the
     sampled videos' trajectories are kept, those of the others come from their videos as they are tracked.
Out: encoding/{descriptors}/{shard}.h5: video_id (n,), sketch (n, 2000) float32, n_trajectories (n,), status (n,) and
     reason (n,). Every video of the shard has its row, sorted by id; one that failed has a sketch of zeros. Or
     encoding/{descriptors}/fisher/{shard}.h5, the same with `fisher` (n, 2KD) float32 in place of `sketch`.
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

READ_ROWS = 16384  # descriptors read at a time: 13 MiB


def kept_descriptors(path: Path, video_id: str) -> Iterator[np.ndarray]:
    """Blocks (n, 426) of a video's descriptors from a trajectories file. Raises Undescribed where there are none."""
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
    """The sketch, or the Fisher vector, of a video from blocks of its descriptors, or the status it failed with."""
    n_trajectories = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal n_trajectories
        for block in descriptors:
            n_trajectories += len(block)
            yield block

    try:
        vector = codebook.fisher(counted()) if fisher else codebook.encode(counted())
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
    """Encodes every video of a trajectories file, and the other videos of the list `videos`, with a codebook.

    Results that are in `store` are not computed again. Memory grows neither with the number nor with the length of the
    videos.

    Args:
        trajectories: The trajectories of the shard, of all its videos or of the sampled videos alone.
        codebook: The codebook.
        output: The HDF5 file that is written.
        store: Folder of the results of single videos.
        settings: How videos without stored trajectories are tracked. Their sketches are the same either way.
        videos: The list of the shard's videos, if the file holds the trajectories of the sampled videos alone.
        boxes: The boxes of persons that are masked in the videos that are tracked here.
        fisher: Write Fisher vectors in place of sketches.
        threads: Videos that are encoded at a time.
        reading: Which videos are refused.

    Raises:
        StageError: The codebook cannot be read.
    """
    try:
        book = Codebook.load(codebook)
    except ValueError as error:
        raise StageError(f"{error}; delete it and run again") from error
    content = book.digest()
    with read_hdf5(trajectories) as file:
        kept = {video_id: read_attributes(file[video_id])["key"] for video_id in file}
    listed: dict[str, Video] = shard_videos(videos, settings, boxes, reading) if videos else {}
    tracked, unread = keys_by_video((name for name in listed if name not in kept), lambda name: listed[name].key)
    sources = tracked | kept
    stage = "fisher_vectors" if fisher else "encoding"  # the rule, by which `make status` finds the log
    keys = {video_id: digest(stage, VERSIONS["encode_shard"], content, source) for video_id, source in sources.items()}

    def compute(video_id: str) -> Result:
        if video_id in kept:
            return encode_video(kept_descriptors(trajectories, video_id), book, fisher)
        return encode_video((block.descriptors for block in listed[video_id].trajectories()), book, fisher)

    name, dimension = ("fisher", len(book.sketch_hash)) if fisher else ("sketch", book.sketch_dimension)
    vectors = np.zeros((len(keys), dimension), np.float32)
    counts = np.zeros(len(keys), np.int64)
    outcomes = []
    with threadpool_limits(1):  # cores share the videos; one thread a product, for the same bytes on any number
        encoded = process_shard(store, keys, compute, stage=stage, threads=threads, unread=unread)
        for row, (_, result) in enumerate(encoded):
            outcomes.append((result.status, result.reason))
            if result.status == "ok":
                vectors[row] = result.arrays[name]
                counts[row] = result.attributes["n_trajectories"]
    _write_encodings(output, book, content, keys, {name: vectors, "n_trajectories": counts}, outcomes)


def _write_encodings(
    output: Path,
    codebook: Encoder,
    codebook_digest: str,
    keys: dict[str, str],
    arrays: dict[str, np.ndarray],
    outcomes: list[tuple[str, str]],
) -> None:
    """Writes the vectors and the outcomes of a shard; the videos are sorted by id."""
    meanings = {
        "sketch": "count sketch of the normalised Fisher vector; zeros where it failed",
        "fisher": "normalised Fisher vector; zeros where it failed",
        "n_trajectories": "descriptors that the sketch averages",
    }
    with write_hdf5(
        output,
        stage="encoding.encode_shard",
        version=VERSIONS["encode_shard"],
        parameters=codebook.parameters,
        codebook=codebook_digest,
        trajectories=digest(keys),
    ) as file:
        dataset(file, "video_id", sorted(keys), meaning="ids of the shard's videos, sorted")
        for name, array in arrays.items():
            unit = "trajectories" if name == "n_trajectories" else ""
            dataset(file, name, array, unit=unit, meaning=meanings[name])
        dataset(file, "status", [status for status, _ in outcomes], meaning="ok, or why there is no sketch")
        dataset(file, "reason", [reason for _, reason in outcomes], meaning="the same in words")


if __name__ == "__main__":
    command_line(encode_shard)
