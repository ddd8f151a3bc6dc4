"""Reads files of `torch.save`: detects damage, and runs no code that a file names.

Only this module calls `torch.load`, always with torch's unpickler `weights_only`, which builds tensors and plain values
and refuses everything else. First it checks the archive: the checksums match, no entry is compressed, and the entries
are not larger than the file, so a short file cannot claim much memory. Files of torch before 1.6 are not archives and
have no checksums.
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

# Files of torch before 1.6 begin with the pickle of torch's magic number.
_BEFORE_1_6 = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_MAX_TUPLES = 20_000  # per pickle; a tensor takes four
_N_PICKLES_BEFORE_1_6 = 5  # magic number, protocol, system, the object, keys of its storages


class Unknown:
    """Replaces a class or function that torch does not define. It does nothing.

    An object made without arguments becomes an OrderedDict, because it may get items like a dict (subclasses of
    OrderedDict). Others get a state, which is dropped.
    """

    def __new__(cls, *arguments: Any) -> Any:
        return super().__new__(cls) if arguments else OrderedDict()

    def __setstate__(self, state: Any) -> None: ...


def read_torch(path: Path, *, foreign: bool = False) -> Any:
    """Returns what was saved to `path`, with its tensors on the CPU.

    With `foreign`, each class that torch does not define is replaced by `Unknown`. Raises StageError if there is no
    file, if it is damaged, if it claims more bytes than it has or if it would run code; ReadingFailed if the system
    cannot read it just now.
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
                raise ValueError("it is not a file of torch.save, or it is truncated")
        if is_archive:
            _check_archive(path)
        names = _global_names(path)
        with torch.serialization.safe_globals([(Unknown, name) for name in names if foreign]):
            # With mmap, torch checks that no tensor reaches beyond the file.
            saved = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
        return _copy_tensors(saved, path.stat().st_size)
    except Exception as error:  # a damaged or foreign file can make torch raise any exception
        raise_if_of_the_system(path, _system_error(error))
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else _reason(error)
        raise StageError(f"{path} cannot be read as weights ({reason}); download or make it again") from error


def check_tensors(tensors: dict[str, Any], path: Path) -> None:
    """Raises StageError if a tensor has a number that is not finite; it names the tensor and the file at `path`."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.dtype == torch.int64):
            raise StageError(
                f"{path} cannot be read as weights ({name} is not a tensor of numbers); download or make it again"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise StageError(
                f"{path} cannot be used: {name} holds numbers that are not finite; download or make it again"
            )


def _copy_tensors(saved: Any, n_bytes: int) -> Any:
    """Returns `saved` with copies of its tensors, which do not depend on the file.

    Raises ValueError if a tensor is not dense, or if all are larger than the `n_bytes` of the file: with a stride of 0,
    one number looks like a billion.
    """
    copies: dict[int, tuple[Any, Any]] = {}  # (original, copy) by id; a live original keeps its id unique
    n_left = n_bytes

    def copy_of(value: Any) -> Any:
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
                raise ValueError("its tensors claim to be larger than the file")
            copies[id(value)] = value, value.detach().clone()
        elif isinstance(value, tuple):
            copies[id(value)] = value, type(value)(map(copy_of, value))
        else:
            copies[id(value)] = value, value
            for key in list(value) if isinstance(value, dict) else range(len(value)):
                value[key] = copy_of(value[key])
        return copies[id(value)][1]

    return copy_of(saved)


def _check_archive(path: Path) -> None:
    """Raises ValueError if torch would not write such a zip archive."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(Path(entry.filename).name == "constants.pkl" for entry in entries):
            raise ValueError("it is a TorchScript program, not weights")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its entries are compressed, which torch.save never does")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its entries claim to be larger than the file")
        if damaged := archive.testzip():  # torch does not verify checksums
            raise ValueError(f"the checksum of {damaged} does not match")


def _global_names(path: Path) -> set[str]:
    """Returns `module.name` of each class and function that the file's pickles name, without running them.

    Raises ValueError if tuples may be nested so deeply that Python crashes when it compares them.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return {name for _ in range(_N_PICKLES_BEFORE_1_6) for name in _global_names_of_pickle(file)}
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if Path(name).name == "data.pkl")
        with archive.open(pickled) as file:
            return set(_global_names_of_pickle(file))


def _global_names_of_pickle(file: IO[bytes]) -> Iterator[str]:
    n_tuples = 0
    for opcode, argument, _ in genops(file):
        if opcode.name == "GLOBAL":
            module, name = str(argument).split(" ", 1)
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            yield f"{module}.{name}"
        n_tuples += opcode.name.startswith("TUPLE")
        if n_tuples > _MAX_TUPLES:
            raise ValueError("it nests tuples too deeply")


def _system_error(error: Exception) -> Exception:
    """Returns the OSError that torch raised as a RuntimeError; for other errors `error` itself."""
    if isinstance(error, RuntimeError):
        for number in OF_THE_SYSTEM:
            if os.strerror(number) in str(error):
                return OSError(number, os.strerror(number))
    return error


def _reason(error: Exception) -> str:
    """Returns the reason in one line, without torch's advice to trust the file."""
    if not isinstance(error, UnpicklingError):
        return first_line(error)
    text = str(error).split("Check the documentation of torch.load")[0].split("WeightsUnpickler error:")[-1]
    return text.strip().split("\n")[-1].split(" Please use ")[0]
