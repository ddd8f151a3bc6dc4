"""The mean of repeated values and its deviation over seeds."""

from typing import Any, NamedTuple

import pandas as pd

# What the spread over seeds leaves out, for the captions.
SHARED_BY_SEEDS = "All seeds share the trajectories, the codebook and the IDT clusters; only the networks differ."


class Spread(NamedTuple):
    """Mean of n values of several seeds.

    `sd`: standard deviation (n - 1) of the seeds' means, or of a single seed's values; None of a single value.
    """

    mean: float
    sd: float | None
    n: int
    n_seeds: int


def spread_table(values: pd.DataFrame, by: list[str], column: str) -> pd.DataFrame:
    """The spread of values in groups.

    Args:
        values: A table with a row per value and a column `seed`.
        by: The columns that define the groups.
        column: The column of the values.

    Returns:
        The fields of `Spread` as columns, with a row per group.
    """
    groups = values.groupby(by)[column]
    of_seeds = values.groupby([*by, "seed"])[column].mean().groupby(level=by)
    table = pd.DataFrame({"mean": groups.mean(), "sd": groups.std(), "n": groups.count()})
    table["n_seeds"] = of_seeds.size()
    table["sd"] = of_seeds.std().where(table["n_seeds"] > 1, table["sd"])
    return table


def spreads(values: pd.DataFrame, by: list[str], column: str) -> dict[Any, Spread]:
    """As `spread_table`, but by group; the key of a group is a tuple if `by` names several columns."""
    rows = spread_table(values, by, column).itertuples(name=None)
    return {key: Spread(mean, None if pd.isna(sd) else sd, n, n_seeds) for key, mean, sd, n, n_seeds in rows}
