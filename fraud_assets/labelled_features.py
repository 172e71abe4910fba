"""Features that see each earlier transaction with the label that it had at their moment.

A feature plan knows one label a transaction, and when it became known. That says it all until a
verdict is taken back. So the targets are cut in time where such a change can touch them, and each
stretch is computed with the labels that hold in it. A feed whose labels never change needs one
pass, as without late labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.labels import label_changes, labels_from

MOST_PASSES: Final = 12
"""Passes over an upload's history at most. With more changes of verdicts among the parties of one
upload, some count from the next pass on and not at once: later than they were known, never
before."""

FeaturePlan = Callable[[pl.LazyFrame, pl.Expr, Path], pl.LazyFrame]
"""Rows, which of them get features, and an empty folder: the feature table."""

_PARTIES: Final = ("payer_id", "payee_id")


@dataclass(frozen=True)
class LateLabels:
    """Labels beside those in the rows.

    Attributes:
        events: `gpu_ops.labels.EVENT_SCHEMA`; none that the targets could not know.
        maturity: Of the feed.
        has_any: Whether there is anything beside the rows' own labels.
    """

    events: pl.LazyFrame
    maturity: timedelta | None
    has_any: bool


def labelled_features(
    rows: pl.LazyFrame, labels: LateLabels, plan: FeaturePlan, scratch: Path
) -> pl.LazyFrame:
    """The feature table of the rows with `is_target`, with every label as it was known.

    Args:
        rows: Canonical rows of one feed, history and targets, with `is_target`.
        labels: What became known apart from them.
        plan: Computes features of rows with one label each.
        scratch: An empty folder that outlives the table.

    Returns:
        What the plan returns, stretch after stretch; sorted by time if each stretch is.
    """
    is_target = pl.col("is_target")
    if not labels.has_any:
        return plan(rows, is_target, scratch)
    moments = _moments(rows, labels)
    tables = []
    for number, since in enumerate(moments):
        chosen = is_target
        # The first stretch holds all that lies before it, too: no change touches that.
        if number and since is not None:
            chosen &= pl.col("occurred_at") > pl.lit(since)
        if number + 1 < len(moments):
            chosen &= pl.col("occurred_at") <= pl.lit(moments[number + 1])
        folder = scratch / f"labels-{number:02d}" if len(moments) > 1 else scratch
        folder.mkdir(parents=True, exist_ok=True)
        known = labels_from(rows, labels.events, since, labels.maturity)
        tables.append(plan(known, chosen, folder))
    return pl.concat(tables)


def _moments(rows: pl.LazyFrame, labels: LateLabels) -> list[datetime | None]:
    """From when on the labels of each stretch are taken; None: before all changes.

    A change touches the targets that share a party with the transaction whose label it is. Where
    none of them lies between two changes, both are taken together.
    """
    changes = label_changes(rows, labels.events, labels.maturity).collect()
    if changes.is_empty():
        return [None]
    parties = rows.join(changes.lazy(), on="transaction_id", how="semi").select(_PARTIES).collect()
    accounts = pl.concat([parties["payer_id"], parties["payee_id"].alias("payer_id")]).unique()
    is_touched = pl.any_horizontal(pl.col(name).is_in(accounts.implode()) for name in _PARTIES)
    times = rows.filter(pl.col("is_target") & is_touched).select("occurred_at").collect()
    moments = changes["known_at"].unique().sort()
    at = np.searchsorted(
        moments.to_physical().to_numpy(), times["occurred_at"].to_physical().to_numpy()
    )
    # At place n, n changes are known: those strictly before the target.
    places = np.unique(at)
    if places.size > MOST_PASSES:
        spread = np.linspace(0, places.size - 1, MOST_PASSES).astype(np.int64)
        places = places[spread]
    return [None if place == 0 else moments[int(place) - 1] for place in places] or [None]
