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
    """The `n` videos nearest to `query` by cosine (-1..1), nearest first, the query itself left out.

    `query` is a video of the file `among`, by its path there or its file's name, or the path of any other video, which
    is embedded by `model`, the one that made the file. `space` is features or embedding; by default embedding where the
    file has it. Raises StageError if the query is missing or not unique, or the model is another.
    """
    with read_hdf5(among) as file:
        written = read_attributes(file)
        if written.get("stage") != "representation":
            raise StageError(f"{among}: it was not written by `dtc embed`")
        space = space or ("embedding" if "embedding" in file else "features")
        if space not in file:
            raise StageError(f"{among}: there is no {space} in it; its network has no such space, or no video was read")
        try:
            videos, statuses = (checked_array(file, name, TEXT).tolist() for name in ("video", "status"))
            rows = checked_array(file, space)
        except ValueError as error:
            raise StageError(f"{among}: it is damaged, or not of `dtc embed` ({error}); make it anew") from None
        if not (rows.ndim == 2 and len(videos) == len(statuses) == len(rows)):
            raise StageError(f"{among}: it is damaged, as its datasets are of different lengths; make it anew")
    places = [i for i, name in enumerate(videos) if query in (name, Path(name).name, Path(name).stem)]
    if query in videos:
        places = [videos.index(query)]
    if len(places) > 1:
        raise StageError(f"{query}: {len(places)} videos in {among} have this name; give the path")
    if places and statuses[places[0]] != "ok":
        raise StageError(f"{query}: it has no vector in {among} ({statuses[places[0]]})")
    vector = rows[places[0]] if places else _embedded(Path(query), among, written, space, model)
    candidates = [i for i, status in enumerate(statuses) if i not in places and status == "ok"]
    (nearest,), (cosines,) = nearest_rows(vector[None], rows[candidates], n)
    return [(float(cosine), videos[candidates[i]]) for i, cosine in zip(nearest, cosines, strict=True)]


def _embedded(query: Path, among: Path, written: dict[str, str], space: str, model: Path | None) -> np.ndarray:
    """The vector of a video that is not in the file, by the model and the parameters that made the file."""
    if not query.is_file():
        raise StageError(f"{query}: neither a video in {among} nor a file")
    if model is None:
        raise StageError(f"{query}: it is not in {among}; give --model, the network that made this file")
    representation = Representation.read(model)
    if representation.digest != written.get("input_model"):
        raise StageError(f"{model}: another network made {among}")
    try:
        parameters = json.loads(written["parameters"])
        clips, settings = int(parameters["clips"]), FramesSettings(short_side=int(parameters["short_side"]))
    except (KeyError, TypeError, ValueError):
        raise StageError(f"{among}: it is damaged, as its parameters cannot be read; make it anew") from None
    result = embed(query, representation, clips, settings)
    if result.status != "ok":
        raise StageError(f"{query}: {result.reason} ({result.status})")
    return result.arrays[space]
