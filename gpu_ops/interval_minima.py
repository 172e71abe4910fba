"""The least value among the open intervals at many points at once, as one lazy plan."""

from typing import Final

import polars as pl

from gpu_ops.intervals import END, QUERY, START

NONE: Final = 2**62
"""More than every value."""


def interval_minima(
    queries: pl.LazyFrame, intervals: pl.LazyFrame, most: int, name: str
) -> pl.LazyFrame:
    """Find, for each query point q, the least value of the intervals (start, end] that contain it.

    The starts and ends, sorted, are numbered; between two of them the answer is constant. Each
    interval spans numbers from its own start to its end, and is covered by two stretches of a
    power of two of them, which overlap. From the longest stretches down, each hands its least
    value to its two halves (a sparse table, filled backwards; Bender and Farach-Colton 2000, The
    LCA problem revisited): n log n steps in whatever order intervals open and close, with shifts
    and minima of columns only.

    Args:
        queries: one column ``key``, Int64, from 0 to below 2^61, in ascending order.
        intervals: ``start`` and ``end`` Int64, likewise in any order, none empty, and ``value``
            Int64 from 1 to below 2^62.
        most: no fewer than there are intervals.
        name: the column to return.

    Returns:
        One Int64 column in the order of the queries, 0 where no interval is open.
    """
    changes = _changes(intervals, max(most, 1))
    points = (
        queries.select(pl.col("key") * 4 + QUERY, pl.lit(0, pl.Int64).alias("change")),
        changes,
    )
    return (
        pl.concat(points)
        .sort("key")
        .select("key", pl.col("change").cum_sum().alias(name))
        .filter(pl.col("key") % 4 == QUERY)
        .select(name)
    )


def _changes(intervals: pl.LazyFrame, most: int) -> pl.LazyFrame:
    """Tell at each start and end by how much the least value changes there."""
    numbered = _counted(intervals, "interval")
    points = (
        numbered.select("interval", (pl.col(side) * 4 + role).alias("key"))
        for side, role in (("start", START), ("end", END))
    )
    events = _counted(pl.concat(points).sort("key"), "place")
    role = pl.col("key") % 4
    first, last = (
        events.filter(role == which).select("interval", pl.col("place").alias(side))
        for side, which in (("first", START), ("last", END))
    )
    spans = (
        numbered.select("interval", "value")
        .join(first, on="interval", how="inner")
        .join(last, on="interval", how="inner")
    )
    levels = range((2 * most).bit_length())
    marked = events.join(_marks(spans, levels), on="place", how="left").sort("place")
    least = pl.lit(NONE, pl.Int64)
    marked = marked.with_columns(least.alias("least"))
    for level in reversed(levels):
        mine = pl.col(str(level)).fill_null(NONE)
        # A stretch of the level above begins here, or half of it before.
        half = pl.col("least").shift(2**level).fill_null(NONE)
        marked = marked.with_columns(pl.min_horizontal(mine, "least", half).alias("least"))
    value = pl.when(pl.col("least") < NONE).then(pl.col("least")).otherwise(0)
    return marked.select("key", value.alias("value")).select(
        "key", (pl.col("value") - pl.col("value").shift(1).fill_null(0)).alias("change")
    )


def _marks(spans: pl.LazyFrame, levels: range) -> pl.LazyFrame:
    """Find for each place and level the least value of the stretches that begin there.

    Those of level n are 2^n places long. The two of an interval begin at its first place, and end
    at the place before its last.
    """
    length = pl.col("last") - pl.col("first")
    level = pl.sum_horizontal((length >= 2**one).cast(pl.Int64) for one in levels) - 1
    size = pl.sum_horizontal(
        pl.when(pl.col("level") == one).then(2**one).otherwise(0) for one in levels
    )
    levelled = spans.with_columns(level.alias("level")).with_columns(size.alias("size"))
    both = pl.concat(
        levelled.select(place.alias("place"), "level", "value")
        for place in (pl.col("first"), pl.col("last") - pl.col("size"))
    )
    return (
        both.select(
            "place",
            *(
                pl.when(pl.col("level") == one).then(pl.col("value")).alias(str(one))
                for one in levels
            ),
        )
        .group_by("place")
        .agg(pl.col(str(one)).min() for one in levels)
    )


def _counted(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Number the rows from 1."""
    return rows.with_columns(pl.lit(1, pl.Int64).alias(name)).with_columns(pl.col(name).cum_sum())
