"""The command line over a stage: one typed function in, one program out.

A stage is a plain function of paths and settings. `command_line(function)` reads its signature and makes of it
`python -m workflow_scripts.<noun>.<stage> --name value ...`, so that a stage file holds the work and nothing else.
"""

import argparse
import contextlib
import dataclasses
import errno
import functools
import inspect
import json
import logging
import os
import sys
import traceback
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idt_tools.printable import PrintableFormatter, PrintableParser, printable
from idt_tools.reading import ReadingFailed
from idt_tools.signals import exit_code_of, interruptible
from workflow_scripts.ground.outcome import OutcomeHandler


class StageError(Exception):
    """What the user must know and do, in one sentence; shown as `error: ...` with exit code 1, no traceback.

    Snakemake shows it too, so control characters of names are escaped here.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def first_line(error: Exception) -> str:
    """What an error says in its first line, or its kind: torch adds a page of advice."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def cannot_write(path: Path, error: OSError) -> StageError:
    """The sentence for a file that the system does not let us write: a full disk, a read-only one, another writer."""
    if isinstance(error, BlockingIOError) or isinstance(error.__cause__, BlockingIOError):
        advice = "wait until that one ends, or stop it"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        advice = "make its folder writable"
    else:
        advice = "see to the disk"
    why = error.strerror or error
    return StageError(f"{path}: {why}; {advice}, then run the same command again: what was computed is kept")


class _LogFile(logging.FileHandler):
    """A log that says once that it cannot be written (a full disk) and never stops the stage."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self.failed:
            self.failed = True
            print(f"{self.baseFilename}: the log cannot be written ({sys.exception()})", file=sys.stderr)


def _read_settings(kind: type, text: str) -> Any:
    """A settings dataclass from the JSON of those keys that differ from its defaults."""
    given = json.loads(text)
    unknown = set(given) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise StageError(f"{kind.__name__} has no {', '.join(sorted(unknown))}; see its definition for the keys")
    return kind(**given)


def _add_argument(parser: argparse.ArgumentParser, name: str, parameter: inspect.Parameter, kind: Any) -> None:
    options: dict[str, Any] = {"dest": name}
    if parameter.default is inspect.Parameter.empty:
        options["required"] = True
    else:
        options["default"] = parameter.default
    if typing.get_origin(kind) in (typing.Union, types.UnionType):  # X | None
        kind = next(argument for argument in typing.get_args(kind) if argument is not type(None))
    if kind is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif typing.get_origin(kind) is list:
        # A list may be empty on the command line, so nothing is required of it.
        options.update(nargs="*", type=typing.get_args(kind)[0], default=[], required=False)
    elif dataclasses.is_dataclass(kind):
        settings = typing.cast(type, kind)
        options.update(type=lambda text: _read_settings(settings, text), default=settings(), required=False)
    else:
        options["type"] = kind
    option = "--" + name.replace("_", "-")
    parser.add_argument(option, **options)
    if options.get("nargs") == "*":
        read = functools.partial(_read_list, kind=options["type"])
        parser.add_argument(f"{option}-in", dest=name, type=read, metavar="FILE", help="JSON file that holds the list")


def _holds_files(kind: Any) -> bool:
    """Whether `kind` is a dataclass of files, whose fields are options of their own."""
    hints = typing.get_type_hints(kind).values() if dataclasses.is_dataclass(kind) else ()
    return any(Path in (hint, *typing.get_args(hint)) for hint in hints)


def _read_list(path: str, kind: Callable[[str], Any]) -> list[Any]:
    """The list in the JSON file at `path`."""
    try:
        values = json.loads(Path(path).read_text())
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError("it holds no list of texts")
    except (OSError, ValueError) as error:
        raise StageError(f"{path}: the list cannot be read ({error}); run the same command again") from error
    return [kind(value) for value in values]


def _log_to(path: Path | None) -> None:
    """Sends what a user wants to read to the terminal, and that with each video's name to the file."""
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [terminal]
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The names of files need not be UTF-8.
            handlers.append(_LogFile(path, mode="w", encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise cannot_write(path, error) from error
    for handler in handlers:
        handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.getLogger("workflow_scripts").setLevel(logging.DEBUG)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its libraries it tried to load


def command_line(function: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Runs `function` with arguments from the command line (`arguments`, default sys.argv), then exits if it failed.

    Parameters of type Path, str, int, float, bool, `X | None`, `list[X]` and settings dataclasses (as JSON of the
    keys that differ from the defaults) become `--their-name`; a list may also be read from a JSON file,
    `--their-name-in FILE`. A dataclass with a field of type Path becomes one option per field. `--log FILE` collects
    log lines and, of an unforeseen exception, the traceback; the terminal shows one sentence. The outcome is written as
    JSON beside the log. A StageError or ReadingFailed exits with 1, an unforeseen exception with 2, Ctrl-C with 130,
    SIGTERM with 143.
    """
    parser: argparse.ArgumentParser = PrintableParser(description=(function.__doc__ or "").split("\n")[0])
    hints = typing.get_type_hints(function)
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if _holds_files(hints[name]):
            groups[name] = hints[name]
            kinds = typing.get_type_hints(hints[name])
            for field, of_field in inspect.signature(hints[name]).parameters.items():
                _add_argument(parser, field, of_field, kinds[field])
        else:
            _add_argument(parser, name, parameter, hints[name])
    parser.add_argument("--log", type=Path, help="file that collects the log lines")
    log: Path | None = None
    outcome: OutcomeHandler | None = None
    status, reason, code = "done", "", 0
    _log_to(log)
    try:
        given = vars(parser.parse_args(arguments))
        log = given.pop("log")
        _log_to(log)
        if log and os.environ.get("RANK", "0") == "0":  # the processes of a distributed training share a log
            outcome = OutcomeHandler(log, function.__name__)
            logging.getLogger().addHandler(outcome)
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
        with interruptible():
            function(**given)
    except StageError as error:
        status, reason, code = "failed", str(error), 1
    except ReadingFailed as error:
        reason = f"{error} (it could not be read just now); run the same command again"
        status, code = "failed", 1
    except KeyboardInterrupt as stop:
        reason = "interrupted; what was computed is kept, and the same command goes on from there"
        status, code = "stopped", exit_code_of(stop)
    except Exception as error:
        where = f"; the traceback is in {log}" if log else ""
        status, reason, code = "failed", f"{type(error).__name__}: {error}{where}", 2
        unforeseen = traceback.format_exc()
    if code:
        logging.error("%s%s", "" if status == "stopped" else "error: ", reason)
    if code == 2:
        _write_traceback(unforeseen, log)
    if outcome:
        outcome.end(status, reason)
    if code:
        sys.exit(code)


def _write_traceback(text: str, log: Path | None) -> None:
    """Appends a traceback to the log; without a log, prints it if DEBUG is set."""
    if log:
        with contextlib.suppress(OSError), open(log, "a") as file:
            file.write(text)
    elif os.environ.get("DEBUG"):
        print(text, file=sys.stderr)
