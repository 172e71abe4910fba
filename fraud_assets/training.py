"""Labelled rows for training and evaluation, as they could be known at each moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.feeds import Feed
from gpu_ops.splits import (
    SplitImpossibleError,
    TimeSplit,
    enough_labels,
    not_known_compromised,
    rows_in,
    time_split,
    usable_labels,
)
from gpu_ops.training_rows import training_sample
from resources.settings import Settings
from resources.versions import Manifest, Versions

DEFAULT_LABEL_DELAY: Final = timedelta(days=7)
"""Gap between the windows where a feed says no label delay: chargebacks take about a week."""

TRAINED_ON: Final = "trained_on"
"""In a model's manifest: slot to content of the features that it was trained on."""

IDENTITY: Final = ("transaction_id", "occurred_at", "feed", "payer_id", "transaction_amount")
ROLES: Final = ("window", "is_fraud", "weight")
_RAW_COLUMNS: Final = (
    "transaction_id",
    "occurred_at",
    "payer_id",
    "amount",
    "is_fraud",
    "label_known_at",
)


@dataclass(frozen=True)
class Source:
    """The raw and prepped versions of one upload, made of each other."""

    raw: Manifest
    prepped: Manifest


@dataclass(frozen=True)
class Trainable:
    """A feed whose labels allow a model."""

    feed: Feed
    split: TimeSplit
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class NotTrainable:
    """A feed without a model, and why."""

    feed: Feed
    reason: str


def assess(versions: Versions, feed: Feed, settings: Settings) -> Trainable | NotTrainable:
    """Whether a feed's labels and time span allow training now, and on which windows."""
    sources = _recent(_sources(versions, feed.name), settings.training_days)
    bounds = [
        (source.raw.event_from, source.raw.event_to)
        for source in sources
        if source.raw.event_from is not None and source.raw.event_to is not None
    ]
    if not bounds:
        return NotTrainable(feed, "no prepared transactions")
    last = max(high for _, high in bounds)
    # One row with a date of long ago must not stretch the windows over decades.
    first = max(min(low for low, _ in bounds), last - timedelta(days=settings.training_days))
    raw = versions.scan_all([source.raw for source in sources])
    try:
        split = time_split(first, last, label_maturity(raw, feed.label_delay))
    except SplitImpossibleError as error:
        return NotTrainable(feed, str(error))
    reasons = enough_labels(raw, split, settings.min_fraud_labels)
    if reasons:
        return NotTrainable(feed, "; ".join(reasons))
    return Trainable(feed, split, tuple(sources))


def label_maturity(raw: pl.LazyFrame, declared: timedelta | None) -> timedelta:
    """The age at which the label of a legitimate transaction is known, seen or declared.

    The gap between the windows must not be shorter. Frauds are often known sooner than the rest:
    in a window that ends too late only they have labels, so frauds look several times as frequent
    as they are, and every calibration on it is wrong.

    Args:
        raw: `occurred_at`, `is_fraud` and `label_known_at` of a feed.
        declared: The feed's own label delay.

    Returns:
        The greater of the declared delay (a week without one) and what 99 % of the legitimate
        labels took.
    """
    taken = pl.col("label_known_at") - pl.col("occurred_at")
    seen = raw.filter(~pl.col("is_fraud")).select(
        taken.dt.total_microseconds().quantile(0.99, interpolation="higher")
    )
    longest = seen.collect().item()
    asked = DEFAULT_LABEL_DELAY if declared is None else declared
    return asked if longest is None else max(asked, timedelta(microseconds=int(longest)))


def trained_on(found: Trainable | NotTrainable) -> dict[str, str]:
    """The features that training would read now: slot to content; none without enough labels."""
    sources = found.sources if isinstance(found, Trainable) else ()
    return {source.prepped.slot: source.prepped.content_id for source in sources}


