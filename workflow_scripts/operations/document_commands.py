"""Writes the options of `idt` and `dtc` into docs/command_lines.md, below the line MARK: `make schema`.

python -m workflow_scripts.operations.document_commands
"""

import argparse
from collections.abc import Iterator

from idt_tools.cli import command_parser as idt_parser
from workflow_scripts.cli import command_parser as dtc_parser
from workflow_scripts.configuration.paths import REPOSITORY
from workflow_scripts.ground.artifacts import write_text

DOCUMENTATION = REPOSITORY / "docs" / "command_lines.md"
MARK = "<!-- `make schema` writes the rest of this page from the parsers of the commands. -->\n"


def documentation_text() -> str:
    """Returns the text of docs/command_lines.md: the part above MARK as it is, then a table per command."""
    written = DOCUMENTATION.read_text().partition(MARK)[0]
    sections = [section for parser in (idt_parser(), dtc_parser()) for section in _sections(parser)]
    return written + MARK + "\n" + "\n\n".join(sections) + "\n"


def _sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # argparse has no public list of the arguments
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                description = " ".join((command.description or "").split())
                yield f"### {parser.prog} {name}\n\n{_cell(description)}\n\n{_table(command)}"


def _table(command: argparse.ArgumentParser) -> str:
    rows = ["| argument | meaning |", "| --- | --- |"]
    for action in command._actions:
        if action.dest != "help":
            rows.append(f"| `{_argument(action)}` | {_cell(action.help or '')} |")
    return "\n".join(rows)


def _argument(action: argparse.Action) -> str:
    """The option with its value as on a command line, or the name of a positional argument."""
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if isinstance(action, argparse.BooleanOptionalAction):
        value = ""
    several = " ..." if action.nargs == "+" else ""
    return f"{', '.join(action.option_strings)} {value}{several}".strip()


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")


if __name__ == "__main__":
    write_text(DOCUMENTATION, documentation_text())
