"""Tables as text for the terminal."""

import pandas as pd


def aligned(table: pd.DataFrame) -> list[str]:
    """The rows as lines with aligned columns, two blanks apart. The first line has the column names."""
    return ["  ".join(row).rstrip() for row in _padded(table)]


def markdown(table: pd.DataFrame) -> list[str]:
    """The rows as lines of a Markdown table with aligned columns."""
    header, *rows = _padded(table)
    return [f"| {' | '.join(row)} |" for row in (header, ["-" * len(name) for name in header], *rows)]


def three_digits(value: float) -> str:
    """The value with three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else "< 0.001" if 0 < value < 0.001 else f"{value:.3g}"


def _padded(table: pd.DataFrame) -> list[list[str]]:
    """The names of the columns and the cells of each row, with the cells of a column at the same length."""
    rows = [list(table.columns), *table.astype(str).values.tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
