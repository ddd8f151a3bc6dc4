"""Fills the templates in this folder."""

from pathlib import Path
from typing import Any

import jinja2

from workflow_scripts.report.text import visible


def render(template: str, **content: Any) -> str:
    """The template filled with `content`, which must define every variable of it. Text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {"percent": _percent, "duration": _duration}
    return environment.get_template(template).render(**content)


def _shown(value: Any) -> Any:
    """The value for a page: control characters of plain text become visible."""
    return visible(value) if type(value) is str else value


def _percent(fraction: float) -> str:
    """A fraction (0..1) in percent with one decimal."""
    return f"{100 * fraction:.1f}"


def _duration(seconds: float) -> str:
    """Seconds in words: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
