"""Text for a terminal or a log: names of files are anybody's, and a terminal obeys control characters in them."""

import argparse
import logging
import sys
from typing import NoReturn, TextIO

# Control characters, and those that turn the direction of text; line breaks and tabs are left.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_DIRECTIONS = {0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
_AS_ESCAPES = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROLS | _DIRECTIONS}


def printable(text: object) -> str:
    r"""The text with control characters as `\x1b`, so that it is shown and never obeyed; line breaks and tabs stay."""
    return str(text).translate(_AS_ESCAPES)


def say(text: object, file: TextIO | None = None) -> None:
    """Prints `printable(text)` and a line break, on stdout unless another file is given."""
    print(printable(text), file=file or sys.stdout)


class PrintableFormatter(logging.Formatter):
    """Log lines as `printable`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback."""
        return printable(super().format(record))


class PrintableParser(argparse.ArgumentParser):
    """A parser whose errors, which repeat what was typed, are `printable`."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, then exits with 2."""
        super().error(printable(message))
