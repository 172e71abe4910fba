"""What a rule would have found in the past: hits, how many were fraud, and what is new in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Final

import polars as pl

_NORMAL_95: Final = 1.959963984540054

HIT: Final = "hit:"
"""What the columns of hits begin with; a rule's code follows."""


@dataclass(frozen=True)
class Overlap:
    """A rule beside another.

    Attributes:
        code: The other rule.
        hits: Rows that it hits.
        both: Rows that both hit.
        share: Part of the first rule's hits that the other hits too; None without hits.
    """

    code: str
    hits: int
    both: int
    share: float | None


@dataclass(frozen=True)
class Day:
    """Hits of a UTC day, and how many of them are known frauds."""

    day: date
    hits: int
    frauds: int


@dataclass(frozen=True)
class RuleFigures:
    """What a rule would have found; shares are None where nothing is there to divide by.

    Attributes:
        rows: Transactions looked at.
        labelled: Those whose label is known.
        frauds: Frauds among those.
        days: UTC days with transactions.
        hits: Rows that the rule hits.
        hits_a_day: Their mean over the days.
        most_a_day: The most on one day.
        labelled_hits: Hits whose label is known.
        fraud_hits: Frauds among those.
        unlabelled_hits: Hits whose label is not known; they count in no share.
        precision: Frauds among hits with a known label.
        precision_lower: Lower end of its 95 % interval (Wilson 1927).
        precision_upper: Upper end.
        recall: Hits among known frauds.
        base_rate: Frauds among rows with a known label.
        lift: Precision divided by the base rate.
        amount_hit: Sum of the amounts of all hits.
        amount_caught: Sum of the amounts of hits that are known frauds.
        fraud_amount: Sum of the amounts of all known frauds.
        amount_recall: The first of these two divided by the second.
        in_sample_hits: Hits in rows that the scores were made of, or that are not later than all
            of these: if the rule reads scores, these flatter it.
        alerted_hits: Hits that a published alert holds.
        alone: Hits that no alert holds, no other rule hits, and no model recommends to look at.
        alone_share: Their part of the hits.
        alone_labelled: Those whose label is known.
        alone_frauds: Known frauds among them.
        overlaps: The other rules, those with most in common first.
        by_day: Each day with transactions.
    """

    rows: int
    labelled: int
    frauds: int
    days: int
    hits: int
    hits_a_day: float | None
    most_a_day: int
    labelled_hits: int
    fraud_hits: int
    unlabelled_hits: int
    precision: float | None
    precision_lower: float | None
    precision_upper: float | None
    recall: float | None
    base_rate: float | None
    lift: float | None
    amount_hit: float
    amount_caught: float
    fraud_amount: float
    amount_recall: float | None
    in_sample_hits: int
    alerted_hits: int
    alone: int
    alone_share: float | None
    alone_labelled: int
    alone_frauds: int
    overlaps: tuple[Overlap, ...]
    by_day: tuple[Day, ...]


def rule_figures(table: pl.DataFrame, code: str, others: Sequence[str]) -> RuleFigures:
    """What a rule would have found.

    Args:
        table: One row a transaction: `occurred_at`, `amount` (major units), `is_fraud` (Boolean,
            null where it is not known), `in_sample` (what scored the row was made of it or of
            later rows), `alerted` and `recommended` (Boolean), and
            for each rule a Boolean column named `hit:` and its code.
        code: The rule.
        others: Codes of the rules that it stands beside.
    """
    others = [one for one in others if one != code]
    is_other = pl.any_horizontal(f"{HIT}{one}" for one in others) if others else pl.lit(value=False)
    told = table.select(
        "amount",
        "in_sample",
        "alerted",
        hit=pl.col(f"{HIT}{code}"),
        day=pl.col("occurred_at").dt.date(),
        is_known=pl.col("is_fraud").is_not_null(),
        is_fraud=pl.col("is_fraud").fill_null(value=False),
        is_alone=~(pl.col("alerted") | pl.col("recommended") | is_other),
    )
    hits = told.filter("hit")
    alone = hits.filter("is_alone")
    by_day = _by_day(told)
    labelled, frauds = int(told["is_known"].sum()), int(told["is_fraud"].sum())
    labelled_hits, fraud_hits = int(hits["is_known"].sum()), int(hits["is_fraud"].sum())
    caught = float(hits.filter("is_fraud")["amount"].sum())
    fraud_amount = float(told.filter("is_fraud")["amount"].sum())
    precision, base_rate = _share(fraud_hits, labelled_hits), _share(frauds, labelled)
    lower, upper = _wilson(fraud_hits, labelled_hits)
    return RuleFigures(
        rows=told.height,
        labelled=labelled,
        frauds=frauds,
        days=len(by_day),
        hits=hits.height,
        hits_a_day=_share(hits.height, len(by_day)),
        most_a_day=max((one.hits for one in by_day), default=0),
        labelled_hits=labelled_hits,
        fraud_hits=fraud_hits,
        unlabelled_hits=hits.height - labelled_hits,
        precision=precision,
        precision_lower=lower,
        precision_upper=upper,
        recall=_share(fraud_hits, frauds),
        base_rate=base_rate,
        lift=None if precision is None or base_rate is None else _share(precision, base_rate),
        amount_hit=float(hits["amount"].sum()),
        amount_caught=caught,
        fraud_amount=fraud_amount,
        amount_recall=_share(caught, fraud_amount),
        in_sample_hits=int(hits["in_sample"].sum()),
        alerted_hits=int(hits["alerted"].sum()),
        alone=alone.height,
        alone_share=_share(alone.height, hits.height),
        alone_labelled=int(alone["is_known"].sum()),
        alone_frauds=int(alone["is_fraud"].sum()),
        overlaps=_overlaps(table, code, others),
        by_day=by_day,
    )


def _by_day(told: pl.DataFrame) -> tuple[Day, ...]:
    days = (
        told.group_by("day")
        .agg(hits=pl.col("hit").sum(), frauds=(pl.col("hit") & pl.col("is_fraud")).sum())
        .sort("day")
    )
    return tuple(Day(*row) for row in days.iter_rows())


def _overlaps(table: pl.DataFrame, code: str, others: Sequence[str]) -> tuple[Overlap, ...]:
    mine = table[f"{HIT}{code}"]
    found = []
    for other in others:
        theirs = table[f"{HIT}{other}"]
        both = int((mine & theirs).sum())
        found.append(Overlap(other, int(theirs.sum()), both, _share(both, int(mine.sum()))))
    return tuple(sorted(found, key=lambda one: (-one.both, one.code)))


def _wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share, by Wilson (1927)."""
    if not whole:
        return None, None
    share, square = part / whole, _NORMAL_95**2
    centre = share + square / (2 * whole)
    half = _NORMAL_95 * sqrt(share * (1 - share) / whole + square / (4 * whole**2))
    scale = 1 + square / whole
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
