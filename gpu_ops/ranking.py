"""Ranking: which transactions and rings become alerts, within the review capacity of each day.

What is published stays: it keeps its id, its rank and its place in the capacity of its day.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from gpu_ops.alert_table import (
    ALERT_SCHEMA,
    RING_EVIDENCE,
    TRANSACTION_EVIDENCE,
    alert_id,
    published_alerts,
    sortable,
    with_published,
)
from gpu_ops.reasons import ring_reason

if TYPE_CHECKING:
    from datetime import date

__all__ = [
    "ALERT_SCHEMA",
    "RING_EVIDENCE",
    "TRANSACTION_EVIDENCE",
    "alert_id",
    "may_alert",
    "rank_ring_alerts",
    "rank_transaction_alerts",
]

SAME_RING_SHARE: Final = 0.5
"""A ring with more than this share of its transactions in an alerted ring is the same case."""

_CASE: Final = ("feed", "payer", "payee", "event_day")


def may_alert(frame: pl.DataFrame, *, capacity: int, least_loss: float = 0.0) -> pl.Series:
    """Which rows are candidates: the best `capacity` rows of each UTC event day.

    Rows with an expected loss come first, by it; rows without need a rule that hits and go by the
    sum of such rules' weights, then by anomaly score: on labelled card data the rules alone found
    far more fraud than the anomaly score did. Rows that helped to make the model never alert.
    Several uploads and feeds share a day, so candidates are more than alerts;
    `rank_transaction_alerts` decides.

    Args:
        frame: `transaction_id`, `occurred_at`, `in_sample`, `expected_loss`, `anomaly_score` and
            `rule_hits` (UInt32); one feed.
        capacity: Most candidates a day, at least 0.
        least_loss: Rows with a smaller expected loss are not worth a review.

    Returns:
        Boolean Series `may_alert` in the order of the rows.
    """
    loss = sortable("expected_loss")
    eligible = (
        frame.lazy()
        .with_row_index("row")
        .filter(
            ~pl.col("in_sample"),
            pl.when(loss.is_null()).then(pl.col("rule_hits") > 0).otherwise(loss >= least_loss),
        )
        .select(
            "row",
            day=pl.col("occurred_at").dt.date(),
            loss=loss,
            score=pl.when(loss.is_null()).then(_merit(pl.col("rule_hits"))),
            merit=pl.when(loss.is_null())
            .then(_merit(pl.col("rule_hits")))
            .otherwise(sortable("anomaly_score")),
        )
        .collect()
    )
    # Exact order costs a sort with ties, so it is asked for only of those near the top.
    floors = eligible.group_by("day").agg(
        pl.col(key).drop_nulls().top_k(capacity).min().alias(f"least_{key}")
        for key in ("loss", "score")
    )
    near = eligible.join(floors, on="day").filter(
        (pl.col("loss") >= pl.col("least_loss")) | (pl.col("score") >= pl.col("least_score"))
    )
    best = (
        near.with_columns(frame["transaction_id"].gather(near["row"]))
        .sort(
            "day",
            "loss",
            "merit",
            "transaction_id",
            descending=[False, True, True, False],
            nulls_last=True,
        )
        .select("row", place=pl.int_range(pl.len()).over("day"))
        .filter(pl.col("place") < capacity)
    )
    chosen = pl.zeros(frame.height, dtype=pl.UInt8, eager=True).alias("may_alert")
    return chosen.scatter(best["row"], 1).cast(pl.Boolean)


def rank_transaction_alerts(
    candidates: pl.DataFrame,
    published: pl.DataFrame | None,
    *,
    capacity: int,
    weights: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """The transaction alerts of all days: the published ones and those that still fit.

    Per UTC event day, over all feeds, what is published keeps its row as it is. The capacity that
    it leaves is filled with new alerts: expected loss first, the largest first, then those without
    a model by the number of their reasons and the anomaly score, then feed and transaction id. New
    ranks go on after the largest published rank of the day: the rank is the place in the order of
    publication, and by merit within one publication.

    Transactions of one day from one payer to one payee are one case: the best becomes the alert,
    the others its `related_transaction_ids`. A case that is published does not alert again.

    Args:
        candidates: Rows that may alert, with `transaction_id`, `feed`, `reasons`, `expected_loss`
            and the columns of `TRANSACTION_EVIDENCE` but the related ids. Any order.
        published: Former alerts of any type, with the columns of the result; none at first.
        capacity: Most alerts a day.
        weights: How many reasons one counts for, by its code; 1 where it is not named.

    Returns:
        `ALERT_SCHEMA` and `TRANSACTION_EVIDENCE`, and what else `published` has (null in new rows),
        by event day and rank.
    """
    kept = published_alerts(published, "transaction", ALERT_SCHEMA | TRANSACTION_EVIDENCE)
    cases = _cases(candidates, weights or {})
    new = cases.join(kept.select(_CASE).unique(), on=_CASE, how="anti", nulls_equal=True).join(
        kept.select("feed", "subject_id"), on=["feed", "subject_id"], how="anti"
    )
    used = kept.group_by("event_day").agg(
        pl.len().cast(pl.Int64).alias("used"), pl.col("rank").max().cast(pl.Int64).alias("last")
    )
    ranked = (
        new.join(used, on="event_day", how="left")
        .with_columns(pl.col("used", "last").fill_null(0))
        .sort(
            "event_day",
            "expected_loss",
            "merit",
            "feed",
            "subject_id",
            descending=[False, True, True, False, False],
            nulls_last=True,
        )
        .with_columns(place=pl.int_range(1, pl.len() + 1).over("event_day"))
        .filter(pl.col("place") <= capacity - pl.col("used"))
        .with_columns(
            rank=pl.col("last") + pl.col("place"),
            ranked_by=pl.when(pl.col("expected_loss").is_null())
            .then(pl.lit("rules"))
            .otherwise(pl.lit("expected_loss")),
        )
    )
    return with_published(kept, ranked, "transaction", ALERT_SCHEMA | TRANSACTION_EVIDENCE)


def rank_ring_alerts(
    rings: pl.DataFrame, published: pl.DataFrame | None, *, capacity: int
) -> pl.DataFrame:
    """The ring alerts: the published ones and those that still fit.

    The capacity counts per UTC day of a ring's last transaction; the rank runs over all rings, in
    the order of publication, then by expected loss, where the share of rings as strong that were
    confirmed is known, then by score, amount and id. A ring most of whose transactions are in an
    alerted ring is the same case and does not alert again.

    Args:
        rings: `ring_id`, `feed`, `expected_loss` (nullable) and the columns of `RING_EVIDENCE`. Any
            order.
        published: Former alerts of any type, with the columns of the result; none at first.
        capacity: Most ring alerts a day.

    Returns:
        `ALERT_SCHEMA` and `RING_EVIDENCE`, and what else `published` has (null in new rows), by
        rank.

    Raises:
        ValueError: A ring has an unknown pattern.
    """
    schema = ALERT_SCHEMA | RING_EVIDENCE
    kept = published_alerts(published, "ring", schema)
    for pattern in rings["pattern"].unique():
        ring_reason(pattern)
    ordered = (
        rings.rename({"ring_id": "subject_id"})
        .with_columns(
            event_day=pl.col("last_at").dt.date(),
            expected_loss=sortable("expected_loss"),
            score=sortable("score"),
            amount=sortable("amount"),
        )
        .sort(
            "expected_loss",
            "score",
            "amount",
            "feed",
            "subject_id",
            descending=[True, True, True, False, False],
            nulls_last=True,
        )
    )
    chosen = _distinct_rings(ordered, kept, capacity)
    last = kept["rank"].cast(pl.Int64).max()
    start = int(last) if isinstance(last, int) else 0
    ranked = ordered[chosen].with_columns(
        rank=pl.int_range(start + 1, start + 1 + pl.len()),
        ranked_by=pl.when(pl.col("expected_loss").is_null())
        .then(pl.lit("ring_score"))
        .otherwise(pl.lit("expected_loss")),
        reasons=pl.concat_list(pl.lit("RING_") + pl.col("pattern").str.to_uppercase()),
    )
    return with_published(kept, ranked, "ring", schema)


def _merit(hits: pl.Expr) -> pl.Expr:
    """By hits first and then by anomaly score, which never reaches the next hit."""
    return hits.cast(pl.Float64) + sortable("anomaly_score").fill_null(0.0).clip(0.0, 0.999)


def _weight(weights: Mapping[str, int]) -> pl.Expr:
    """How many ordinary reasons a row's reasons count for."""
    reasons = pl.col("reasons").list
    if not weights:
        return reasons.len()
    each = pl.element().replace_strict(dict(weights), default=1, return_dtype=pl.Int64)
    return reasons.eval(each).list.sum()


