"""Builds a page from arguments as the command line takes them."""

import dataclasses
from pathlib import Path
from typing import Any

from workflow_scripts.report.page.build_report import ResultFiles, build_report
from workflow_scripts.report.settings import ReportSettings


def build_page(settings: ReportSettings = ReportSettings(), **arguments: Any) -> None:  # noqa: B008 (frozen)
    """Calls build_report; the fields of ResultFiles are arguments of their own."""
    names = {field.name for field in dataclasses.fields(ResultFiles)}
    files = ResultFiles(**{name: value for name, value in arguments.items() if name in names})
    outputs: dict[str, Path] = {name: value for name, value in arguments.items() if name not in names}
    build_report(files, **outputs, settings=settings)
