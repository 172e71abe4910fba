"""Counting open intervals at many points at once: the +1/-1 union."""

from typing import Final

import polars as pl

QUERY: Final = 0
START: Final = 1
END: Final = 2


def interval_counts(
    queries: pl.LazyFrame, starts: pl.LazyFrame, ends: pl.LazyFrame, name: str
) -> pl.LazyFrame:
    """Count, for each query point q, the intervals (start, end] that contain it.

    One cumulative sum over the sorted union of all points: a start adds one and an end takes one
    away, both only after the queries at the same point. The cost is that of one sort, whatever
    the number of intervals open at once; a rolling ``n_unique`` is quadratic where one entity
    has most of the rows.

    Args:
        queries: one column ``key``, Int64, from 0 to below 2^61, in ascending order.
        starts: one column ``key``, likewise, in any order.
        ends: one column ``key``, likewise; as many as starts, none before its start.
        name: the column to return.

    Returns:
        One UInt32 column in the order of the queries.
    """
    # The role takes the two lowest bits, so that one plain sort puts queries first.
    points = [
        points.select(pl.col("key") * 4 + role)
        for role, points in ((QUERY, queries), (START, starts), (END, ends))
    ]
    role = pl.col("key") % 4
    change = (role == START).cast(pl.Int32) - (role == END).cast(pl.Int32)
    return (
        pl.concat(points)
        .sort("key")
        .select("key", change.cum_sum().cast(pl.UInt32).alias(name))
        .filter(role == QUERY)
        .select(name)
    )
