"""What reviewers with a daily capacity would find: cards, transactions and money.

Days are UTC days of `occurred_at`, and only days with transactions count.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from gpu_ops.matrices import Float64Array
from gpu_ops.ranking_metrics import Labels, Scores, checked_scores

Int64Array = npt.NDArray[np.int64]

_RANDOM_DRAWS: Final = 10


class PrecisionRecall(NamedTuple):
    """Shares of frauds among alerts and of alerts among frauds; None where not defined."""

    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class DailyCards:
    """Transactions grouped by day and payer, for metrics that count payers.

    Attributes:
        order: Permutation that sorts rows by day, then payer id.
        starts: First row of each group in that order.
        day: Day number of each group, 0, 1, ...
        payer: Payer number of each group; numbers are in the order of the ids.
        compromised: Whether the payer has a fraud on that day.
    """

    order: Int64Array
    starts: Int64Array
    day: Int64Array
    payer: Int64Array
    compromised: Labels

    @classmethod
    def of(cls, labels: Labels, payer: pl.Series, occurred_at: pl.Series) -> "DailyCards":
        """Groups rows.

        Args:
            labels: bool (rows,).
            payer: Ids, none null.
            occurred_at: Datetime UTC.
        """
        days, payers = day_numbers(occurred_at), _numbers(payer)
        order = np.lexsort((payers, days))
        day, who = days[order], payers[order]
        changes = np.append(True, (np.diff(day) != 0) | (np.diff(who) != 0))
        starts = np.flatnonzero(changes[: order.size])
        hit = np.logical_or.reduceat(labels[order], starts) if starts.size else labels
        return cls(order, starts, day[starts], who[starts], hit)

    def precision(self, scores: Scores, k: int) -> float | None:
        """Card precision at k of scores (rows,); see `card_precision_at_k`."""
        if not self.starts.size:
            return None
        highest = np.maximum.reduceat(scores[self.order], self.starts)
        found = np.zeros(int(self.payer.max()) + 1, np.bool_)
        bounds = np.append(np.flatnonzero(np.diff(self.day, prepend=-1)), self.day.size)
        hits = 0
        for first, end in pairwise(bounds):
            pool = first + np.flatnonzero(~found[self.payer[first:end]])
            top = pool[np.argsort(-highest[pool], kind="stable")[:k]]
            caught = self.payer[top[self.compromised[top]]]
            found[caught] = True
            hits += caught.size
        return hits / (k * (bounds.size - 1))

    def ceiling(self, k: int) -> float | None:
        """The most that any scores can reach.

        A day finds at most k payers and at most those compromised, and a payer is found once.
        Where no day has more than k compromised payers, a perfect score reaches this.
        """
        if not self.starts.size:
            return None
        days = int(self.day.max()) + 1
        daily = np.minimum(np.bincount(self.day[self.compromised], minlength=days), k).sum()
        once = np.unique(self.payer[self.compromised]).size
        return float(min(daily, once) / (k * days))

    def random(self, k: int, seed: int = 0) -> float | None:
        """Mean over ten seeded draws of random transaction scores."""
        if not self.starts.size:
            return None
        draws = np.random.default_rng(seed)
        found = [self.precision(draws.random(self.order.size), k) for _ in range(_RANDOM_DRAWS)]
        return float(np.mean([one for one in found if one is not None]))


def card_precision_at_k(
    scores: Scores, labels: Labels, payer: pl.Series, occurred_at: pl.Series, k: int = 100
) -> float | None:
    """Share of compromised payers among the k that are reviewed each day, mean over days.

    Per UTC day a payer's score is its highest; the k highest are reviewed, ties by payer id; a
    payer is compromised if it has a fraud that day; one that was found leaves all later days.
    The divisor is k also on days with fewer payers. `card_precision_top_k` of the
    Fraud-Detection-Handbook, chapter 4.4. None without rows.

    Raises:
        ValueError: A score is NaN, a payer null, lengths differ, or k is not positive.
    """
    _check_capacity(k)
    return DailyCards.of(labels, payer, occurred_at).precision(checked_scores(scores, labels), k)


def alerts_at_capacity(scores: Scores, occurred_at: pl.Series, capacity: int) -> Labels:
    """True for the `capacity` highest scores of each UTC day; ties go to the earlier row.

    Raises:
        ValueError: A score is NaN, lengths differ, or the capacity is not positive.
    """
    _check_capacity(capacity)
    values = checked_scores(scores, np.zeros(len(scores), np.bool_))
    days = day_numbers(occurred_at)
    if len(days) != len(values):
        raise ValueError(f"{len(values)} scores, {len(days)} times")
    order = np.lexsort((-values, days))
    ordered = days[order]
    rank = np.arange(order.size) - np.searchsorted(ordered, ordered)
    alerted = np.zeros(order.size, np.bool_)
    alerted[order[rank < capacity]] = True
    return alerted


def precision_recall(alerted: Labels, labels: Labels) -> PrecisionRecall:
    """Caught / alerts and caught / frauds; None for a share of nothing."""
    caught = int((alerted & labels).sum())
    alerts, frauds = int(alerted.sum()), int(labels.sum())
    return PrecisionRecall(caught / alerts if alerts else None, caught / frauds if frauds else None)


def precision_recall_at_capacity(
    scores: Scores, labels: Labels, occurred_at: pl.Series, capacity: int
) -> PrecisionRecall:
    """Precision and recall of the `capacity` highest scores of each UTC day, over all days.

    Precision at k of the Fraud-Detection-Handbook, chapter 4.4, with k transactions a day and
    the days' counts added up before dividing.

    Raises:
        ValueError: As `alerts_at_capacity`.
    """
    checked_scores(scores, labels)
    return precision_recall(alerts_at_capacity(scores, occurred_at, capacity), labels)


def value_saved(
    alerted: Labels, labels: Labels, amounts: Float64Array, review_cost: float
) -> float:
    """Amounts of the frauds that were alerted, less the cost of reviewing every alert.

    The cost matrix of Bahnsen et al., Cost sensitive credit card fraud detection (ICMLA 2013):
    a missed fraud costs its amount, an alert its review.

    Args:
        alerted: bool (rows,).
        labels: bool (rows,).
        amounts: (rows,), one currency.
        review_cost: Of one alert, in that currency.
    """
    return float(amounts[alerted & labels].sum() - review_cost * alerted.sum())


def savings_share(saved: float, labels: Labels, amounts: Float64Array) -> float | None:
    """`saved` as a share of all fraud amounts; None without fraud.

    Savings of Bahnsen et al. (SDM 2014): 1 - cost / cost without a model.
    """
    lost = float(amounts[labels].sum())
    return saved / lost if lost else None


@dataclass(frozen=True)
class CapacityBounds:
    """What perfect and random scores reach within the capacity.

    Attributes:
        ceiling: Precision and recall if frauds come first.
        random: Their expectation for a random order.
        value_ceiling: Value saved if only frauds worth a review are alerted, dearest first.
        value_random: Expected value saved of as many random alerts as the capacity allows.
    """

    ceiling: PrecisionRecall
    random: PrecisionRecall
    value_ceiling: float
    value_random: float

    @classmethod
    def of(
        cls,
        labels: Labels,
        amounts: Float64Array,
        occurred_at: pl.Series,
        capacity: int,
        review_cost: float,
    ) -> "CapacityBounds":
        """Adds up what each UTC day allows."""
        days = day_numbers(occurred_at)
        rows = np.bincount(days)
        frauds = np.bincount(days[labels], minlength=rows.size)
        lost = np.bincount(days, np.where(labels, amounts, 0.0), minlength=rows.size)
        alerts = np.minimum(rows, capacity)
        by_chance = alerts / np.maximum(rows, 1)
        worth = np.where(labels, amounts - review_cost, 0.0)
        dearest = alerts_at_capacity(worth, occurred_at, capacity)
        total = int(frauds.sum())

        def shares(caught: float) -> PrecisionRecall:
            reviewed = int(alerts.sum())
            return PrecisionRecall(
                caught / reviewed if reviewed else None, caught / total if total else None
            )

        return cls(
            ceiling=shares(float(np.minimum(frauds, capacity).sum())),
            random=shares(float(by_chance @ frauds)),
            value_ceiling=float(np.maximum(worth[dearest], 0.0).sum()),
            value_random=float(by_chance @ lost - review_cost * alerts.sum()),
        )


def day_numbers(occurred_at: pl.Series) -> Int64Array:
    """0 for the first UTC day that occurs, 1 for the next that occurs, and so on."""
    return _numbers(occurred_at.dt.date())


def _numbers(values: pl.Series) -> Int64Array:
    if values.null_count():
        raise ValueError(f"{values.null_count()} values of {values.name!r} are null")
    ranks: Int64Array = values.rank("dense").cast(pl.Int64).to_numpy()
    return ranks - 1


def _check_capacity(capacity: int) -> None:
    if capacity < 1:
        raise ValueError(f"a capacity of {capacity} a day; it must be at least 1")