def training_frame(
    versions: Versions, trainable: Trainable, *, max_training_rows: int, seed: int
) -> pl.DataFrame:
    """The labelled rows of the three windows with their features.

    Labels of training and validation are those known when the test window starts. Training rows
    are every fraud and a weighted sample of the rest; validation and test rows are all rows with a
    known label, the test without payers whose fraud was known before the row's day.

    Returns:
        transaction_id, occurred_at, feed, payer_id, transaction_amount, window, is_fraud, weight
        and the features.
    """
    parts = list(_roles(versions, trainable, max_training_rows, seed))
    return pl.concat(parts)


def _roles(
    versions: Versions, trainable: Trainable, max_training_rows: int, seed: int
) -> Iterator[pl.DataFrame]:
    raw = (
        versions.scan_all([source.raw for source in trainable.sources])
        .select(_RAW_COLUMNS)
        .collect()
    )
    roles = _with_roles(raw, trainable.split, max_training_rows, seed)
    start = 0
    for source in trainable.sources:
        mine = roles.slice(start, source.raw.rows)
        start += source.raw.rows
        features = versions.scan(source.prepped).drop("transaction_id", "occurred_at")
        # Both stand in the order (occurred_at, transaction_id), which their contracts check.
        yield (
            pl.concat([mine.lazy(), features], how="horizontal", strict=True)
            .filter(pl.col("window").is_not_null())
            .with_columns(feed=pl.lit(trainable.feed.name))
            .select(*IDENTITY, *ROLES, pl.exclude(*IDENTITY, *ROLES))
            .collect()
        )


def _with_roles(
    raw: pl.DataFrame, split: TimeSplit, max_training_rows: int, seed: int
) -> pl.DataFrame:
    """The raw rows, in their order, with window, label and weight; no window: not used."""
    known_at_test = usable_labels(split.test.start)
    known_by_now = usable_labels(datetime.now(UTC))
    window = (
        pl.when(rows_in(split.train) & known_at_test.is_not_null())
        .then(pl.lit("train"))
        .when(rows_in(split.validation) & known_at_test.is_not_null())
        .then(pl.lit("validation"))
        .when(rows_in(split.test) & known_by_now.is_not_null() & not_known_compromised())
        .then(pl.lit("test"))
    )
    placed = raw.select(
        "transaction_id",
        "occurred_at",
        "payer_id",
        # The feature `amount` is Float32; money is counted in the exact one.
        pl.col("amount").alias("transaction_amount"),
        window.alias("window"),
        known_by_now.alias("is_fraud"),
    )
    sample = training_sample(
        placed.filter(pl.col("window") == "train").select("transaction_id", "is_fraud"),
        max_training_rows=max_training_rows,
        seed=seed,
    ).select("transaction_id", "weight")
    weighted = placed.join(sample, on="transaction_id", how="left", maintain_order="left")
    is_dropped = (pl.col("window") == "train") & pl.col("weight").is_null()
    return weighted.with_columns(
        window=pl.when(is_dropped).then(None).otherwise(pl.col("window")),
        weight=pl.col("weight").fill_null(1.0),
    )


def _recent(sources: list[Source], days: int) -> list[Source]:
    """The sources that reach into the last days of their feed, so that memory stays bounded."""
    latest = [one.raw.event_to for one in sources if one.raw.event_to is not None]
    if not latest:
        return sources
    start = max(latest) - timedelta(days=days)
    return [one for one in sources if one.raw.event_to is not None and one.raw.event_to >= start]


def _sources(versions: Versions, feed: str) -> list[Source]:
    """Uploads whose visible features were made of their visible raw rows, oldest first."""
    raw = layers.visible(versions, "raw_transactions", feed)
    prepped = layers.visible(versions, "prepped_transactions", feed)
    pairs = [
        Source(raw[key], prepped[key])
        for key in sorted(raw)
        if key in prepped and prepped[key].inputs.get(raw[key].slot) == raw[key].content_id
    ]
    return sorted(pairs, key=lambda pair: pair.raw.event_from or datetime.max.replace(tzinfo=UTC))
