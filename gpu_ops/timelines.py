"""One axis of time for many entities, so that one rolling pass serves them all."""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import xor
from typing import Final

import polars as pl

from gpu_ops.engine import Engine

KEY_LIMIT: Final = 2**60
"""Keys stay below twice this, which leaves two bits free for `gpu_ops.intervals`."""


def likely_repeated(rows: pl.LazyFrame, by: Sequence[str], engine: Engine) -> pl.LazyFrame:
    """Drop most rows of entities with one row, by their hashes: cheaper than grouping by names.

    No row of any other entity is dropped, whatever the hashes. On a GPU grouping is the cheaper.

    Args:
        rows: with the columns of `by`.
        by: columns that name an entity.
        engine: where the plan runs.
    """
    if engine.name == "gpu":
        return rows
    hashes = [pl.col(name).hash(seed=place) for place, name in enumerate(by)]
    return rows.filter(reduce(xor, hashes).is_duplicated())


def repeated_entities(rows: pl.LazyFrame, by: Sequence[str]) -> pl.LazyFrame:
    """Find the entities with two rows or more: only they have a past.

    Args:
        rows: ``at`` Int64 (microseconds), ``target`` Boolean, and the columns of `by`.
        by: columns that name an entity; a row with a null in one belongs to none.

    Returns:
        The columns of `by`, ``first_at`` and ``last_at`` Int64, and ``wanted`` Boolean: whether
        one of its rows is a target.
    """
    return (
        rows.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in by))
        .group_by(by)
        .agg(
            pl.col("at").min().alias("first_at"),
            pl.col("at").max().alias("last_at"),
            pl.len().alias("size"),
            pl.col("target").cast(pl.UInt8).max().alias("wanted"),
        )
        .filter(pl.col("size") > 1)
        .select(*by, "first_at", "last_at", pl.col("wanted") > 0)
    )


def timelines(
    rows: pl.LazyFrame, entities: pl.LazyFrame, by: Sequence[str], reach: int, engine: Engine
) -> Iterator[pl.DataFrame]:
    """Lay the rows of the entities one after the other on one axis.

    Each entity starts at an ``origin`` more than `reach` after the last row of the one before it.
    So a window no longer than `reach` sees rows of one entity only, and rolling over ``key``
    needs no groups and no join: it keeps the order of the rows.

    Args:
        rows: ``at`` Int64 (microseconds) and the columns of `by`, besides any others.
        entities: as `repeated_entities` returns them.
        by: columns that name an entity.
        reach: the longest window with its delay, in microseconds.
        engine: where the plan runs.

    Yields:
        The rows of these entities sorted by ``key``, with ``origin`` and ``key`` Int64 and
        without the columns of `by`. One table, or several with different entities where
        one axis would be too long for 64 bits.
    """
    found = engine.collect(entities)
    if found.is_empty():
        return
    room = pl.col("last_at") - pl.col("first_at") + reach + 1
    placed = (
        found.with_columns(room.alias("room"))
        .with_columns((pl.col("room").cast(pl.Float64).cum_sum() // KEY_LIMIT).alias("axis"))
        .with_columns((pl.col("room").cum_sum() - pl.col("room")).over("axis").alias("origin"))
        .drop("room", "last_at")
    )
    laid = (
        rows.join(placed.lazy(), on=list(by), how="inner")
        .with_columns((pl.col("origin") + pl.col("at") - pl.col("first_at")).alias("key"))
        .drop("first_at", *by)
    )
    axes = placed["axis"].unique().sort().to_list()
    if len(axes) > 1:
        laid = engine.collect(laid).lazy()
    for axis in axes:
        yield engine.collect(laid.filter(pl.col("axis") == axis).drop("axis").sort("key"))
