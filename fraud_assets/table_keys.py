"""Whether the rows of a table have keys of their own and stand in order, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

BATCH_ROWS: Final = 250_000
"""Rows looked at at once: bounds memory on tables larger than it."""


def batches(frame: pl.LazyFrame | pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of the frame; at least one, so that an empty table's columns are validated too."""
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(BATCH_ROWS) if frame.height else (frame,)
        return
    rows = frame.select(pl.len()).collect().item()
    for start in range(0, max(rows, 1), BATCH_ROWS):
        yield frame.slice(start, BATCH_ROWS).collect()


def repeated_keys(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The keys that occur more than once, a row each.

    Distinct 64-bit hashes prove distinct keys, with an eighth of the memory; only keys whose
    hashes meet are compared themselves.
    """
    key = pl.struct(columns).hash() if len(columns) > 1 else pl.col(columns[0]).hash()
    hashes = frame.select(key=key).collect(engine="streaming").to_series()
    if hashes.n_unique() == hashes.len():
        return pl.DataFrame(schema=frame.select(columns).collect_schema())
    met = hashes.filter(hashes.is_duplicated()).unique()
    return (
        frame.filter(key.is_in(met.implode()))
        .group_by(columns)
        .agg(pl.len().alias("times"))
        .filter(pl.col("times") > 1)
        .select(columns)
        .collect(engine="streaming")
    )


@dataclass(frozen=True)
class Disorder:
    """Rows whose key lies before, and rows whose key equals, that of the row above."""

    earlier: int
    equal: int


def disorder(frame: pl.LazyFrame, columns: Sequence[str]) -> Disorder:
    """Counts batch by batch, each with the last key of the one before: names are large."""
    earlier = equal = 0
    above: pl.DataFrame | None = None
    for batch in batches(frame.select(columns)):
        keys = batch if above is None else pl.concat([above, batch])
        found = _disorder_of(keys, columns)
        earlier += found.earlier
        equal += found.equal
        above = keys.tail(1)
    return Disorder(earlier, equal)


def _disorder_of(keys: pl.DataFrame, columns: Sequence[str]) -> Disorder:
    earlier = pl.lit(value=False)
    equal = pl.lit(value=True)
    for column in columns:
        value, previous = pl.col(column), pl.col(column).shift()
        earlier = earlier | (equal & (value < previous))
        equal = equal & (value == previous)
    counted = keys.select(earlier=earlier.sum(), equal=equal.sum())
    return Disorder(*map(int, counted.row(0)))
