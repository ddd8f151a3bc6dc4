"""The exit code of a command, and its line on stderr if it failed."""

import io
import os
import sys
from collections.abc import Callable

from ..printable import print_safely
from ..signals import exit_code_of, interruptible
from .files import sentence


def exit_code(command: Callable[[], int], expected: tuple[type[Exception], ...]) -> int:
    """Runs a command and returns its code; 1 after an `expected` error, 130 after Ctrl-C, 143 after SIGTERM."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # like stderr, so that any file name can be printed
    try:
        with interruptible():
            code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except expected as error:
        print_safely(f"error: {sentence(error)}", sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("error: interrupted; all written files are whole, and the same command continues", file=sys.stderr)
        return exit_code_of(stop)
