"""`dtc neighbours`: the videos in a file of `dtc embed` whose vectors are nearest to that of a video."""

import json
from pathlib import Path

import numpy as np

from idt_tools.attributes import read_attributes
from idt_tools.untrusted_hdf5 import TEXT, checked_array
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.ground.artifacts import read_hdf5
from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.vectors import nearest_rows
from workflow_scripts.representation.embed_videos import Representation, embed


def find_neighbours(
    query: str, among: Path, *, n: int = 10, space: str = "", model: Path | None = None
) -> list[tuple[float, str]]:
    """The videos nearest to a video, without the video itself.

    Args:
        query: A video of the file, by its path or its file's name; or the path of any other video.
        among: A file of `dtc embed`.
        n: Videos to return.
        space: features or embedding; by default embedding if the file has it.
        model: The model that made the file, to embed a query that is not in the file.

    Returns:
        The cosine (-1..1) and the path of each video, nearest first.

    Raises:
        StageError: The file cannot be used, the query is missing or ambiguous, or another model made the file.
    """
    with read_hdf5(among) as file:
        written = read_attributes(file)
        if written.get("stage") != "representation":
            raise StageError(f"{among}: it was not written by `dtc embed`")
        space = space or ("embedding" if "embedding" in file else "features")
        if space not in file:
            raise StageError(f"{among}: it has no {space}: the network has none, or no video could be read")
        try:
            videos, statuses = (checked_array(file, name, TEXT).tolist() for name in ("video", "status"))
            rows = checked_array(file, space)
        except ValueError as error:
            raise StageError(
                f"{among}: it is damaged, or was not written by `dtc embed` ({error}); write it again"
            ) from None
        if not (rows.ndim == 2 and len(videos) == len(statuses) == len(rows)):
            raise StageError(f"{among}: it is damaged: its datasets have different lengths; write it again")
    matches = [i for i, name in enumerate(videos) if query in (name, Path(name).name, Path(name).stem)]
    if query in videos:
        matches = [videos.index(query)]
    if len(matches) > 1:
        raise StageError(f"{query}: {len(matches)} videos in {among} have this name; give the path")
    if matches and statuses[matches[0]] != "ok":
        raise StageError(f"{query}: it has no vector in {among} ({statuses[matches[0]]})")
    vector = rows[matches[0]] if matches else _embedded(Path(query), among, written, space, model)
    candidates = [i for i, status in enumerate(statuses) if i not in matches and status == "ok"]
    (nearest,), (cosines,) = nearest_rows(vector[None], rows[candidates], n)
    return [(float(cosine), videos[candidates[i]]) for i, cosine in zip(nearest, cosines, strict=True)]


def _embedded(query: Path, among: Path, written: dict[str, str], space: str, model: Path | None) -> np.ndarray:
    """The vector of a video that is not in the file, from the model and with the parameters of the file."""
    if not query.is_file():
        raise StageError(f"{query}: it is neither a video in {among} nor a file")
    if model is None:
        raise StageError(f"{query}: it is not in {among}; give --model, the network that made this file")
    representation = Representation.read(model)
    if representation.digest != written.get("input_model"):
        raise StageError(f"{model}: another network made {among}")
    try:
        parameters = json.loads(written["parameters"])
        clips, settings = int(parameters["clips"]), FramesSettings(short_side=int(parameters["short_side"]))
    except (KeyError, TypeError, ValueError):
        raise StageError(f"{among}: it is damaged: its parameters cannot be read; write it again") from None
    result = embed(query, representation, clips, settings)
    if result.status != "ok":
        raise StageError(f"{query}: {result.reason} ({result.status})")
    return result.arrays[space]
