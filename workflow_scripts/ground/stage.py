"""The command line of a stage, made from the signature of its function.

A stage is a function of paths and settings. `command_line(function)` makes it a program:
`python -m workflow_scripts.<noun>.<stage> --name value ...`.
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
    """One sentence that states the problem and what to do. The command line shows no traceback for it.

    Control characters are escaped, because Snakemake prints the sentence too.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, without the advice that torch adds; its type if it is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def cannot_write(path: Path, error: OSError) -> StageError:
    """Returns the error for a file that cannot be written: a full or read-only disk, or another writer."""
    if isinstance(error, BlockingIOError) or isinstance(error.__cause__, BlockingIOError):
        advice = "wait until that process ends, or stop it"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        advice = "make its folder writable"
    else:
        advice = "check the disk"
    reason = error.strerror or error
    return StageError(f"{path}: {reason}; {advice}, then run the same command again; earlier results are saved")


class _LogFile(logging.FileHandler):
    """A log that does not stop the stage if it cannot be written (a full disk); it prints one warning."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self.failed:
            self.failed = True
            print(f"{self.baseFilename}: the log cannot be written ({sys.exception()})", file=sys.stderr)


def _read_settings(kind: type, text: str) -> Any:
    """Returns a settings dataclass from JSON with the keys that differ from its defaults."""
    values = json.loads(text)
    unknown = set(values) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise StageError(f"{kind.__name__} has no key {', '.join(sorted(unknown))}; its definition lists the keys")
    return kind(**values)


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
        # Rules leave out the option of an empty list.
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
    """Returns whether `kind` is a dataclass with files; each of its fields is an option."""
    hints = typing.get_type_hints(kind).values() if dataclasses.is_dataclass(kind) else ()
    return any(Path in (hint, *typing.get_args(hint)) for hint in hints)


def _read_list(path: str, kind: Callable[[str], Any]) -> list[Any]:
    """Returns the list in a JSON file."""
    try:
        values = json.loads(Path(path).read_text())
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError("it is not a list of texts")
    except (OSError, ValueError) as error:
        raise StageError(f"{path}: the list cannot be read ({error}); run the same command again") from error
    return [kind(value) for value in values]


def _log_to(path: Path | None) -> None:
    """Logs to the terminal and, with a line per video, to the file at `path`."""
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [terminal]
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Names of files may not be UTF-8.
            handlers.append(_LogFile(path, mode="w", encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise cannot_write(path, error) from error
    for handler in handlers:
        handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.getLogger("workflow_scripts").setLevel(logging.DEBUG)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # faiss logs each library that it tries to load


def make_parser(function: Callable[..., Any]) -> argparse.ArgumentParser:
    """Returns the parser of a stage's options: one per parameter, and one per field of a dataclass with files.

    Types are Path, str, int, float, bool, `X | None`, `list[X]` and settings dataclasses (JSON with the keys that
    differ from the defaults). `--name-in FILE` reads a list from a JSON file.
    """
    parser: argparse.ArgumentParser = PrintableParser(description=(function.__doc__ or "").split("\n")[0])
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if _holds_files(hints[name]):
            field_hints = typing.get_type_hints(hints[name])
            for field_name, field_parameter in inspect.signature(hints[name]).parameters.items():
                _add_argument(parser, field_name, field_parameter, field_hints[field_name])
        else:
            _add_argument(parser, name, parameter, hints[name])
    parser.add_argument("--log", type=Path, help="file that collects the log lines")
    return parser


def command_line(function: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Runs a stage with the options of `make_parser`, and exits if it fails.

    The terminal shows one sentence for an error. `--log FILE` collects log lines and the traceback of an unexpected
    exception; the outcome is written as JSON beside it. Exit codes: 1 for StageError and ReadingFailed, 2 for an
    unexpected exception, 130 for Ctrl-C, 143 for SIGTERM.

    Args:
        function: The stage.
        arguments: The words of the command line; None: those of sys.argv.
    """
    parser = make_parser(function)
    log: Path | None = None
    outcome: OutcomeHandler | None = None
    status, reason, code = "done", "", 0
    _log_to(log)
    try:
        values = vars(parser.parse_args(arguments))
        log = values.pop("log")
        _log_to(log)
        if log and os.environ.get("RANK", "0") == "0":  # the processes of a distributed training share a log
            outcome = OutcomeHandler(log, function.__name__)
            logging.getLogger().addHandler(outcome)
        for name, hint in typing.get_type_hints(function).items():
            if _holds_files(hint):
                values[name] = hint(**{field.name: values.pop(field.name) for field in dataclasses.fields(hint)})
        with interruptible():
            function(**values)
    except StageError as error:
        status, reason, code = "failed", str(error), 1
    except ReadingFailed as error:
        reason = f"{error} (the file could not be read just now); run the same command again"
        status, code = "failed", 1
    except KeyboardInterrupt as stop:
        reason = "interrupted; finished work is saved, and the same command continues"
        status, code = "stopped", exit_code_of(stop)
    except Exception as error:
        traceback_place = f"; the traceback is in {log}" if log else ""
        status, reason, code = "failed", f"{type(error).__name__}: {error}{traceback_place}", 2
        traceback_text = traceback.format_exc()
    if code:
        logging.error("%s%s", "" if status == "stopped" else "error: ", reason)
    if code == 2:
        _write_traceback(traceback_text, log)
    if outcome:
        outcome.end(status, reason)
    if code:
        sys.exit(code)


def _write_traceback(text: str, log: Path | None) -> None:
    """Appends a traceback to the log. Without a log, prints it if the environment has DEBUG."""
    if log:
        with contextlib.suppress(OSError), open(log, "a") as file:
            file.write(text)
    elif os.environ.get("DEBUG"):
        print(text, file=sys.stderr)
