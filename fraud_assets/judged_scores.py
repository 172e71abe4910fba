"""Stored scores beside the labels of their transactions, as they are known by now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.labels import FeedLabels
from gpu_ops.splits import usable_labels
from resources.versions import Manifest, Versions

_LABELLED: Final = ("transaction_id", "occurred_at", "is_fraud", "label_known_at")


def judged_scores(
    versions: Versions,
    labels: FeedLabels,
    scored: Mapping[str, Manifest],
    columns: Sequence[str],
    now: datetime,
) -> pl.LazyFrame | None:
    """Rows that were scored, with the labels known by now.

    The labels come from the transactions and the feed's files of labels. Those that stand beside
    the scores will not do: they are as of the scoring, later ones are not among them, and silence
    stands there as a label from its maturity on, which would take back a fraud reported before.

    Args:
        versions: The lake.
        labels: Of the feed.
        scored: Visible scored versions of the feed by upload key. One whose transactions have
            changed since is passed over.
        columns: What is wanted of the scores.
        now: Labels that become known at this moment or later do not exist yet.

    Returns:
        transaction_id, occurred_at, is_fraud (null where it is not known by now), label_known_at
        and the columns, one upload after the other; a transaction that two uploads hold stands
        twice. None where no scored version is left.
    """
    pairs = [(_transactions_of(versions, key, one), one) for key, one in sorted(scored.items())]
    kept = [(raw, one) for raw, one in pairs if raw is not None and one.rows]
    if not kept:
        return None
    rows = versions.scan_all([raw for raw, _ in kept]).select(_LABELLED)
    known = labels.at(versions, rows, now).with_columns(usable_labels(now))
    scores = versions.scan_all([one for _, one in kept]).select(columns)
    # Both stand in the order of the file, which the scored layer's check holds.
    return pl.concat([known, scores], how="horizontal", strict=True)


def _transactions_of(versions: Versions, key: str, scored: Manifest) -> Manifest | None:
    """The visible transactions of an upload, if they are those that were scored."""
    slot = layers.upload_slot("raw_transactions", layers.feed_of(scored), key)
    raw = versions.latest(slot)
    return raw if raw is not None and scored.inputs.get(raw.slot) == raw.content_id else None
