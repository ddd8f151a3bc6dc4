"""Reads the CSV or JSON annotations of Kinetics-400, 600 and 700.

Kinetics has one split. Its validation part is the test part here, as in papers. Its own test part, whose labels were
not published at first, is in neither part.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts.layout import Annotated
from workflow_scripts.videos.text_tables import read_table

_PARTS = {"tra": "train", "val": "test"}  # by the first letters: train, training, val, validate, validation


def read_videos(place: Path) -> list[Annotated]:
    """Returns the labelled videos of a CSV or JSON file, or of all such files in a folder.

    If a folder has both kinds, only the CSV files are read, because the JSON files hold the same. Releases share most
    of their clips: a clip in several files is one video, annotated as in the first file by name. Video files are named
    `<YouTube id>_<start>_<end>`, with or without six digits, or only `<YouTube id>`. For training on videos without a
    label, use another layout.
    """
    paths = [place]
    if place.is_dir():
        files = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        by_kind = {kind: [path for path in files if path.suffix.lower() == kind] for kind in (".csv", ".json")}
        paths = by_kind[".csv"] or by_kind[".json"]
        if not paths:
            raise StageError(f"{place}: it holds no *.csv or *.json file; give the annotations as `annotations`")
    videos: dict[tuple[str, int, int], Annotated] = {}
    for path in paths:
        read = _read_json if path.suffix.lower() == ".json" else _read_csv
        for youtube_id, label, start, end, part in read(path):
            clip = youtube_id, start, end
            names = f"{youtube_id}_{start:06d}_{end:06d}", f"{youtube_id}_{start}_{end}", youtube_id
            use = _PARTS.get(part[:3].lower())
            if label:
                videos.setdefault(clip, Annotated(names, label, youtube_id, ((1, use),) if use else ()))
    if not videos:
        raise StageError(f"{place}: no video in the annotations has a label; give annotations of a part with labels")
    return list(videos.values())


_LARGEST_JSON = 2**28  # bytes: 268 for each of a million videos

_Row = tuple[str, str, int, int, str]  # id, label, start, end in seconds, part


def _read_csv(path: Path) -> Iterator[_Row]:
    for number, row in read_table(path, {"youtube_id", "time_start", "time_end"}).rows:
        try:
            times = int(float(row["time_start"])), int(float(row["time_end"]))
        except (ValueError, OverflowError):
            raise StageError(
                f"{path}, line {number}: time_start and time_end must be seconds, not {row['time_start']!r} and "
                f"{row['time_end']!r}; correct or remove the line"
            ) from None
        yield row["youtube_id"], row.get("label", ""), *times, row.get("split") or path.stem


def _read_json(path: Path) -> Iterator[_Row]:
    try:
        if not 0 < path.stat().st_size <= _LARGEST_JSON:  # the whole file is held in memory
            raise ValueError(f"it has {path.stat().st_size} bytes, not 1 to {_LARGEST_JSON}")
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8-sig"))
        for youtube_id, entry in entries.items():
            annotation = entry["annotations"]
            start, end = (int(float(time)) for time in annotation["segment"])
            yield youtube_id, annotation.get("label", "").strip(), start, end, entry.get("subset", path.stem)
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StageError(f"{path}: it is not the JSON of a Kinetics release ({error!r}); download it again") from error
