"""Standard deviations over rolling windows, from sums that are exact in any order."""

from typing import Final

import polars as pl

SQUARES: Final = ("high", "units", "parts")
"""What a square is split into."""

HIGH: Final = 2.0**32
PARTS: Final = 2.0**36
LEAST: Final = 1e-10
"""A variance below this, or this share of the mean square, counts as 0: see `spread`."""


def split_squares(column: str) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Split the square of a number into multiples of 2^32, units and parts of a unit, all Int64.

    As `gpu_ops.windows.split_units` does it, and for the same reason: rolling sums of integers
    leave no residue. A number may be as large as 1.9e14; the sum of the squares in a window must
    stay below 3.9e28 and its rows below 134 million.
    """
    square = pl.col(column) * pl.col(column)
    high = (square / HIGH).floor()
    low = square - high * HIGH
    units = low.floor()
    parts = ((low - units) * PARTS).round()
    return (
        high.cast(pl.Int64).alias(f"{column}_squares_high"),
        units.cast(pl.Int64).alias(f"{column}_squares_units"),
        parts.cast(pl.Int64).alias(f"{column}_squares_parts"),
    )


def joined_squares(high: pl.Expr, units: pl.Expr, parts: pl.Expr) -> pl.Expr:
    """Put sums of what `split_squares` split together again, as Float64."""
    return high * HIGH + units + parts / PARTS


def spread(count: pl.Expr, total: pl.Expr, squares: pl.Expr) -> pl.Expr:
    """Standard deviation with n - 1 from the count, sum and sum of squares of a window.

    Null below two values. Sums that large cancel where values differ little, and parts of a unit
    end at 1.5e-11: a deviation below 1e-5 of the root mean square, or below 1e-5 units, is 0, so
    that equal values have a deviation of 0 and not one of rounding. From a thousandth of a unit
    on it is correct to 1e-4 of itself.
    """
    rows = count.cast(pl.Float64)
    scatter = squares - total * total / rows
    some = pl.when(scatter > (squares + rows) * LEAST).then(scatter).otherwise(0.0)
    return pl.when(count > 1).then((some / (rows - 1)).sqrt())
