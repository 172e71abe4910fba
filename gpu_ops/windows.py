"""The window features of a timeline as one lazy plan; windows are shared between features."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.feature_model import COLUMN_STATISTICS, LABEL_STATISTICS, WindowFeature
from gpu_ops.intervals import interval_counts

MICROSECOND: Final = timedelta(microseconds=1)
PARTS: Final = 2.0**36
"""Parts that a unit is split into, 1.5e-11 each: see `split_units`."""

Window = tuple[timedelta, timedelta]
"""A window's length and its delay."""


def split_units(column: str) -> tuple[pl.Expr, pl.Expr]:
    """Split a number into whole units and parts of a unit, both Int64.

    A rolling sum adds what enters and subtracts what leaves. In floating point that leaves a
    residue after a huge amount has left (1e12 beside 0.01: 1e-3 of the sum, Polars 1.44); in
    integers it is exact in any order, as long as a window's sum stays below 9.2e18 and its rows
    below 134 million.
    """
    whole = pl.col(column).floor()
    parts = ((pl.col(column) - whole) * PARTS).round()
    return (
        whole.cast(pl.Int64).alias(f"{column}_units"),
        parts.cast(pl.Int64).alias(f"{column}_parts"),
    )


def joined_units(column: str) -> pl.Expr:
    """Put sums of what `split_units` split together again, as Float64."""
    return pl.col(f"{column}_units") + pl.col(f"{column}_parts") / PARTS


def summed_columns(features: Iterable[WindowFeature]) -> tuple[str, ...]:
    """Name the columns that some feature sums or averages."""
    return tuple(dict.fromkeys(one.column for one in features if one.statistic in ("sum", "mean")))


def window_plan(
    timeline: pl.LazyFrame, features: Sequence[WindowFeature], exact: frozenset[str]
) -> pl.LazyFrame:
    """Compute window features for the targets of a timeline.

    Args:
        timeline: sorted by ``key``, with ``row``, ``at``, ``target`` and what the features need:
            their columns, with ``_units`` and ``_parts`` of those summed (`split_units`);
            for distinct counterparties ``met`` UInt32, 1 where there is one, and ``gap`` Int64,
            the time to the next row with the same one; for labels ``label_lag`` Int64, the time
            from a fraud to its label, null on other rows. All times in microseconds.
        features: of one entity.
        exact: names that stay Float64.

    Returns:
        ``row``, ``at`` and one column a feature, for target rows only.
    """
    windows = dict.fromkeys((one.window, one.delay) for one in features)
    pieces = [timeline.select("row", "at", "target")]
    for window in windows:
        of_window = [one for one in features if (one.window, one.delay) == window]
        pieces += _rolled(timeline, window, of_window)
        pieces += _unions(timeline, window, of_window)
    finished = (_finished(one, exact) for one in features)
    return (
        pl.concat(pieces, how="horizontal", strict=True)
        .filter(pl.col("target"))
        .select("row", "at", *finished)
    )


def _microseconds(duration: timedelta) -> int:
    return duration // MICROSECOND


def _column(statistic: str, window: Window) -> str:
    """Name an intermediate result; the blank keeps it apart from every feature's name."""
    return f"{statistic} {_microseconds(window[0])} {_microseconds(window[1])}"


def _rolled(
    timeline: pl.LazyFrame, window: Window, features: Sequence[WindowFeature]
) -> list[pl.LazyFrame]:
    wanted: dict[str, pl.Expr] = {}
    for feature in features:
        column = feature.column
        if feature.statistic in {"count", "label_risk"}:
            wanted["rows"] = pl.len()
        if feature.statistic == "distinct_counterparties":
            wanted["met"] = pl.col("met").sum()
        if feature.statistic == "max":
            wanted[f"max {column}"] = pl.col(column).max()
        if feature.statistic in {"sum", "mean"}:
            wanted[f"units {column}"] = pl.col(f"{column}_units").sum()
            wanted[f"parts {column}"] = pl.col(f"{column}_parts").sum()
        if feature.statistic == "mean":
            wanted[f"known {column}"] = pl.col(column).count()
    if not wanted:
        return []
    length, delay = map(_microseconds, window)
    rolled = timeline.rolling(
        "key", period=f"{length}i", offset=f"{-length - delay}i", closed="left"
    ).agg(expression.alias(_column(name, window)) for name, expression in wanted.items())
    return [rolled.drop("key")]


def _unions(
    timeline: pl.LazyFrame, window: Window, features: Sequence[WindowFeature]
) -> list[pl.LazyFrame]:
    length, delay = map(_microseconds, window)
    statistics = {one.statistic for one in features}
    queries = timeline.select("key")
    key = pl.col("key")
    unions = []
    if "distinct_counterparties" in statistics:
        # A repeat is a row whose pair's row before it is still in the window: it enters with
        # the later of the two and leaves with the earlier.
        repeated = timeline.filter(pl.col("gap") < length)
        starts = repeated.select(key + delay + pl.col("gap"))
        ends = repeated.select(key + delay + length)
        unions.append(interval_counts(queries, starts, ends, _column("repeats", window)))
    if statistics & LABEL_STATISTICS:
        # A fraud counts from the later of its entry into the window and its label.
        lag = pl.max_horizontal(pl.col("label_lag"), pl.lit(delay, pl.Int64))
        known = timeline.filter(pl.col("label_lag") < length + delay)
        name = _column("known_frauds", window)
        ends = known.select(key + delay + length)
        unions.append(interval_counts(queries, known.select(key + lag), ends, name))
    return unions


def _finished(feature: WindowFeature, exact: frozenset[str]) -> pl.Expr:
    window = (feature.window, feature.delay)

    def part(name: str) -> pl.Expr:
        return pl.col(_column(name, window))

    column = feature.column
    if feature.statistic in COLUMN_STATISTICS - {"max"}:
        value = part(f"units {column}") + part(f"parts {column}") / PARTS
        if feature.statistic == "mean":
            value = ratio(value, part(f"known {column}"))
    elif feature.statistic == "max":
        value = part(f"max {column}")
    elif feature.statistic == "label_risk":
        value = ratio(part("known_frauds"), part("rows"))
    elif feature.statistic == "distinct_counterparties":
        value = part("met") - part("repeats")
    else:
        value = part("rows" if feature.statistic == "count" else "known_frauds")
    dtype = pl.Float64() if feature.name in exact else feature.dtype
    return value.cast(dtype).alias(feature.name)


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide in Float64; null where the denominator is 0 or either side is null."""
    divided = numerator.cast(pl.Float64) / denominator.cast(pl.Float64)
    return pl.when(denominator != 0).then(divided)
