"""Tables as text for the terminal."""

import pandas as pd


def aligned(table: pd.DataFrame, header: bool = True) -> list[str]:
    """The rows as lines with aligned columns, two blanks apart. The first line has the column names, if `header`."""
    rows = [*([list(table.columns)] if header else []), *table.astype(str).values.tolist()]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def markdown(table: pd.DataFrame) -> list[str]:
    """The rows as lines of a Markdown table with aligned columns."""
    rows = [list(table.columns), *table.astype(str).values.tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    padded = ([text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows)
    return [f"| {' | '.join(row)} |" for row in padded]
