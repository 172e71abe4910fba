"""The window features of a timeline as one lazy plan; windows are shared between features."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

import polars as pl

from gpu_ops.feature_model import LABEL_STATISTICS, WindowFeature
from gpu_ops.intervals import interval_counts
from gpu_ops.spreads import SQUARES, joined_squares, split_squares, spread
from gpu_ops.window_features import FLAGS

MICROSECOND: Final = timedelta(microseconds=1)
SECOND: Final = timedelta(seconds=1) // MICROSECOND
PARTS: Final = 2.0**36
"""Parts that a unit is split into, 1.5e-11 each: see `split_units`."""

NEVER: Final = -1
"""Earlier than every key."""


class Window(NamedTuple):
    """A window's length and its delay, in microseconds."""

    length: int
    delay: int


@dataclass(frozen=True)
class Horizon:
    """How far back features look on a timeline.

    Args:
        lookback: the window of features without one.
        longest: longest time between two rows of one entity, in microseconds. A window that is
            longer sees what this one sees, so that several can share a pass.
    """

    lookback: timedelta
    longest: int

    def window(self, feature: WindowFeature) -> Window:
        """The window of a feature, not longer than it needs to be."""
        delay = feature.delay // MICROSECOND
        whole = feature.reach(self.lookback) // MICROSECOND - delay
        return Window(min(whole, self.longest + 1), delay)

    def reach(self, features: Iterable[WindowFeature]) -> int:
        """The farthest that features look back, in microseconds."""
        return max((sum(self.window(one)) for one in features), default=0)


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
    """Name the columns that some feature sums."""
    summed = ("sum", "mean", "std")
    return tuple(dict.fromkeys(one.column for one in features if one.statistic in summed))


def prepared_columns(features: Sequence[WindowFeature]) -> list[pl.Expr]:
    """What `window_plan` needs besides the rows' own columns: numbers split into integers."""
    split = [half for column in summed_columns(features) for half in split_units(column)]
    varied = dict.fromkeys(one.column for one in features if one.statistic == "std")
    flags = dict.fromkeys(FLAGS[one.statistic] for one in features if one.statistic in FLAGS)
    return [
        *split,
        *(part for column in varied for part in split_squares(column)),
        *(pl.col(flag).cast(pl.UInt32) for flag in flags),
    ]


def window_plan(
    timeline: pl.LazyFrame,
    features: Sequence[WindowFeature],
    exact: frozenset[str],
    horizon: Horizon,
) -> pl.LazyFrame:
    """Compute window features for the targets of a timeline, all but ranks.

    Args:
        timeline: sorted by ``key``, with ``row``, ``at``, ``target``, ``origin``, the key of the
            entity's first row, the `prepared_columns` and what else the features need: their
            columns; for distinct counterparties ``met`` UInt32, 1 where there is one, and ``gap``
            Int64, the time to the next row with the same one; for labels ``label_lag`` Int64, the
            time from a fraud to its label, null on other rows. All times in microseconds.
        features: of one entity.
        exact: names that stay Float64.
        horizon: how far back they look on this timeline.

    Returns:
        ``row``, ``at`` and one column a feature, for target rows only.
    """
    pieces = [timeline.select("row", "at", "target", "key", "origin")]
    if any(one.statistic == "time_since_last" for one in features):
        pieces.append(timeline.select(_before().alias("before")))
    for window in dict.fromkeys(horizon.window(one) for one in features):
        of_window = [one for one in features if horizon.window(one) == window]
        pieces += _rolled(timeline, window, of_window)
        pieces += _unions(timeline, window, of_window)
    finished = (_finished(one, horizon.window(one), exact) for one in features)
    return (
        pl.concat(pieces, how="horizontal", strict=True)
        .filter(pl.col("target"))
        .select("row", "at", *finished)
    )


def _before() -> pl.Expr:
    """The key of the last earlier moment on the timeline, of whatever entity."""
    moved = pl.col("key") != pl.col("key").shift()
    return pl.when(moved).then(pl.col("key").shift()).otherwise(NEVER).cum_max()


