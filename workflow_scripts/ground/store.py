"""Work kept per video, beside the artifacts: what makes every shard stage restartable and incremental.

Snakemake deletes a rule's declared outputs before it runs the rule again, so what a stage has computed lives in a
store that is not a declared output: one append-only file per shard, each record a video's id, the key of the work
(a digest of all that its result depends on) and the result. A stage computes the videos whose key is absent, then
writes its artifact anew from the store.

What a kill costs: the videos in hand, as many as there are threads, twice at most; a result that was appended is the
system's at once. What the death of the machine costs: besides, the results of the last second or two, for the file is
synced once a second. A torn or damaged record fails its checksums and is computed again; all others are kept. When
less than half of the file is still of use (other keys, videos that are gone), it is written anew. One process works
on a store at a time: it holds a lock, and where the file system has no locks it stops when another hand writes.

Record: magic `IDTR`, lengths of header (uint32) and body (uint64), CRC-32 of the body and of all the rest
(little-endian), then the header (JSON: id, key, outcome, arrays' names, types and shapes) and the body (the arrays'
bytes, C order).
"""

import errno
import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from idt_tools.reading import ReadingFailed
from idt_tools.whole_file import open_locked, whole_file
from workflow_scripts.ground.stage import StageError, cannot_write

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
_MAGIC = b"IDTR"
_HEAD = struct.Struct("<4sIQII")  # magic, header length, body length, CRC-32 of the body, of header and lengths
_LONGEST_HEADER = 2**20
_NAMED_FAILURES = 10  # on the terminal; the log has all


@dataclass(frozen=True)
class Result:
    """What a stage knows of one video: a status with its reason, arrays by name and small attributes."""

    status: str = "ok"
    reason: str = ""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, str | int | float] = field(default_factory=dict)


class UnreadVideos(StageError):
    """Videos of a shard that the system could not read just now; `reasons`: the file and why, by id.

    The results of the others are in the store. `indexed`: whether an index lists the videos, which then has to be made
    again where files were removed.
    """

    def __init__(self, stage: str, reasons: dict[str, str], n_videos: int, *, indexed: bool = True) -> None:
        first = "; ".join([*dict.fromkeys(reasons.values())][:_NAMED_FAILURES])
        more = "; the log names all" if len({*reasons.values()}) > _NAMED_FAILURES else ""
        is_gone = indexed and any(reason.endswith("there is no such file") for reason in reasons.values())
        index_again = "; after files were removed, type --forcerun videos behind it once" if is_gone else ""
        super().__init__(
            f"{stage}: {len(reasons)} of {n_videos} videos could not be read just now ({first}{more}); run the same "
            f"command again, which reads them and keeps the others{index_again}"
        )
        self.reasons = reasons


class _Entry(NamedTuple):
    """Where a record lies in the file, and what can be told of it without reading its arrays."""

    key: str
    offset: int
    length: int
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
    return b"".join((_HEAD.pack(_MAGIC, len(header), len(body), *sums), header, body))


def _header_sum(header: bytes, body_length: int) -> int:
    return zlib.crc32(header, body_length & 0xFFFFFFFF)


