"""Deeds: what one account paid another within one burst, the unit that rings are made of."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.accounts import coded_accounts
from gpu_ops.pairs import pair_keys, pairs_of
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Side

MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // MICROSECOND
NEVER: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Payments:
    """Payments between different accounts, in the order that they came in.

    Attributes:
        accounts: String, sorted names of all accounts.
        transaction_id: String, (n,).
        at: Int64, (n,): microseconds since 1970.
        payer: Int32, (n,): position in `accounts`.
        payee: Int32, (n,): position in `accounts`.
        amount: Float64, (n,).
        probability: Float64, (n,): fraud probability, NaN without a model.
    """

    accounts: pl.Series
    transaction_id: pl.Series
    at: NDArray[np.int64]
    payer: NDArray[np.int32]
    payee: NDArray[np.int32]
    amount: NDArray[np.float64]
    probability: NDArray[np.float64]

    @cached_property
    def identifiers(self) -> NDArray[np.object_]:
        """The ids as Python strings, of which rings name a few at a time."""
        return self.transaction_id.to_numpy()

    @cached_property
    def names(self) -> NDArray[np.object_]:
        """The accounts as Python strings."""
        return self.accounts.to_numpy()

    def at_rows(self, rows: NDArray[np.int64]) -> "Payments":
        """Return some of the payments, with all accounts."""
        return Payments(
            accounts=self.accounts,
            transaction_id=self.transaction_id.gather(rows),
            at=self.at[rows],
            payer=self.payer[rows],
            payee=self.payee[rows],
            amount=self.amount[rows],
            probability=self.probability[rows],
        )

    @classmethod
    def of(cls, transactions: pl.DataFrame) -> "Payments":
        """Read transaction_id, occurred_at, payer, payee, amount and fraud_probability."""
        coded = coded_accounts(transactions["payer"], transactions["payee"])
        return cls(
            accounts=coded.names,
            transaction_id=transactions["transaction_id"],
            at=transactions["occurred_at"].dt.epoch("us").to_numpy(),
            payer=coded.payer,
            payee=coded.payee,
            amount=transactions["amount"].to_numpy(),
            probability=transactions["fraud_probability"]
            .cast(pl.Float64)
            .fill_null(float("nan"))
            .to_numpy(),
        )


@dataclass(frozen=True)
class Deeds:
    """Deeds in the order of (time, payer, payee).

    Attributes:
        payments: those of all deeds, grouped by pair.
        offset: Int64, (m + 1,): where each deed's part of `member` starts.
        member: Int64: positions in `payments`, a deed's in the order of (time, amount, id).
        source: Int32, (m,): payer.
        target: Int32, (m,): payee.
        at: Int64, (m,): microseconds of the first payment.
        again: Int64, (m,): when the pair's next deed follows, `NEVER` if none does.
        amount: Float64, (m,): of the first payment.
    """

    payments: Payments
    offset: NDArray[np.int64]
    member: NDArray[np.int64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    at: NDArray[np.int64]
    again: NDArray[np.int64]
    amount: NDArray[np.float64]

    @classmethod
    def of(cls, payments: Payments, kept: NDArray[np.int64], burst: timedelta) -> "Deeds":
        """Group kept payments by pair; a pair's payments further apart than `burst` are two deeds.

        Args:
            payments: all payments.
            kept: positions of those to group.
            burst: see `RingParams`.
        """
        payments = payments.at_rows(kept)
        pair = pair_keys(payments.payer, payments.payee)
        table = pl.DataFrame(
            {
                "pair": pair,
                "at": payments.at,
                "amount": payments.amount,
                "id": payments.transaction_id,
            }
        )
        order = table.select(pl.arg_sort_by("pair", "at", "amount", "id")).to_series().to_numpy()
        payments = payments.at_rows(order.astype(np.int64))
        pair, at = pair[order], payments.at
        same = pair[1:] == pair[:-1]
        apart = at[1:] - at[:-1] > burst // MICROSECOND
        starts = np.flatnonzero(np.r_[True, ~same | apart]) if pair.size else np.zeros(0, np.int64)
        follows = np.r_[pair[starts][1:] == pair[starts][:-1], False][: starts.size]
        again = np.where(follows, np.r_[at[starts][1:], 0][: starts.size], NEVER)
        sizes = np.diff(np.r_[starts, pair.size])
        in_time = np.lexsort((pair[starts], at[starts]))
        sizes = sizes[in_time]
        offset = np.r_[0, np.cumsum(sizes)].astype(np.int64)
        member = np.repeat(starts[in_time] - offset[:-1], sizes) + np.arange(pair.size)
        first = starts[in_time]
        source, target = pairs_of(pair[first])
        return cls(
            payments=payments,
            offset=offset,
            member=member,
            source=source,
            target=target,
            at=at[first],
            again=again[in_time],
            amount=payments.amount[first],
        )

    @property
    def n_accounts(self) -> int:
        """Number of all accounts, also of those without a deed."""
        return self.payments.accounts.len()

    def where(self, mask: NDArray[np.bool_]) -> "Deeds":
        """Return some of the deeds."""
        sizes = np.diff(self.offset)
        return Deeds(
            payments=self.payments,
            offset=np.r_[0, np.cumsum(sizes[mask])].astype(np.int64),
            member=self.member[np.repeat(mask, sizes)],
            source=self.source[mask],
            target=self.target[mask],
            at=self.at[mask],
            again=self.again[mask],
            amount=self.amount[mask],
        )

    def rows(self, deeds: NDArray[np.int64], before: int = NEVER) -> NDArray[np.int64]:
        """Return the payments of some deeds in the order of (time, id), up to a moment."""
        rows = np.concatenate([self.member[self.offset[d] : self.offset[d + 1]] for d in deeds])
        at, names = self.payments.at, self.payments.identifiers
        ordered = sorted((int(at[row]), str(names[row]), row) for row in rows if at[row] < before)
        return np.array([row for _, _, row in ordered], dtype=np.int64)


def rare(payments: Payments, params: RingParams) -> NDArray[np.int64]:
    """Return the payments of pairs that hardly ever pay, or did so in one burst only."""
    order, starts, counts = _by_pair(payments)
    if starts.size == 0:
        return np.zeros(0, dtype=np.int64)
    at = payments.at[order]
    span = np.maximum.reduceat(at, starts) - np.minimum.reduceat(at, starts)
    few = counts <= params.max_pair_transactions
    kept = np.repeat(few | (span <= params.burst // MICROSECOND), counts)
    chosen: NDArray[np.int64] = np.sort(order[kept])
    return chosen


def first_of_pairs(payments: Payments, params: RingParams) -> NDArray[np.int64]:
    """Return the payments of each pair's first burst: the only ones to a stranger."""
    order, starts, counts = _by_pair(payments)
    if starts.size == 0:
        return np.zeros(0, dtype=np.int64)
    at = payments.at[order]
    first = np.repeat(np.minimum.reduceat(at, starts), counts)
    chosen: NDArray[np.int64] = np.sort(order[at - first <= params.burst // MICROSECOND])
    return chosen


@dataclass(frozen=True)
class PaidDays:
    """The days on which each payer paid anybody.

    Attributes:
        offset: Int64, (accounts + 1,): where each payer's days start.
        day: Int64: UTC days, ascending and distinct within each payer.
        count: Int64: payments on each of them.
        key: Int64: payer and day as one ascending number.
    """

    offset: NDArray[np.int64]
    day: NDArray[np.int64]
    count: NDArray[np.int64]
    key: NDArray[np.int64]

    @classmethod
    def of(cls, payer: NDArray[np.int32], day: NDArray[np.int64], n_accounts: int) -> "PaidDays":
        """Group days by payer, repeated ones once."""
        every = pl.Series(pair_keys(payer, day.astype(np.int32))).sort().to_numpy()
        starts = np.flatnonzero(np.r_[True, every[1:] != every[:-1]][: every.size])
        key = every[starts]
        days_of = np.bincount(key >> 32, minlength=n_accounts)
        return cls(
            offset=np.r_[0, np.cumsum(days_of)].astype(np.int64),
            day=key & 0xFFFFFFFF,
            count=np.diff(np.r_[starts, every.size]),
            key=key,
        )

    def counts(self, deeds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, (2, days), the payments of each day and how many deeds have their place there."""
        return np.stack([self.count, np.bincount(deeds, minlength=self.day.size)])

    def places(self, payer: NDArray[np.int32], day: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where days of payers stand that paid on them."""
        found: NDArray[np.int64] = np.searchsorted(self.key, pair_keys(payer, day.astype(np.int32)))
        return found


def _by_pair(
    payments: Payments,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return an order that groups payments by pair, where each pair starts, and its length."""
    key = pl.Series(pair_keys(payments.payer, payments.payee))
    order = key.arg_sort().to_numpy().astype(np.int64)
    ordered = key.to_numpy()[order]
    if order.size == 0:
        return order, order, order
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return order, starts, np.diff(np.r_[starts, order.size])


def side_of(account: NDArray[np.int32], n_accounts: int, end: int) -> "Side":
    """Group deeds by the account at one end; `end` is 0 for payers, 1 for payees."""
    from gpu_ops.pattern_windows import Side

    count = np.bincount(account, minlength=n_accounts)
    return Side(
        offset=np.r_[0, np.cumsum(count)].astype(np.int64),
        deeds=np.argsort(account, kind="stable").astype(np.int64),
        end=end,
    )


def narrowed(side: "Side", mask: NDArray[np.bool_]) -> "Side":
    """Return a side with some of its deeds only."""
    kept = mask[side.deeds]
    sums = np.r_[0, np.cumsum(kept)]
    return side._replace(offset=sums[side.offset].astype(np.int64), deeds=side.deeds[kept])
