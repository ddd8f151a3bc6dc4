"""How a command ends: its exit code, and one line on stderr where it failed."""

import io
import os
import sys
from collections.abc import Callable

from ..printable import say
from ..signals import exit_code_of, interruptible
from .files import sentence


def exit_code(command: Callable[[], int], expected: tuple[type[Exception], ...]) -> int:
    """Runs a command: its own code; 1 after the sentence of an `expected` error; 130 on Ctrl-C; 143 on SIGTERM."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: any name of a file can be printed
    try:
        with interruptible():
            code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except expected as error:
        say(f"error: {sentence(error)}", sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("error: interrupted; the files that are there are whole, and the same command goes on", file=sys.stderr)
        return exit_code_of(stop)
