"""Parses command lines in which a file name may begin with a dash, which a pattern such as `*.mp4` may expand to."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def parse_arguments(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the arguments (default: sys.argv). Exits with code 2 and a sentence on stderr if they are wrong.

    argparse takes a file name that begins with a dash for an option; the sentence says how to write such a name.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    for word in options:
        if word.startswith("-") and Path(word).suffix and os.path.lexists(word):
            parser.error(
                f"the name of the file {word} begins with a dash, like an option; write ./{word}, or name all files "
                f"last, after `--`: {parser.prog} {words[0]} ... -- {word}"
            )
    return parser.parse_args(words)
