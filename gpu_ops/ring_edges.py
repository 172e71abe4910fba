"""Which payments are out of the ordinary for both sides: the only ones that rings are made of."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.accounts import CodedAccounts, coded_accounts
from gpu_ops.pairs import pair_keys
from gpu_ops.ring_params import RingParams

_FINEST: Final = timedelta(hours=1)
"""A window counts as at least this long, else two payments in one second would prove anything."""


@dataclass(frozen=True)
class UnusualEdges:
    """Unusual payments in the order of (time, payer, payee, amount, id), accounts as integers.

    Time is told twice: `at` in microseconds, and as a share of all the feed's traffic, so that a
    week in which everybody pays more does not look like a burst of any one account.

    Attributes:
        accounts: String, sorted names of all accounts of the feed.
        transaction_id: String, one for each payment of the feed, in the order that they came in.
        row: Int64, (m,): where each payment's id stands in `transaction_id`.
        at: Int64, (m,): microseconds since 1970.
        before: Float64, (m,): share of the feed's transactions strictly earlier.
        through: Float64, (m,): share of the feed's transactions up to and with this time.
        source: Int32, (m,): payer.
        target: Int32, (m,): payee.
        amount: Float64, (m,).
        probability: Float64, (m,): fraud probability, NaN without a model.
        habitual: Boolean, (m,): the pair is rare, but its payer pays new counterparties out of
            habit. Alone such payments prove nothing; one of them may close a cycle of others.
        finest: smallest share of traffic that a window counts as.
        n_traffic: number of all transactions of the feed.
        amount_variance: of the logarithms of the unusual amounts.
    """

    accounts: pl.Series
    transaction_id: pl.Series
    row: NDArray[np.int64]
    at: NDArray[np.int64]
    before: NDArray[np.float64]
    through: NDArray[np.float64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    amount: NDArray[np.float64]
    probability: NDArray[np.float64]
    habitual: NDArray[np.bool_]
    finest: float
    n_traffic: int
    amount_variance: float

    def log_amount(self, edges: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the logarithms of some payments' amounts (plus one unit, for zero amounts)."""
        logarithm: NDArray[np.float64] = np.log1p(self.amount[edges])
        return logarithm

    @property
    def n_accounts(self) -> int:
        """Number of accounts of the feed, also those without an unusual payment."""
        return self.accounts.len()

    def share(self, first: int, last: int) -> float:
        """Return the share of traffic from edge `first` through edge `last`."""
        return max(float(self.through[last] - self.before[first]), self.finest)


def unusual_edges(transactions: pl.DataFrame, params: RingParams) -> UnusualEdges:
    """Return the payments of one feed that are unusual for their payer and their payee.

    A payment is unusual when its pair pays rarely, or only within one burst, or when its amount is
    far above what both sides are used to; see `RingParams`. Self-transfers are never unusual.

    Args:
        transactions: transaction_id, occurred_at, amount, payer, payee, fraud_probability.
        params: see `RingParams`.
    """
    coded = coded_accounts(transactions["payer"], transactions["payee"])
    at = transactions["occurred_at"].dt.epoch("us").to_numpy()
    amount = transactions["amount"].to_numpy()
    others = coded.payer != coded.payee
    is_rare = others & _is_rare(coded.payer, coded.payee, at, params)
    is_large = others & _is_large(coded.payer, coded.payee, amount, params)
    # Most payers never pay enough strangers for a habit.
    n_rare = np.bincount(coded.payer[is_rare], minlength=coded.names.len())
    often = np.flatnonzero(is_rare & (n_rare[coded.payer] > 1))
    habitual = np.zeros(at.size, dtype=np.bool_)
    usual = float(np.median(n_rare[np.unique(coded.payer)])) if at.size else 0.0
    habitual[often] = _is_habit(coded.payer[often], at[often], at, usual, params)
    habitual &= ~is_large
    kept = np.flatnonzero(is_rare | is_large)
    kept = kept[_order(coded, at, amount, transactions["transaction_id"], kept)]
    times = np.sort(at)
    n = max(1, times.size)
    span = int(times[-1] - times[0]) if times.size else 0
    return UnusualEdges(
        accounts=coded.names,
        transaction_id=transactions["transaction_id"],
        row=kept,
        at=at[kept],
        before=np.searchsorted(times, at[kept], "left") / n,
        through=np.searchsorted(times, at[kept], "right") / n,
        source=coded.payer[kept],
        target=coded.payee[kept],
        amount=amount[kept],
        probability=transactions["fraud_probability"]
        .gather(kept)
        .cast(pl.Float64)
        .fill_null(float("nan"))
        .to_numpy(),
        habitual=habitual[kept],
        finest=min(1.0, _FINEST / timedelta(microseconds=span)) if span else 1.0,
        n_traffic=n,
        amount_variance=float(np.log1p(amount[kept]).var()) if kept.size else 0.0,
    )


