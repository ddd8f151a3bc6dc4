"""matplotlib's figures as SVG: one style, equal bytes for equal figures, and their embedding in a page."""

import io
import re
import warnings
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from workflow_scripts.report.palette import INK, LINE, MUTED

_SMALLEST = 0.9  # fraction of its size that a figure is not shrunk below: its text stays legible

STYLE: Any = {  # matplotlib types it as a dict of literal keys
    "svg.fonttype": "none",
    "svg.hashsalt": "report",  # ids that do not differ from run to run
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # names may contain dollar signs
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def to_svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the SVG stores text; the reader has the font
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.04
        )
    return buffer.getvalue().decode()


def empty(message: str) -> str:
    """A figure that says why there is nothing to draw. Snakemake needs the file even then."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 0.6))
        figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED)
        return to_svg(figure)


def inline(svg: str, name: str) -> str:
    """The `<svg>` element for the page: ids made unique by `name`, sizes in CSS pixels, the page's font and colors."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for color, variable in ((INK, "ink"), (MUTED, "muted"), (LINE, "line")):
        svg = svg.replace(color, f"var(--{variable})")
    width = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg).group(1))  # type: ignore[union-attr]
    svg = re.sub(r'(<svg[^>]*?) (?:height|width)="[\d.]+pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) (?:height|width)="[\d.]+pt"', r"\1", svg, count=1)
    size = f"max-width:{width * 4 / 3:.0f}px;min-width:{width * 4 / 3 * _SMALLEST:.0f}px"
    return svg.replace("<svg", f'<svg aria-hidden="true" style="{size}"', 1)