def _column(statistic: str, window: Window) -> str:
    """Name an intermediate result; the blank keeps it apart from every feature's name."""
    return f"{statistic} {window.length} {window.delay}"


def _summands(feature: WindowFeature) -> Iterator[tuple[str, pl.Expr]]:
    """What a feature aggregates in its rolling pass, by the names that features share."""
    column, statistic = feature.column, feature.statistic
    moments = {"sum", "mean", "std"}
    summands: tuple[tuple[str, set[str], pl.Expr], ...] = (
        ("rows", {"count", "label_risk", *FLAGS}, pl.len()),
        ("met", {"distinct_counterparties"}, pl.col("met").sum()),
        ("first", {"account_age"}, pl.col("key").min()),
        (f"min {column}", {"min"}, pl.col(column).min()),
        (f"max {column}", {"max"}, pl.col(column).max()),
        (f"units {column}", moments, pl.col(f"{column}_units").sum()),
        (f"parts {column}", moments, pl.col(f"{column}_parts").sum()),
        (f"known {column}", {"mean", "std"}, pl.col(column).count()),
        *(
            (f"squares {part} {column}", {"std"}, pl.col(f"{column}_squares_{part}").sum())
            for part in SQUARES
        ),
        *((share, {share}, pl.col(flag).sum()) for share, flag in FLAGS.items()),
    )
    for name, statistics, expression in summands:
        if statistic in statistics:
            yield name, expression


def _rolled(
    timeline: pl.LazyFrame, window: Window, features: Sequence[WindowFeature]
) -> list[pl.LazyFrame]:
    wanted = dict(summand for one in features for summand in _summands(one))
    if not wanted:
        return []
    length, delay = window
    rolled = timeline.rolling(
        "key", period=f"{length}i", offset=f"{-length - delay}i", closed="left"
    ).agg(expression.alias(_column(name, window)) for name, expression in wanted.items())
    return [rolled.drop("key")]


def _unions(
    timeline: pl.LazyFrame, window: Window, features: Sequence[WindowFeature]
) -> list[pl.LazyFrame]:
    length, delay = window
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


def _finished(feature: WindowFeature, window: Window, exact: frozenset[str]) -> pl.Expr:
    exactly = feature.name in exact and feature.dtype.is_float()
    dtype = pl.Float64() if exactly else feature.dtype
    return _value(feature, window).cast(dtype).alias(feature.name)


def _value(feature: WindowFeature, window: Window) -> pl.Expr:
    column = feature.column

    def part(name: str) -> pl.Expr:
        return pl.col(_column(name, window))

    total = part(f"units {column}") + part(f"parts {column}") / PARTS
    known = part(f"known {column}")
    squares = joined_squares(*(part(f"squares {name} {column}") for name in SQUARES))
    since = pl.col("key") - pl.col("before")
    seen = (pl.col("before") >= pl.col("origin")) & (since <= window.length)
    values: dict[str, pl.Expr] = {
        "count": part("rows"),
        "sum": total,
        "mean": ratio(total, known),
        "std": spread(known, total, squares),
        "min": part(f"min {column}"),
        "max": part(f"max {column}"),
        "distinct_counterparties": part("met") - part("repeats"),
        "time_since_last": pl.when(seen).then(since.cast(pl.Float64) / SECOND),
        "account_age": (pl.col("key") - part("first")).cast(pl.Float64) / SECOND,
        "known_frauds": part("known_frauds"),
        "label_risk": ratio(part("known_frauds"), part("rows")),
        **{share: ratio(part(share), part("rows")) for share in FLAGS},
    }
    return values[feature.statistic]


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide in Float64; null where the denominator is 0 or either side is null."""
    divided = numerator.cast(pl.Float64) / denominator.cast(pl.Float64)
    return pl.when(denominator != 0).then(divided)