def _unpack(record: memoryview) -> Result | None:
    """The result in a record; None where its bytes fail their checksums."""
    magic, header_length, body_length, body_sum, header_sum = _HEAD.unpack_from(record)
    header = bytes(record[_HEAD.size : _HEAD.size + header_length])
    body = record[_HEAD.size + header_length :]
    if magic != _MAGIC or _header_sum(header, body_length) != header_sum or zlib.crc32(body) != body_sum:
        return None
    told = json.loads(header)
    arrays, start = {}, 0
    for name, kind, shape in told["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, kind, count, start).reshape(shape)
        start += arrays[name].nbytes
    return Result(told["status"], told["reason"], arrays, told["attributes"])


class Store:
    """One shard's results by video id, in the file at `path`, made where it is not there; a context manager.

    The file stays open, and locked, until the block ends. Raises StageError where another process works on it, or it
    cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, _Entry] = {}  # the newest of each video
        self._end = 0
        self._synced_at = time.monotonic()
        self._is_synced = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "r+", opener=lambda name, flags: open_locked(path))
            self._scan()
        except OSError as error:
            raise cannot_write(path, error) from error

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exception: object) -> None:
        with self._file:
            self.sync()

    def _scan(self) -> None:
        """Finds the records, and drops what a kill has left behind the last whole one."""
        size, place, damaged = os.fstat(self._file.fileno()).st_size, 0, 0
        with open(self._file.fileno(), "rb", closefd=False) as file:
            while place < size:
                found = self._entry_at(file, place, size)
                if found:
                    video_id, entry = found
                    self._records[video_id] = entry
                    damaged += place - self._end
                    self._end = place = place + entry.length
                else:
                    place = self._next_magic(file, place + 1, size)
        if damaged:
            log.warning("%s: %d bytes are damaged; what they held is computed again", self.path, damaged)
        if self._end < size:
            log.warning("%s: dropped a torn record of %d bytes at its end", self.path, size - self._end)
            self._file.truncate(self._end)

    @staticmethod
    def _entry_at(file: BufferedReader, offset: int, size: int) -> tuple[str, _Entry] | None:
        """The record that starts here, by video id; None where there is none that is whole."""
        file.seek(offset)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        magic, header_length, body_length, _, header_sum = _HEAD.unpack(head)
        length = _HEAD.size + header_length + body_length
        if magic != _MAGIC or header_length > _LONGEST_HEADER or offset + length > size:
            return None
        header = file.read(header_length)
        if _header_sum(header, body_length) != header_sum:
            return None
        told = json.loads(header)
        return told["video_id"], _Entry(told["key"], offset, length, told["status"], told["reason"])

    @staticmethod
    def _next_magic(file: BufferedReader, offset: int, size: int) -> int:
        """Where the next record may start; `size` where none does."""
        while offset < size:
            file.seek(offset)
            block = file.read(2**20)
            place = block.find(_MAGIC)
            if place >= 0:
                return offset + place
            offset += max(len(block) - len(_MAGIC) + 1, 1)
        return size

    def has(self, video_id: str, key: str) -> bool:
        """Whether the result of this very work is here (its bytes are checked when they are read)."""
        return video_id in self._records and self._records[video_id].key == key

    def outcome(self, video_id: str) -> tuple[str, str]:
        """Status and reason of a video that is in the store."""
        entry = self._records[video_id]
        return entry.status, entry.reason

    def read(self, video_id: str) -> Result | None:
        """The newest result of a video; None where there is none or its bytes fail their checksums."""
        if video_id not in self._records:
            return None
        result = _unpack(self._bytes_of(self._records[video_id]))
        if result is None:
            log.warning("%s: the record of %s is damaged and is computed again", self.path, video_id)
        return result

    def _bytes_of(self, entry: _Entry) -> memoryview:
        """A record as it lies in the file; zeros where it cannot be read, which no checksum fits."""
        record = memoryview(bytearray(entry.length))
        place = 0
        try:
            while count := os.preadv(self._file.fileno(), [record[place:]], entry.offset + place):
                place += count
        except OSError as error:
            log.warning("%s: %s", self.path, error.strerror)
        return record

    def append(self, video_id: str, key: str, result: Result) -> None:
        """Adds a result, which outlives this process from now on, and the machine once it is synced.

        Raises StageError where the disk is full or another process writes to the file; what is in it stays.
        """
        record = memoryview(_pack(video_id, key, result))
        descriptor = self._file.fileno()
        if os.fstat(descriptor).st_size != self._end:
            raise cannot_write(self.path, BlockingIOError(errno.EAGAIN, "another process is writing it"))
        try:
            place = 0
            while place < len(record):
                place += os.pwrite(descriptor, record[place:], self._end + place)
        except OSError as error:
            self._file.truncate(self._end)
            raise cannot_write(self.path, error) from error
        self._records[video_id] = _Entry(key, self._end, len(record), result.status, result.reason)
        self._end += len(record)
        self._is_synced = False
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Waits until all that was appended is on the disk."""
        if self._is_synced:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._is_synced, self._synced_at = True, time.monotonic()

    def compact(self, video_ids: Iterable[str]) -> None:
        """Writes the file anew with the newest records of `video_ids` alone, where less than half of it is theirs.

        The last thing to do with a store: what is appended after it goes to the file that was.
        """
        entries = sorted((self._records[video_id] for video_id in video_ids), key=lambda entry: entry.offset)
        used = sum(entry.length for entry in entries)
        if 2 * used >= self._end:
            return
        try:
            with whole_file(self.path) as file:
                for entry in entries:
                    file.write(self._bytes_of(entry))
            log.info("%s: written anew, %d bytes in place of %d", self.path, used, self._end)
        except OSError as error:  # the long file serves as well
            log.warning("%s: not shortened: %s", self.path, error.strerror)


def _computed(
    todo: list[str], compute: Callable[[str], Result], threads: int, while_waiting: Callable[[], None]
) -> Iterator[tuple[str, Result | ReadingFailed]]:
    """Results as they are ready, at most two a thread in the air so that memory stays bounded.

    The system's error in place of a result where it could not read the video just now, or has no memory for it.
    """

    def attempt(name: str) -> Result | ReadingFailed:
        try:
            return compute(name)
        except ReadingFailed as error:
            return error
        except MemoryError:
            return ReadingFailed(name, os.strerror(errno.ENOMEM))

    pool = ThreadPoolExecutor(threads)
    waiting: dict[Future[Result | ReadingFailed], str] = {}
    queue = iter(todo)
    try:
        while True:
            for name in queue:
                waiting[pool.submit(attempt, name)] = name
                if len(waiting) >= 2 * threads:
                    break
            if not waiting:
                return
            done, _ = wait(waiting, SYNC_SECONDS, FIRST_COMPLETED)
            if not done:
                while_waiting()
            for future in sorted(done, key=lambda future: future.exception() is not None):  # what is done, first
                yield waiting.pop(future), future.result()
    finally:  # without waiting for what is being computed: Ctrl-C means now
        pool.shutdown(wait=False, cancel_futures=True)


def process_shard(
    store: Path,
    keys: dict[str, str],
    compute: Callable[[str], Result],
    *,
    stage: str,
    threads: int = 1,
    max_failed_fraction: float = 1.0,
    unread: Mapping[str, ReadingFailed] | None = None,
) -> Iterator[tuple[str, Result]]:
    """Computes what the store lacks, then yields (video_id, Result) of every video, sorted by id.

    `keys` maps each video id of the shard to the digest of all that its result depends on (use
    `identity.digest(VERSION, settings, video's bytes and mtime_ns, inputs' keys)`); `compute(video_id)` returns a
    Result, whose status is not `ok` where the video itself is at fault: such results are kept like any other, so a
    broken video is tried once. Where the system is at fault (ReadingFailed, MemoryError) nothing is kept: the other
    videos are computed, and UnreadVideos is raised with the list, to which those of `unread` belong
    (`work_keys`); the next run tries those again. Any other exception is a mistake of the stage, and stops
    it. `compute` runs in `threads` threads (decoding, OpenCV and the tracker release the GIL) and every result is in
    the store before the next is waited for. Raises StageError when more than `max_failed_fraction` of the videos failed
    (the log has the list), and where the store is another process's or cannot be written.
    """
    names = sorted(keys)
    n_videos = len(names) + len(unread or {})
    reasons = {name: str(error) for name, error in (unread or {}).items()}
    for name, reason in reasons.items():
        log.warning("%s: %s: %s", stage, name, reason)
    with Store(store) as results:

        def computed(of: list[str]) -> Iterator[tuple[str, Result]]:
            for name, outcome in _computed(of, compute, threads, results.sync):
                if isinstance(outcome, ReadingFailed):
                    reasons[name] = str(outcome)
                    log.warning("%s: %s: %s", stage, name, reasons[name])
                else:
                    results.append(name, keys[name], outcome)
                    counts["n_done"] += 1
                    log.debug("%s: computed %s", stage, name, extra={"outcome": counts})
                    yield name, outcome

        todo = [name for name in names if not results.has(name, keys[name])]
        counts = {"n_videos": n_videos, "n_done": len(names) - len(todo)}
        log.info("%s: %d videos, %d of them already done", stage, n_videos, counts["n_done"], extra={"outcome": counts})
        for _ in tqdm(computed(todo), stage, len(todo), unit="video", disable=not todo):
            pass
        if reasons:
            raise UnreadVideos(stage, reasons, n_videos)
        _report_failures({name: results.outcome(name) for name in names}, stage, max_failed_fraction)
        for name in names:
            result = results.read(name) or dict(computed([name])).get(name)
            if result is None:
                raise UnreadVideos(stage, reasons, n_videos)
            yield name, result
        results.compact(names)


def _report_failures(outcomes: dict[str, tuple[str, str]], stage: str, max_failed_fraction: float) -> None:
    """Tells which videos failed and why. Raises StageError where they are too many."""
    failed = {name: outcome for name, outcome in outcomes.items() if outcome[0] != "ok"}
    for number, (name, (status, reason)) in enumerate(failed.items()):
        level = logging.WARNING if number < _NAMED_FAILURES else logging.DEBUG
        log.log(level, "%s: %s is %s: %s", stage, name, status, reason)
    if len(failed) > _NAMED_FAILURES:
        log.warning("%s: ... and %d more, which the log names", stage, len(failed) - _NAMED_FAILURES)
    videos = {"failed": tuple((name, *outcome) for name, outcome in failed.items())}
    n_failed = len(failed)
    log.info(
        "%s: n_in %d, n_ok %d, n_failed %d",
        *(stage, len(outcomes), len(outcomes) - n_failed, n_failed),
        extra={"outcome": videos},
    )
    if outcomes and len(failed) / len(outcomes) > max_failed_fraction:
        raise StageError(
            f"{stage}: {len(failed)} of {len(outcomes)} videos failed, more than max_failed_fraction = "
            f"{max_failed_fraction} allows ({', '.join(list(failed)[:5])}{' ...' if len(failed) > 5 else ''}; the log "
            "names all): mend or remove them, or raise it"
        )
