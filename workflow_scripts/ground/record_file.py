"""The record file of a shard: the result of each video, appended as soon as it is computed.

Snakemake deletes a rule's declared outputs before it runs the rule again. A shard stage therefore keeps its results in
a record file in a folder `.store`, which is not a declared output. The stage computes the videos whose key is absent
from that file, then writes its artifact from it (`process_shard`).

A record holds a video's id, the key of the work (a digest of all that the result depends on) and the result. An
appended record survives the death of the process at once, and a crash of the machine after the next sync (at most
SYNC_SECONDS later). A torn or damaged record fails its checksums; its video is computed again and all other records
stay. `compact` rewrites the file when less than half of it is in use. One process at a time has the file: it holds a
lock. On a file system without locks, it stops if another process appends to the file.

Layout of a record, little-endian: magic `IDTR`, length of the header (uint32), length of the body (uint64), CRC-32 of
the body, CRC-32 of header and body length, header (JSON: video_id, key, status, reason, attributes, and the name, type
and shape of each array), body (the bytes of the arrays in C order).
"""

import errno
import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from idt_tools.whole_file import open_locked, whole_file
from workflow_scripts.ground.stage import cannot_write

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
_MAGIC = b"IDTR"
_PREFIX = struct.Struct("<4sIQII")  # magic, header length, body length, CRC-32 of the body, CRC-32 of the header
_MAX_HEADER_BYTES = 2**20


@dataclass(frozen=True)
class Result:
    """The result of a stage for one video: a status with its reason, arrays by name and small attributes."""

    status: str = "ok"
    reason: str = ""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, str | int | float] = field(default_factory=dict)


class _Entry(NamedTuple):
    """The place of a record in the file, with the fields of its header that are needed without its arrays."""

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
    checksums = zlib.crc32(body), _header_checksum(header, len(body))
    return b"".join((_PREFIX.pack(_MAGIC, len(header), len(body), *checksums), header, body))


def _header_checksum(header: bytes, body_length: int) -> int:
    return zlib.crc32(header, body_length & 0xFFFFFFFF)


