"""Files of `torch.save`, read so that damage is noticed and nothing that a file names is run.

The only place that calls `torch.load`. It always uses torch's unpickler `weights_only`, which builds tensors and plain
values, and refuses everything else. Before that the archive itself is checked: each entry has the checksum that was
written with it, none is compressed, and together they are not larger than the file; so a short file cannot ask for much
memory. Files of torch before 1.6 are no archives and have no checksums.
"""

import os
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # Python 2's names of modules, which torch.save writes
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from pickletools import genops
from typing import IO, Any

import torch
from torch import Tensor

from idt_tools.reading import OF_THE_SYSTEM, raise_if_of_the_system
from workflow_scripts.ground.stage import StageError, first_line

# How the pickle of torch's magic number begins, with which files of torch before 1.6 begin.
_BEFORE_1_6 = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_MOST_TUPLES = 20_000  # in one pickle; a tensor takes four
_PICKLES_BEFORE_1_6 = 5  # magic number, protocol, system, the object itself, keys of its storages


class Unknown:
    """Stands for a class or function that is not torch's. It does nothing.

    Objects that are made without arguments may take items as a dict does (subclasses of OrderedDict), so they become
    an OrderedDict; others take a state, which is dropped.
    """

    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls) if arguments else OrderedDict()

    def __setstate__(self, state: Any) -> None: ...


def read_torch(path: Path, *, foreign: bool = False) -> Any:
    """What was saved to `path`, its tensors on the CPU.

    With `foreign` the file may name classes that torch does not know; each is replaced by `Unknown`. Raises StageError
    where there is no file, or it is damaged, claims more than it holds, or asks for anything to be run; ReadingFailed
    where the system cannot read it just now.
    """
    try:
        if not path.exists():
            raise ValueError("there is no such file")
        if not path.is_file():
            raise ValueError("it is not a regular file")
        with open(path, "rb") as file:
            is_archive = zipfile.is_zipfile(file)
            file.seek(0)
            if not is_archive and file.read(len(_BEFORE_1_6)) != _BEFORE_1_6:
                raise ValueError("it is no file of torch.save, or is cut short")
        if is_archive:
            _check_archive(path)
        names = _globals(path)
        with torch.serialization.safe_globals([(Unknown, name) for name in names if foreign]):
            # Mapped into memory, no tensor can reach beyond the file; torch does not check that otherwise.
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
        return _in_memory(held, path.stat().st_size)
    except Exception as error:  # a damaged or foreign file can make torch raise anything
        raise_if_of_the_system(path, _system_error(error))
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else _reason(error)
        raise StageError(f"{path} cannot be read as weights ({reason}); get or make it anew") from error


def check_tensors(tensors: dict[str, Any], path: Path) -> None:
    """Raises StageError naming the first tensor with a number that is not finite. `path`: the file, for the message."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.dtype == torch.int64):
            raise StageError(f"{path} cannot be read as weights ({name} is no tensor of numbers); get or make it anew")
        if not bool(torch.isfinite(tensor).all()):
            raise StageError(f"{path} cannot be used: {name} holds numbers that are not finite; get or make it anew")


def _in_memory(held: Any, size: int) -> Any:
    """`held` with copies of its tensors, which are then independent of the file.

    Raises ValueError where a tensor is not dense, or all are larger than `size`, the file's bytes: a stride of 0 makes
    one number look like a billion.
    """
    copies: dict[int, tuple[Any, Any]] = {}  # by id; the original is in it too, so that its id stays its own
    n_left = size

    def copied(value: Any) -> Any:
        nonlocal n_left
        if not isinstance(value, Tensor | dict | list | tuple):
            return value
        if id(value) in copies:
            return copies[id(value)][1]
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu":
                raise ValueError("it holds a tensor that is not dense")
            n_left -= value.numel() * value.element_size()
            if n_left < 0:
                raise ValueError("it claims more numbers than it holds")
            copies[id(value)] = value, value.detach().clone()
        elif isinstance(value, tuple):
            copies[id(value)] = value, type(value)(map(copied, value))
        else:
            copies[id(value)] = value, value
            for place in list(value) if isinstance(value, dict) else range(len(value)):
                value[place] = copied(value[place])
        return copies[id(value)][1]

    return copied(held)


def _check_archive(path: Path) -> None:
    """Raises ValueError where the zip archive is not as torch writes it."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(Path(entry.filename).name == "constants.pkl" for entry in entries):
            raise ValueError("it is a TorchScript program, not weights")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its entries are compressed, which torch.save never does")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its entries claim to be larger than the file")
        if damaged := archive.testzip():  # torch does not look at the checksums
            raise ValueError(f"the checksum of {damaged} does not match")


def _globals(path: Path) -> set[str]:
    """`module.name` of every class and function that the file's pickles name, read without running them.

    Raises ValueError where tuples may be nested so deeply that Python crashes when it compares them.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return {name for _ in range(_PICKLES_BEFORE_1_6) for name in _globals_of_pickle(file)}
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if Path(name).name == "data.pkl")
        with archive.open(pickled) as file:
            return set(_globals_of_pickle(file))


def _globals_of_pickle(file: IO[bytes]) -> Iterator[str]:
    n_tuples = 0
    for opcode, argument, _ in genops(file):
        if opcode.name == "GLOBAL":
            module, name = str(argument).split(" ", 1)
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            yield f"{module}.{name}"
        n_tuples += opcode.name.startswith("TUPLE")
        if n_tuples > _MOST_TUPLES:
            raise ValueError("it nests tuples too deeply")


def _system_error(error: Exception) -> Exception:
    """The error of the system that torch tells in the words of a RuntimeError, else `error` itself."""
    if isinstance(error, RuntimeError):
        for number in OF_THE_SYSTEM:
            if os.strerror(number) in str(error):
                return OSError(number, os.strerror(number))
    return error


def _reason(error: Exception) -> str:
    """What is wrong, in one line, without torch's advice to trust the file."""
    if not isinstance(error, UnpicklingError):
        return first_line(error)
    text = str(error).split("Check the documentation of torch.load")[0].split("WeightsUnpickler error:")[-1]
    return text.strip().split("\n")[-1].split(" Please use ")[0]