def _order(
    coded: CodedAccounts,
    at: NDArray[np.int64],
    amount: NDArray[np.float64],
    transaction_id: pl.Series,
    kept: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the order of the kept rows that does not depend on the order they came in."""
    pair = pair_keys(coded.payer[kept], coded.payee[kept])
    keys = pl.DataFrame({"at": at[kept], "pair": pair, "amount": amount[kept]})
    order: NDArray[np.int64] = (
        keys.select(pl.arg_sort_by("at", "pair", "amount")).to_series().to_numpy().astype(np.int64)
    )
    # Ids are strings, slow to sort by: only where nothing else tells two payments apart.
    columns = [keys[name].to_numpy()[order] for name in keys.columns]
    same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    ends = np.flatnonzero(np.diff(np.r_[False, same, False].astype(np.int8))).reshape(-1, 2)
    for first, last in ends.tolist():
        tied = order[first : last + 1]
        order[first : last + 1] = tied[transaction_id.gather(kept[tied]).arg_sort().to_numpy()]
    return order


def _is_rare(
    payer: NDArray[np.int32],
    payee: NDArray[np.int32],
    at: NDArray[np.int64],
    params: RingParams,
) -> NDArray[np.bool_]:
    """Return which rows belong to a pair that hardly ever pays, or did so in one burst."""
    pairs = pl.DataFrame({"pair": pair_keys(payer, payee), "at": at})
    burst = params.burst // timedelta(microseconds=1)
    # A join back would cost more than all else here; a pair's rows are contiguous once sorted.
    order = pairs.select(pl.col("pair").arg_sort()).to_series().to_numpy()
    pair, when = pairs["pair"].to_numpy()[order], at[order]
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]]) if pair.size else np.array([], int)
    count = np.diff(np.r_[starts, pair.size])
    if starts.size == 0:
        return np.zeros(0, dtype=np.bool_)
    span = np.maximum.reduceat(when, starts) - np.minimum.reduceat(when, starts)
    rare = (count <= params.max_pair_transactions) | (span <= burst)
    result = np.empty(pair.size, dtype=np.bool_)
    result[order] = np.repeat(rare, count)
    return result


def _is_habit(
    payer: NDArray[np.int32],
    at: NDArray[np.int64],
    all_at: NDArray[np.int64],
    usual: float,
    params: RingParams,
) -> NDArray[np.bool_]:
    """Return which rare payments come from payers who pay new counterparties all the time.

    `usual` is how many the median payer pays in all the data's time: where everybody does, only
    those who do far more have a habit.

    Counted is what the payer does well away from the payment, a horizon or a quarter of the data's
    time, so that a burst is not held against itself. Data shorter than four horizons thus find fast
    rings only: over a month, a slow ring looks like a habit.
    """
    if at.size == 0:
        return np.zeros(0, dtype=np.bool_)
    begin, end = int(all_at.min()), int(all_at.max())
    horizon = params.horizon // timedelta(microseconds=1)
    near_time = min(horizon, (end - begin) // 4)
    # One ascending key of payer and time lets a binary search count any payer's window.
    width = end - begin + 2 * near_time + 2
    lane = payer.astype(np.int64) * width + (at - begin + near_time)
    ordered = np.sort(lane)
    near = np.searchsorted(ordered, lane + near_time, "right") - np.searchsorted(
        ordered, lane - near_time, "left"
    )
    away = np.bincount(payer)[payer] - near
    time_away = (end - begin) - (
        np.minimum(at + near_time, end) - np.maximum(at - near_time, begin)
    )
    usual_per_horizon = usual * horizon / max(end - begin, horizon)
    limit = max(params.habit_per_horizon, params.habit_ratio * usual_per_horizon)
    habit: NDArray[np.bool_] = away > limit * np.maximum(time_away / horizon, 1)
    return habit


def _is_large(
    payer: NDArray[np.int32],
    payee: NDArray[np.int32],
    amount: NDArray[np.float64],
    params: RingParams,
) -> NDArray[np.bool_]:
    """Return which rows are far above the mean of both sides' other payments."""
    return _is_above(payer, amount, params.amount_ratio) & _is_above(
        payee, amount, params.amount_ratio
    )


def _is_above(
    account: NDArray[np.int32], amount: NDArray[np.float64], ratio: float
) -> NDArray[np.bool_]:
    others = np.bincount(account)[account] - 1
    rest = np.bincount(account, amount)[account] - amount
    # An account's only payment has nothing to be compared with.
    above: NDArray[np.bool_] = (others > 0) & (amount * others >= ratio * rest)
    return above