def _unpack(record: memoryview) -> Result | None:
    """Returns the result in a record; None if its bytes fail a checksum."""
    magic, header_length, body_length, body_checksum, header_checksum = _PREFIX.unpack_from(record)
    header_bytes = bytes(record[_PREFIX.size : _PREFIX.size + header_length])
    body = record[_PREFIX.size + header_length :]
    if (magic, header_checksum) != (_MAGIC, _header_checksum(header_bytes, body_length)):
        return None
    if zlib.crc32(body) != body_checksum:
        return None
    header = json.loads(header_bytes)
    arrays, start = {}, 0
    for name, dtype, shape in header["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, start).reshape(shape)
        start += arrays[name].nbytes
    return Result(header["status"], header["reason"], arrays, header["attributes"])


class RecordFile:
    """The results of one shard by video id, in the file at `path`; a context manager.

    The file is created if it does not exist. It stays open and locked until the block ends. Raises StageError if
    another process has the file or if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, _Entry] = {}  # the newest record of each video
        self._end = 0
        self._synced_at = time.monotonic()
        self._is_synced = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "r+", opener=lambda name, flags: open_locked(path))
            self._scan()
        except OSError as error:
            raise cannot_write(path, error) from error

    def __enter__(self) -> "RecordFile":
        return self

    def __exit__(self, *exception: object) -> None:
        with self._file:
            self.sync()

    def _scan(self) -> None:
        """Indexes the whole records and cuts off a torn one at the end."""
        size, position, n_damaged_bytes = os.fstat(self._file.fileno()).st_size, 0, 0
        with open(self._file.fileno(), "rb", closefd=False) as file:
            while position < size:
                record = self._entry_at(file, position, size)
                if record:
                    video_id, entry = record
                    self._entries[video_id] = entry
                    n_damaged_bytes += position - self._end
                    self._end = position = position + entry.length
                else:
                    position = self._next_magic(file, position + 1, size)
        if n_damaged_bytes:
            log.warning("%s: %d bytes are damaged; their videos are computed again", self.path, n_damaged_bytes)
        if self._end < size:
            log.warning("%s: dropped a torn record of %d bytes at its end", self.path, size - self._end)
            self._file.truncate(self._end)

    @staticmethod
    def _entry_at(file: BufferedReader, offset: int, size: int) -> tuple[str, _Entry] | None:
        """Returns video id and entry of the record that starts at `offset`; None if no whole one starts there."""
        file.seek(offset)
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            return None
        magic, header_length, body_length, _, header_checksum = _PREFIX.unpack(prefix)
        length = _PREFIX.size + header_length + body_length
        if magic != _MAGIC or header_length > _MAX_HEADER_BYTES or offset + length > size:
            return None
        header_bytes = file.read(header_length)
        if _header_checksum(header_bytes, body_length) != header_checksum:
            return None
        header = json.loads(header_bytes)
        return header["video_id"], _Entry(header["key"], offset, length, header["status"], header["reason"])

    @staticmethod
    def _next_magic(file: BufferedReader, offset: int, size: int) -> int:
        """Returns the next position of the magic bytes from `offset` on; `size` if there is none."""
        while offset < size:
            file.seek(offset)
            block = file.read(2**20)
            position = block.find(_MAGIC)
            if position >= 0:
                return offset + position
            offset += max(len(block) - len(_MAGIC) + 1, 1)
        return size

    def has(self, video_id: str, key: str) -> bool:
        """Returns whether the file has a record of this video with this key. `read` checks the record's bytes."""
        return video_id in self._entries and self._entries[video_id].key == key

    def outcome(self, video_id: str) -> tuple[str, str]:
        """Returns status and reason of a video that has a record."""
        entry = self._entries[video_id]
        return entry.status, entry.reason

    def read(self, video_id: str) -> Result | None:
        """Returns the newest result of a video; None if there is none or if its bytes fail a checksum."""
        if video_id not in self._entries:
            return None
        result = _unpack(self._read_bytes(self._entries[video_id]))
        if result is None:
            log.warning("%s: the record of %s is damaged and is computed again", self.path, video_id)
        return result

    def _read_bytes(self, entry: _Entry) -> memoryview:
        """Returns the bytes of a record. Those that cannot be read are 0, so that the checksums fail."""
        record = memoryview(bytearray(entry.length))
        n_read = 0
        try:
            while count := os.preadv(self._file.fileno(), [record[n_read:]], entry.offset + n_read):
                n_read += count
        except OSError as error:
            log.warning("%s: %s", self.path, error.strerror)
        return record

    def append(self, video_id: str, key: str, result: Result) -> None:
        """Appends a result.

        Raises StageError if the disk is full or if another process writes to the file; the earlier records stay.
        """
        record = memoryview(_pack(video_id, key, result))
        descriptor = self._file.fileno()
        if os.fstat(descriptor).st_size != self._end:
            raise cannot_write(self.path, BlockingIOError(errno.EAGAIN, "another process is writing it"))
        try:
            n_written = 0
            while n_written < len(record):
                n_written += os.pwrite(descriptor, record[n_written:], self._end + n_written)
        except OSError as error:
            self._file.truncate(self._end)
            raise cannot_write(self.path, error) from error
        self._entries[video_id] = _Entry(key, self._end, len(record), result.status, result.reason)
        self._end += len(record)
        self._is_synced = False
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Waits until all appended records are on the disk."""
        if self._is_synced:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._is_synced, self._synced_at = True, time.monotonic()

    def compact(self, video_ids: Iterable[str]) -> None:
        """Rewrites the file with only the newest records of `video_ids`, if they fill less than half of it.

        Append nothing after this call: this object would still write to the file before it was replaced.
        """
        entries = sorted((self._entries[video_id] for video_id in video_ids), key=lambda entry: entry.offset)
        n_used_bytes = sum(entry.length for entry in entries)
        if 2 * n_used_bytes >= self._end:
            return
        try:
            with whole_file(self.path) as file:
                for entry in entries:
                    file.write(self._read_bytes(entry))
            log.info("%s: rewritten with %d bytes instead of %d", self.path, n_used_bytes, self._end)
        except OSError as error:  # the longer file remains usable
            log.warning("%s: the file could not be shortened: %s", self.path, error.strerror)
