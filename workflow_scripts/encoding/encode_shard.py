"""Encodes the videos of a shard: trajectories to one sketch each (paper 3.3).

In:  trajectories/{features}/{shard}.h5, /{video_id}/descriptors (n, 426) float16, and codebook.h5.
Out: encoding/{features}/{shard}.h5: video_id (n,), sketch (n, 2000) float32, n_trajectories (n,), status (n,) and
     reason (n,). Every video of the shard has its row, sorted by id; one that failed has a sketch of zeros.
"""

from pathlib import Path

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from idt_tools.codebook import Codebook
from workflow_scripts.artifacts import dataset, write_hdf5
from workflow_scripts.encoding.settings import VERSION
from workflow_scripts.identity import digest
from workflow_scripts.stage import StageError, command_line
from workflow_scripts.store import Result, process_shard

READ_ROWS = 16384  # descriptors read at a time: 13 MiB


def encode_video(path: Path, video_id: str, codebook: Codebook) -> Result:
    """The sketch of a video of the trajectories file at `path`, or the status it failed with."""
    with h5py.File(path, "r") as file:
        video = file[video_id]
        if video.attrs["status"] != "ok":
            return Result(str(video.attrs["status"]), str(video.attrs["reason"]))
        rows = video["descriptors"]
        if len(rows) == 0:
            return Result("no_trajectories", "its trajectories file holds none")
        sketch = codebook.encode(rows[first : first + READ_ROWS] for first in range(0, len(rows), READ_ROWS))
        if not np.isfinite(sketch).all():
            return Result("not_finite", "a descriptor is not a finite number")
        return Result(arrays={"sketch": sketch}, attributes={"n_trajectories": len(rows)})


def encode_shard(trajectories: Path, codebook: Path, output: Path, store: Path, threads: int = 1) -> None:
    """Encodes every video of a trajectories file with a codebook; computes those alone that `store` lacks.

    All that the sketches depend on is in the codebook, so there are no settings. Raises StageError where it cannot
    be read.
    """
    try:
        book = Codebook.load(codebook)
    except ValueError as error:
        raise StageError(f"{error}; delete it and run again") from error
    content = book.digest()
    with h5py.File(trajectories, "r") as file:
        keys = {video_id: digest("encoding", VERSION, content, str(file[video_id].attrs["key"])) for video_id in file}

    sketches = np.zeros((len(keys), book.sketch_dimension), np.float32)
    counts = np.zeros(len(keys), np.int64)
    outcomes = []
    with threadpool_limits(1):  # cores share the videos; one thread a product, for the same bytes on any number
        encoded = process_shard(
            store,
            keys,
            lambda video_id: encode_video(trajectories, video_id, book),
            stage="encoding",
            threads=threads,
        )
        for row, (_, result) in enumerate(encoded):
            outcomes.append((result.status, result.reason))
            if result.status == "ok":
                sketches[row] = result.arrays["sketch"]
                counts[row] = result.attributes["n_trajectories"]

    with write_hdf5(
        output,
        stage="encoding.encode_shard",
        version=VERSION,
        parameters={"components": len(book.gmm_weights), "axes": len(book.pca_components)},
        codebook=content,
        trajectories=digest(keys),
    ) as file:
        dataset(file, "video_id", sorted(keys), meaning="ids of the shard's videos, sorted")
        dataset(
            file,
            "sketch",
            sketches,
            meaning="count sketch of the normalised Fisher vector; zeros where it failed",
        )
        dataset(
            file,
            "n_trajectories",
            counts,
            unit="trajectories",
            meaning="descriptors that the sketch averages",
        )
        dataset(file, "status", [status for status, _ in outcomes], meaning="ok, or why there is no sketch")
        dataset(file, "reason", [reason for _, reason in outcomes], meaning="the same in words")


if __name__ == "__main__":
    command_line(encode_shard)
