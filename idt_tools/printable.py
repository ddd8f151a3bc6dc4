"""Text for a terminal or a log. Names of files may hold control characters, which a terminal would execute."""

import argparse
import logging
import sys
from typing import NoReturn, TextIO

# Control characters except line breaks and tabs, and the characters that change the direction of text.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_DIRECTIONS = {0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
_AS_ESCAPES = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROLS | _DIRECTIONS}


def printable(text: object) -> str:
    r"""Returns the text with control characters as escapes such as `\x1b`. Line breaks and tabs stay."""
    return str(text).translate(_AS_ESCAPES)


def print_safely(text: object, file: TextIO | None = None) -> None:
    """Prints `printable(text)` and a line break to `file`, by default stdout."""
    print(printable(text), file=file or sys.stdout)


class PrintableFormatter(logging.Formatter):
    """Formats log lines as `printable` text."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, or the lines of a traceback."""
        return printable(super().format(record))


class PrintableParser(argparse.ArgumentParser):
    """A parser whose error messages, which repeat the arguments, are `printable`."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, then exits with 2."""
        super().error(printable(message))
