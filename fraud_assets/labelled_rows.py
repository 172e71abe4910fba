"""Labelled rows for training and evaluation, as they could be known at each moment."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from fraud_assets.training import IDENTITY, ROLES, Trainable
from gpu_ops.splits import not_known_compromised, rows_in, usable_labels
from gpu_ops.training_rows import training_sample
from resources.errors import LakeError
from resources.versions import Versions

_FEATURES_OF: Final = "features_of"
_RAW_COLUMNS: Final = (
    "transaction_id",
    "occurred_at",
    "payer_id",
    "amount",
    "is_fraud",
    "label_known_at",
)


class MisplacedFeaturesError(LakeError):
    """The features of an upload do not stand in the order of its transactions."""


def training_frame(
    versions: Versions, trainable: Trainable, *, max_training_rows: int, seed: int
) -> pl.DataFrame:
    """The labelled rows of the three windows with their features.

    Labels of training and validation are those known when the test window starts. Training rows
    are every fraud and a weighted sample of the rest; validation and test rows are all rows with a
    known label, the test without payers whose fraud was known before the row's day. A transaction
    that two uploads hold counts once, as the earlier one has it.

    Returns:
        transaction_id, occurred_at, feed, payer_id, transaction_amount, window, is_fraud, weight
        and the features.

    Raises:
        MisplacedFeaturesError: Features are not in the order of their transactions.
    """
    parts = list(_roles(versions, trainable, max_training_rows, seed))
    return pl.concat(parts)


def _roles(
    versions: Versions, trainable: Trainable, max_training_rows: int, seed: int
) -> Iterator[pl.DataFrame]:
    roles = _with_roles(_labelled(versions, trainable), trainable, max_training_rows, seed)
    start = 0
    for source in trainable.sources:
        mine = roles.slice(start, source.raw.rows)
        start += source.raw.rows
        features = (
            versions.scan(source.prepped)
            .drop("occurred_at")
            .rename({"transaction_id": _FEATURES_OF})
        )
        # Both stand in the order (occurred_at, transaction_id), which their contracts check.
        placed = (
            pl.concat([mine.lazy(), features], how="horizontal", strict=True)
            .filter(pl.col("window").is_not_null())
            .collect()
        )
        if not placed["transaction_id"].equals(placed[_FEATURES_OF]):
            raise MisplacedFeaturesError(
                f"the features in {source.prepped.slot} are not those of the transactions in "
                f"{source.raw.slot}, row by row; make the features of this upload anew "
                "(materialize prepped_transactions)"
            )
        yield placed.with_columns(feed=pl.lit(trainable.feed.name)).select(
            *IDENTITY, *ROLES, pl.exclude(*IDENTITY, *ROLES, _FEATURES_OF)
        )


def _labelled(versions: Versions, trainable: Trainable) -> pl.DataFrame:
    """The raw rows with what was known of their labels at the moments that training asks for.

    Returns:
        Identity and amount, `label_at_test` (known when the test starts), `label_by_now`, and
        `is_compromised`: a fraud of the payer was known, and not withdrawn, before the row's day.
    """
    rows = versions.scan_all([source.raw for source in trainable.sources]).select(_RAW_COLUMNS)
    at_test, now, late = trainable.split.test.start, trainable.now, trainable.labels
    then = late.at(versions, rows, at_test).select(usable_labels(at_test).alias("label_at_test"))
    by_now = late.at(versions, rows, now).select(
        "transaction_id",
        "occurred_at",
        "payer_id",
        "amount",
        usable_labels(now).alias("label_by_now"),
        is_compromised=~not_known_compromised(),
    )
    found = pl.concat([by_now.collect(), then.collect()], how="horizontal", strict=True)
    if not late.has_any:
        return found
    # Where labels change, the last one does not tell what was known on an earlier day.
    spans = late.fraud_spans(versions, rows)
    payers = rows.select("transaction_id", "payer_id").unique("transaction_id")
    day = pl.col("occurred_at").dt.truncate("1d")
    stood = pl.col("superseded_at").is_null() | (day <= pl.col("superseded_at"))
    compromised = (
        rows.filter(rows_in(trainable.split.test))
        .select("transaction_id", "occurred_at", "payer_id")
        .join(spans.join(payers, on="transaction_id").drop("transaction_id"), on="payer_id")
        .filter((pl.col("known_at") < day) & stood)
        .select("transaction_id")
        .unique()
        .collect()
        .to_series()
    )
    return found.with_columns(is_compromised=pl.col("transaction_id").is_in(compromised.implode()))


def _with_roles(
    raw: pl.DataFrame, trainable: Trainable, max_training_rows: int, seed: int
) -> pl.DataFrame:
    """The raw rows, in their order, with window, label and weight; no window: not used."""
    split = trainable.split
    at_test, by_now = pl.col("label_at_test"), pl.col("label_by_now")
    window = (
        pl.when(rows_in(split.train) & at_test.is_not_null())
        .then(pl.lit("train"))
        .when(rows_in(split.validation) & at_test.is_not_null())
        .then(pl.lit("validation"))
        .when(rows_in(split.test) & by_now.is_not_null() & ~pl.col("is_compromised"))
        .then(pl.lit("test"))
    )
    placed = raw.select(
        "transaction_id",
        "occurred_at",
        "payer_id",
        # The feature `amount` is Float32; money is counted in the exact one.
        pl.col("amount").alias("transaction_amount"),
        # Two uploads of one transaction would else double it, and its weight.
        pl.when(pl.col("transaction_id").is_first_distinct()).then(window).alias("window"),
        pl.when(rows_in(split.test)).then(by_now).otherwise(at_test).alias("is_fraud"),
    )
    sample = training_sample(
        placed.filter(pl.col("window") == "train").select("transaction_id", "is_fraud"),
        max_training_rows=max_training_rows,
        seed=seed,
    ).select("transaction_id", "weight")
    weighted = placed.join(
        sample, on="transaction_id", how="left", validate="m:1", maintain_order="left"
    )
    is_dropped = (pl.col("window") == "train") & pl.col("weight").is_null()
    return weighted.with_columns(
        window=pl.when(is_dropped).then(None).otherwise(pl.col("window")),
        weight=pl.col("weight").fill_null(1.0),
    )
