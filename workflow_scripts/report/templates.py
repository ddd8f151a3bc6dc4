"""The page and its parts, from the templates in this folder."""

from pathlib import Path
from typing import Any

import jinja2

from workflow_scripts.report.text import visible


def render(template: str, **content: Any) -> str:
    """The template of that name filled with `content`, which must have everything it uses; text is escaped."""
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
    """A value as a page shows it: of a plain text the characters that are not printed, too."""
    return visible(value) if type(value) is str else value


def _percent(share: float) -> str:
    """A share 0..1 as the tables print it: percent with one decimal."""
    return f"{100 * share:.1f}"


def _duration(seconds: float) -> str:
    """Seconds as people say it: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
