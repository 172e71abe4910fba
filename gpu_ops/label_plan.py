"""The structure of known labels on a timeline, as one lazy plan.

A label is known to a moment strictly later than both its row and the moment at which it became
known, in whatever order labels arrive. From that moment, the later of the two, it counts; it
stops counting when its row leaves the window. So each count is one of open intervals
(`gpu_ops.intervals`), the oldest of them their minimum (`gpu_ops.interval_minima`), and the newest
known row a running maximum.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.interval_minima import interval_minima
from gpu_ops.intervals import interval_counts
from gpu_ops.label_features import UNEXPLAINED, LabelFeature
from gpu_ops.windows import MICROSECOND, ratio

SECOND: Final = timedelta(seconds=1) // MICROSECOND
NEVER: Final = 2**62
"""Later than every key of a timeline."""

EXPLAINED: Final = "explained"
"""The column that tells of a fraud whether its amount was large for its payer."""

NOTHING_YET: Final = -1
"""Earlier than every key of a timeline."""


def label_plan(
    timeline: pl.LazyFrame,
    features: Sequence[LabelFeature],
    lengths: Mapping[str, int],
    exact: frozenset[str],
    most_frauds: int,
) -> pl.LazyFrame:
    """Compute label features for the targets of a timeline.

    Args:
        timeline: sorted by ``key``, with ``row``, ``at``, ``target``, ``is_fraud`` Boolean,
            ``known_lag`` Int64, the microseconds from a labelled row to its label, null on rows
            without one, and, for unexplained frauds, ``explained`` Boolean, true on frauds with
            a large amount.
        features: of one entity.
        lengths: of their windows by name, in microseconds.
        exact: names that stay Float64.
        most_frauds: no fewer than the timeline has.

    Returns:
        ``row``, ``at`` and one column a feature, for target rows only.
    """
    pieces = [timeline.select("row", "at", "target", "key")]
    for length in dict.fromkeys(lengths[one.name] for one in features):
        wanted = {one.statistic for one in features if lengths[one.name] == length}
        pieces += _counted(timeline, length, frozenset(wanted), most_frauds)
    return (
        pl.concat(pieces, how="horizontal", strict=True)
        .filter(pl.col("target"))
        .select("row", "at", *(_finished(one, lengths[one.name], exact) for one in features))
    )


def _column(part: str, length: int) -> str:
    """Name an intermediate result; the blank keeps it apart from every feature's name."""
    return f"{part} {length}"


def _counted(
    timeline: pl.LazyFrame, length: int, statistics: frozenset[str], most_frauds: int
) -> Iterator[pl.LazyFrame]:
    """Count and find what the statistics of one window are made of, in the timeline's order."""
    queries = timeline.select("key")
    # A label that comes when its row has left the window is never seen.
    known = timeline.filter(pl.col("known_lag") < length).select(
        "key",
        "is_fraud",
        *([EXPLAINED] if statistics & UNEXPLAINED else []),
        seen=pl.col("key") + pl.max_horizontal(pl.col("known_lag"), pl.lit(0, pl.Int64)),
    )
    frauds = known.filter(pl.col("is_fraud"))
    leaves = pl.col("key") + length

    def counts(rows: pl.LazyFrame, until: pl.Expr, part: str) -> pl.LazyFrame:
        starts = rows.select(pl.col("seen").alias("key"))
        return interval_counts(queries, starts, rows.select(until), _column(part, length))

    if statistics & {"known_fraud_share", "unexplained_fraud_share"}:
        yield counts(frauds, leaves, "frauds")
    if "known_fraud_share" in statistics:
        yield counts(known, leaves, "labels")
    if statistics & UNEXPLAINED:
        unexplained = frauds.filter(pl.col(EXPLAINED).fill_null(value=False).not_())
        yield counts(unexplained, leaves, "unexplained")
    if "known_fraud_run" in statistics:
        yield counts(_runs(known, length), pl.col("until").alias("key"), "run")
    if "known_fraud_run_age" in statistics:
        run = _runs(known, length).select(
            pl.col("seen").alias("start"),
            pl.col("until").alias("end"),
            # Counted from 1, since 0 is none.
            (pl.col("key") + 1).alias("value"),
        )
        yield interval_minima(queries, run, most_frauds, _column("oldest", length))
    if "time_since_known_fraud" in statistics:
        yield _newest(queries, frauds, _column("newest", length))


def _runs(known: pl.LazyFrame, length: int) -> pl.LazyFrame:
    """Find until when each fraud belongs to the run at the newest end of what is known.

    Until it leaves the window, or until a legitimate row of its moment or later is seen. Where
    that lies before the fraud is itself seen, it never belongs to it.
    """
    # From the newest row to the oldest; of one moment the legitimate rows come first.
    newest_first = -2 * pl.col("key") - pl.col("is_fraud").not_().cast(pl.Int64)
    broken = pl.when(pl.col("is_fraud").not_()).then(pl.col("seen")).otherwise(NEVER).cum_min()
    return (
        known.with_columns(newest_first.alias("newest_first"))
        .sort("newest_first")
        .with_columns(broken.alias("broken"))
        .filter(pl.col("is_fraud"))
        .select("key", "seen", pl.min_horizontal("broken", pl.col("key") + length).alias("until"))
        .filter(pl.col("seen") < pl.col("until"))
    )


def _newest(queries: pl.LazyFrame, frauds: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Find for each query the key of the newest fraud that is known by then, of any entity.

    That of another entity is further back than the window, as timelines are laid out.
    """
    role = pl.col("key") % 2
    points = (
        queries.select(pl.col("key") * 2, pl.lit(NOTHING_YET, pl.Int64).alias("found")),
        frauds.select(pl.col("seen").alias("key") * 2 + 1, pl.col("key").alias("found")),
    )
    return (
        pl.concat(points)
        .sort("key")
        .select("key", pl.col("found").cum_max().alias(name))
        .filter(role == 0)
        .select(name)
    )


def _finished(feature: LabelFeature, length: int, exact: frozenset[str]) -> pl.Expr:
    def part(name: str) -> pl.Expr:
        return pl.col(_column(name, length))

    if feature.statistic == "known_fraud_share":
        value = ratio(part("frauds"), part("labels"))
    elif feature.statistic == "unexplained_frauds":
        value = part("unexplained")
    elif feature.statistic == "unexplained_fraud_share":
        value = ratio(part("unexplained"), part("frauds"))
    elif feature.statistic == "known_fraud_run":
        value = part("run")
    elif feature.statistic == "known_fraud_run_age":
        age = pl.col("key") - (part("oldest") - 1)
        value = pl.when(part("oldest") > 0).then(age.cast(pl.Float64) / SECOND)
    else:
        age = pl.col("key") - part("newest")
        found = (part("newest") != NOTHING_YET) & (age <= length)
        value = pl.when(found).then(age.cast(pl.Float64) / SECOND)
    dtype = pl.Float64() if feature.name in exact else feature.dtype
    return value.cast(dtype).alias(feature.name)
