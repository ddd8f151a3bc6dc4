"""Reading a command line in which the name of a file may begin with a dash, as `*.mp4` may give it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def parse_arguments(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the parser makes of the arguments (default sys.argv), or exit code 2 after a sentence on stderr.

    A file's name that begins with a dash would be taken for options; the sentence says how to write it.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    for word in options:
        if word.startswith("-") and Path(word).suffix and os.path.lexists(word):
            parser.error(
                f"the name of the file {word} begins with a dash, as options do; write ./{word}, or name all files "
                f"last, after `--`: {parser.prog} {words[0]} ... -- {word}"
            )
    return parser.parse_args(words)
