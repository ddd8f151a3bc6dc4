"""Work kept per video, beside the artifacts: what makes every shard stage restartable and incremental.

Snakemake deletes a rule's declared outputs before it runs the rule again, so what a stage has computed lives in a
store that is not a declared output: one append-only file per shard, each record a video's id, the key of the work
(a digest of all that its result depends on) and the result. A stage computes the videos whose key is absent, then
writes its artifact anew from the store. A record torn by a kill, or damaged on disk, fails its checksum and is
computed again; everything before it is kept.

Record: magic `IDTR`, lengths of header (uint32) and body (uint64), CRC-32 of the body and of all the rest
(little-endian), then the header (JSON: id, key, outcome, arrays' names, types and shapes) and the body (the arrays'
bytes, C order).
"""

import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from workflow_scripts.stage import StageError

log = logging.getLogger(__name__)

_MAGIC = b"IDTR"
_HEAD = struct.Struct("<4sIQII")  # magic, header length, body length, CRC-32 of the body, of header and lengths


@dataclass(frozen=True)
class Result:
    """What a stage knows of one video: a status with its reason, arrays by name and small attributes."""

    status: str = "ok"
    reason: str = ""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """Where a record starts in the file, and what can be told of it without reading its arrays."""

    key: str
    offset: int
    status: str
    reason: str


def _pack(video_id: str, key: str, result: Result) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in result.arrays.items()}
    header = json.dumps(
        {
            "video_id": video_id,
            "key": key,
            "status": result.status,
            "reason": result.reason,
            "attributes": result.attributes,
            "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
        }
    ).encode()
    body = b"".join(array.tobytes() for array in arrays.values())
    sums = zlib.crc32(body), _header_sum(header, len(body))
    return _HEAD.pack(_MAGIC, len(header), len(body), *sums) + header + body


def _header_sum(header: bytes, body_length: int) -> int:
    return zlib.crc32(header, body_length & 0xFFFFFFFF)


class Store:
    """One shard's results by video id, in the append-only file at `path` (made when first written to)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, _Entry] = {}  # the newest of each video
        self._end = 0
        if path.exists():
            self._scan()

    def _scan(self) -> None:
        """Finds the records and the end of the last whole one; what follows it was torn by a kill."""
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            while self._end < size:
                head = file.read(_HEAD.size)
                if len(head) < _HEAD.size:
                    break
                magic, header_length, body_length, _, header_sum = _HEAD.unpack(head)
                end = self._end + _HEAD.size + header_length + body_length
                if magic != _MAGIC or end > size:
                    break
                header = file.read(header_length)
                if _header_sum(header, body_length) == header_sum:
                    told = json.loads(header)
                    self._records[told["video_id"]] = _Entry(told["key"], self._end, told["status"], told["reason"])
                self._end = end
                file.seek(end)
        if self._end < size:
            log.warning("%s: dropped a torn record of %d bytes at its end", self.path, size - self._end)

    def has(self, video_id: str, key: str) -> bool:
        """Whether the result of this very work is here (its bytes are checked when they are read)."""
        return video_id in self._records and self._records[video_id].key == key

    def outcome(self, video_id: str) -> tuple[str, str]:
        """Status and reason of a video that is in the store."""
        entry = self._records[video_id]
        return entry.status, entry.reason

    def read(self, video_id: str) -> Result | None:
        """The newest result of a video; None where there is none or its bytes fail their checksum."""
        if video_id not in self._records:
            return None
        with open(self.path, "rb") as file:
            file.seek(self._records[video_id].offset)
            _, header_length, body_length, body_sum, _ = _HEAD.unpack(file.read(_HEAD.size))
            header, body = file.read(header_length), file.read(body_length)
        if zlib.crc32(body) != body_sum:
            log.warning("%s: the record of %s is damaged and will be computed again", self.path, video_id)
            return None
        described = json.loads(header)
        arrays, start = {}, 0
        for name, kind, shape in described["arrays"]:
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(body, kind, count, start).reshape(shape)
            start += arrays[name].nbytes
        return Result(described["status"], described["reason"], arrays, described["attributes"])

    def append(self, video_id: str, key: str, result: Result) -> None:
        """Adds a result and syncs it to disk, over what a kill may have left behind the last whole record."""
        record = _pack(video_id, key, result)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._end)
            file.seek(self._end)
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        self._records[video_id] = _Entry(key, self._end, result.status, result.reason)
        self._end += len(record)


def _computed(todo: list[str], compute: Callable[[str], Result], threads: int) -> Iterator[tuple[str, Result]]:
    """Results as they are ready, at most two a thread in the air so that memory stays bounded."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: dict[Future[Result], str] = {}
        queue = iter(todo)
        try:
            while True:
                for name in queue:
                    waiting[pool.submit(compute, name)] = name
                    if len(waiting) >= 2 * threads:
                        break
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def process_shard(
    store: Path,
    keys: dict[str, str],
    compute: Callable[[str], Result],
    *,
    stage: str,
    threads: int = 1,
    max_failed_fraction: float = 1.0,
) -> Iterator[tuple[str, Result]]:
    """Computes what the store lacks, then yields (video_id, Result) of every video, sorted by id.

    `keys` maps each video id of the shard to the digest of all that its result depends on (use
    `identity.digest(VERSION, settings, video's bytes and mtime_ns, inputs' keys)`); `compute(video_id)` returns a
    Result, whose status is not `ok` where the video itself is at fault: such results are kept like any other, so a
    broken video is tried once. It runs in `threads` threads (decoding, OpenCV and the tracker release the GIL) and
    every result is on disk before the next is waited for. Raises StageError, with the list, when more than
    `max_failed_fraction` of the videos failed.
    """
    kept = Store(store)
    names = sorted(keys)
    todo = [name for name in names if not kept.has(name, keys[name])]
    log.info("%s: %d videos, %d of them already done", stage, len(names), len(names) - len(todo))
    for name, result in tqdm(_computed(todo, compute, threads), stage, len(todo), unit="video", disable=not todo):
        kept.append(name, keys[name], result)
        log.debug("%s: computed %s", stage, name)

    outcomes = {name: kept.outcome(name) for name in names}
    failed = {name: outcome for name, outcome in outcomes.items() if outcome[0] != "ok"}
    for name, (status, reason) in failed.items():
        log.warning("%s: %s is %s: %s", stage, name, status, reason)
    log.info("%s: n_in %d, n_ok %d, n_failed %d", stage, len(names), len(names) - len(failed), len(failed))
    if names and len(failed) / len(names) > max_failed_fraction:
        raise StageError(
            f"{stage}: {len(failed)} of {len(names)} videos failed, more than max_failed_fraction = "
            f"{max_failed_fraction} allows ({', '.join(list(failed)[:5])} ...): mend or remove them, or raise it"
        )

    for name in names:
        result_or_damage = kept.read(name)
        if result_or_damage is None:
            result_or_damage = compute(name)
            kept.append(name, keys[name], result_or_damage)
            log.debug("%s: computed %s", stage, name)
        yield name, result_or_damage


def attributes_of(row: dict[str, str]) -> dict[str, Any]:
    """The part of a shard list's row that a video's key depends on: its size and modification time."""
    return {"bytes": row["bytes"], "mtime_ns": row["mtime_ns"]}