def _cases(candidates: pl.DataFrame, weights: Mapping[str, int]) -> pl.DataFrame:
    """The best row of each case, the others' ids beside it."""
    ordered = (
        candidates.rename({"transaction_id": "subject_id"})
        .with_columns(
            event_day=pl.col("occurred_at").dt.date(),
            expected_loss=sortable("expected_loss"),
            anomaly_score=sortable("anomaly_score"),
            merit=pl.when(sortable("expected_loss").is_null())
            .then(_merit(_weight(weights)))
            .otherwise(sortable("anomaly_score")),
        )
        .sort(
            "expected_loss",
            "merit",
            "feed",
            "subject_id",
            descending=[True, True, False, False],
            nulls_last=True,
        )
        .unique(["feed", "subject_id"], keep="first", maintain_order=True)
    )
    ids = pl.col("subject_id").over(_CASE, mapping_strategy="join")
    return ordered.with_columns(
        related_transaction_ids=ids.list.set_difference(pl.concat_list("subject_id")).list.sort()
    ).unique(_CASE, keep="first", maintain_order=True)


def _distinct_rings(ordered: pl.DataFrame, kept: pl.DataFrame, capacity: int) -> list[int]:
    """Places of the rings that fit their day and are no case already alerted, best first."""
    subjects = set(kept.select("feed", "subject_id").iter_rows())
    seen: dict[tuple[str, str], set[int]] = {}
    room: dict[date, int] = {}
    cases = 0

    def remember(feed: str, transactions: Iterable[str]) -> None:
        nonlocal cases
        for transaction in transactions:
            seen.setdefault((feed, transaction), set()).add(cases)
        cases += 1

    for feed, day, transactions in kept.select("feed", "event_day", "transaction_ids").iter_rows():
        remember(feed, transactions)
        room[day] = room.get(day, capacity) - 1
    chosen = []
    columns = ("feed", "subject_id", "event_day", "transaction_ids")
    for place, (feed, subject, day, transactions) in enumerate(ordered.select(columns).iter_rows()):
        shared: dict[int, int] = {}
        for transaction in transactions:
            for case in seen.get((feed, transaction), ()):
                shared[case] = shared.get(case, 0) + 1
        known = max(shared.values(), default=0) > SAME_RING_SHARE * len(transactions)
        if known or (feed, subject) in subjects or room.get(day, capacity) <= 0:
            continue
        chosen.append(place)
        subjects.add((feed, subject))
        room[day] = room.get(day, capacity) - 1
        remember(feed, transactions)
    return chosen
