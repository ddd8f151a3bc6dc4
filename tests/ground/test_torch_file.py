"""Crafted or damaged files of weights are refused in one sentence, without running code or allocating memory."""

import io
import os
import pickle
import resource
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from workflow_scripts.ground.stage import StageError
from workflow_scripts.ground.torch_file import check_tensors, read_torch

GIB = 2**30


class Persistent:
    """An object that is pickled as a persistent id, as torch pickles the storage of a tensor."""

    def __init__(self, *identity: Any) -> None:
        self.identity = identity


class Call:
    """An object that is pickled as the result of a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def pickled(value: Any) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return obj.identity if isinstance(obj, Persistent) else None

    content = io.BytesIO()
    Pickler(content, 2).dump(value)
    return content.getvalue()


def tensor(numel: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Call:
    """Returns a tensor whose storage claims `numel` numbers."""
    storage = Persistent("storage", torch.FloatStorage, "0", "cpu", numel)
    return Call(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, {})


def write_archive(path: Path, value: Any, *, compression: int = zipfile.ZIP_STORED, data: bytes = bytes(4)) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        entries = {"data.pkl": pickled(value), "version": b"3\n", "byteorder": b"little", "data/0": data}
        for name, content in entries.items():
            archive.writestr(f"weights/{name}", content)
    return path


def write_before_1_6(path: Path, body: bytes) -> Path:
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC_NUMBER, PROTOCOL_VERSION, system))
    path.write_bytes(head + body + pickle.dumps([], 2))
    return path


def reason_of(path: Path) -> str:
    """Returns the sentence with which the file is refused, within seconds and without much memory."""
    start, memory_before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StageError) as raised:
        check_tensors(read_torch(path, foreign=True), path)
    assert time.monotonic() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < GIB / 4 / 1024
    text = str(raised.value)
    assert text.startswith(str(path)) and "\n" not in text and text.endswith("download or make it again")
    return text


def test_read_torch_of_a_crafted_state_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BUILD gives torch's own function a name and `dump_patches`; then `module` makes torch write a patch of it."""
    monkeypatch.chdir(tmp_path)
    function = b"ctorch._utils\n_rebuild_tensor\n"
    target = str(tmp_path / "written").encode()
    state = b"N}(X" + struct.pack("<I", 8) + b"__name__X" + struct.pack("<I", len(target)) + target
    state += b"X" + struct.pack("<I", 12) + b"dump_patches\x88u\x86"  # set by setattr
    container = b"(X\x06\x00\x00\x00module" + function + b"X\x01\x00\x00\x00sX\x01\x00\x00\x00otQ"
    exploit = b"\x80\x02" + function + state + b"b" + container + b"\x86."
    path = write_before_1_6(tmp_path / "exploit.pth", exploit)

    assert "cannot be read as weights" in reason_of(path)
    assert [place.name for place in tmp_path.iterdir()] == ["exploit.pth"]
    assert torch._utils._rebuild_tensor.__name__ == "_rebuild_tensor"
    without_state = write_before_1_6(tmp_path / "module.pth", b"\x80\x02" + container + b".")
    assert "storage is allowed" in reason_of(without_state)

    # The file works if the unpickler allows it.
    class Trusting:
        Unpickler = pickle.Unpickler
        load = staticmethod(pickle.load)

    try:
        with pytest.warns(torch.serialization.SourceChangeWarning):
            torch.load(path, weights_only=False, pickle_module=Trusting)
        assert (tmp_path / "written.patch").exists()
    finally:
        torch._utils._rebuild_tensor.__name__ = "_rebuild_tensor"
        vars(torch._utils._rebuild_tensor).pop("dump_patches", None)


def test_read_torch_refuses_a_tar_file_and_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    with tarfile.open(path, "w") as archive:
        pipe = tarfile.TarInfo("storages")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    assert "not a file of torch.save" in reason_of(path)
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(StageError, match="not a regular file"):
        read_torch(tmp_path / "pipe.pth")
    with pytest.raises(StageError, match="no such file"):
        read_torch(tmp_path / "nothing.pth")


def test_read_torch_refuses_deeply_nested_tuples(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "weights.pth", {})
    nested = b"\x80\x02}()" + b"\x85" * 1_000_000 + b"K\x01u."  # as the key of a dict
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", nested)
        archive.writestr("weights/version", b"3\n")
    assert "nests tuples too deeply" in reason_of(path)


def test_read_torch_refuses_a_compressed_archive(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    write_archive(path, {"w": tensor(1, (1,), (1,))}, compression=zipfile.ZIP_DEFLATED, data=bytes(50_000_000))
    assert path.stat().st_size < 100_000
    assert "compressed" in reason_of(path)


@pytest.mark.parametrize(
    "claim",
    [
        tensor(10**9, (10**9,), (1,)),  # a storage that is larger than the file
        tensor(1, (10**12,), (0,)),  # one number 10^12 times
        tensor(1, (100,), (1,)),  # beyond its storage
        tensor(200, (200,), (1,)),  # storage beyond its entry
        Call(torch.FloatTensor, 10**9),  # a tensor without a storage
    ],
)
def test_read_torch_refuses_a_tensor_larger_than_the_file(tmp_path: Path, claim: Call) -> None:
    reason_of(write_archive(tmp_path / "weights.pth", {"w": claim}))


def test_read_torch_refuses_a_storage_larger_than_a_file_before_torch_1_6(tmp_path: Path) -> None:
    storage = Persistent("storage", torch.FloatStorage, "0", "cpu", 10**9, None)
    state = {"w": Call(torch._utils._rebuild_tensor_v2, storage, 0, (10**9,), (1,), False, {})}
    path = tmp_path / "weights.pth"
    write_before_1_6(path, pickled(state))
    reason_of(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_check_tensors_names_a_tensor_that_is_not_finite(tmp_path: Path, value: float) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"good": torch.ones(2), "conv1.weight": torch.tensor([1.0, value])}, path)
    assert "conv1.weight holds numbers that are not finite" in reason_of(path)


def test_read_torch_detects_flipped_bits(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    saved = {"w": torch.arange(64.0), "names": ["a", "b"]}
    torch.save(saved, path)
    content = path.read_bytes()
    n_detected = 0
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            loaded = read_torch(path)
        except StageError:
            n_detected += 1
            continue
        assert loaded["names"] == saved["names"] and torch.equal(loaded["w"], saved["w"])  # padding, dates
    assert n_detected > 50


def test_read_torch_copies_tensors_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    saved = {"w": torch.arange(100.0), "list": [torch.ones(2), (torch.zeros(3),)]}
    torch.save(saved, path)
    loaded = read_torch(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(loaded["w"], saved["w"]) and torch.equal(loaded["list"][1][0], torch.zeros(3))
