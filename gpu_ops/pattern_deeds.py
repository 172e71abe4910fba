"""Deeds: what one account paid another within one burst, the unit that rings are made of."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.accounts import coded_accounts
from gpu_ops.read_only import read_only
from gpu_ops.threads import side_by_side

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Side

MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // MICROSECOND
NEVER: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Payments:
    """Payments between different accounts, in the order that they came in.

    Attributes:
        accounts: String, names of all accounts.
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

    @classmethod
    def of(cls, transactions: pl.DataFrame) -> "Payments":
        """Read payments whose accounts have names; numbers are in the order of the names.

        Args:
            transactions: transaction_id, occurred_at, payer, payee, amount, fraud_probability.
        """
        coded = coded_accounts(transactions["payer"], transactions["payee"])
        return cls._of(coded.names, coded.payer, coded.payee, transactions)

    @classmethod
    def numbered(cls, accounts: pl.Series, transactions: pl.DataFrame) -> "Payments":
        """Read payments whose accounts are numbers.

        Args:
            accounts: String, the accounts' names by number.
            transactions: as of `of`, payer and payee Int32.
        """
        payer, payee = transactions["payer"].to_numpy(), transactions["payee"].to_numpy()
        return cls._of(accounts, payer, payee, transactions)

    @classmethod
    def _of(
        cls,
        accounts: pl.Series,
        payer: NDArray[np.int32],
        payee: NDArray[np.int32],
        transactions: pl.DataFrame,
    ) -> "Payments":
        probability = transactions["fraud_probability"].cast(pl.Float64)
        return cls(
            accounts=accounts,
            transaction_id=transactions["transaction_id"],
            at=read_only(transactions["occurred_at"].dt.epoch("us").to_numpy()),
            payer=read_only(payer),
            payee=read_only(payee),
            amount=read_only(transactions["amount"].to_numpy()),
            probability=probability.fill_null(float("nan")).to_numpy(),
        )

    def by_payer(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each payer starts, and the positions in the order of (payer, time)."""
        from gpu_ops.grouping_kernels import in_groups

        in_time = np.arange(self.at.size)
        if (self.at[1:] < self.at[:-1]).any():
            in_time = np.argsort(self.at, kind="stable").astype(np.int64)
        return in_groups(self.payer, in_time, self.accounts.len())


@dataclass(frozen=True)
class Deeds:
    """Deeds in the order of (time, payer, payee).

    Attributes:
        source: Int32, (m,): payer.
        target: Int32, (m,): payee.
        at: Int64, (m,): microseconds of the first payment.
        until: Int64, (m,): the pair's payments from `at` on and before this are of the deed.
        amount: Float64, (m,): of the first payment, the smallest of its instant.
        n_accounts: number of all accounts, also of those without a deed.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    at: NDArray[np.int64]
    until: NDArray[np.int64]
    amount: NDArray[np.float64]
    n_accounts: int

    @classmethod
    def of_first_bursts(cls, payments: Payments, burst: timedelta) -> "Deeds":
        """Return one deed for each pair: what it paid in its first burst.

        Args:
            payments: all payments.
            burst: see `RingParams`.
        """
        deeds = cls.of_rare_pairs(payments, payments.by_payer(), 0, timedelta.max)
        return replace(deeds, until=deeds.at + burst // MICROSECOND + 1)

    @classmethod
    def of_rare_pairs(
        cls,
        payments: Payments,
        by_payer: tuple[NDArray[np.int64], NDArray[np.int64]],
        most: int,
        burst: timedelta,
    ) -> "Deeds":
        """Return the deeds of pairs that hardly ever pay, or did so in one burst only.

        A pair's payments further apart than a burst are two deeds.

        Args:
            payments: all payments.
            by_payer: see `Payments.by_payer`.
            most: most payments of a pair that hardly ever pays.
            burst: see `RingParams`.
        """
        from gpu_ops.grouping_kernels import deeds_of

        offset, rows = by_payer
        bounds = np.linspace(0, offset.size - 1, pl.thread_pool_size() + 1).astype(np.int64)
        found = side_by_side(
            [
                partial(
                    deeds_of, offset[low : high + 1], rows, payments.payee, payments.at,
                    payments.amount, most, min(burst // MICROSECOND, NEVER),
                )
                for low, high in pairwise(bounds.tolist())
            ]
        )  # fmt: skip
        first, until = (np.concatenate(part) for part in zip(*found, strict=True))
        # They come in the order of (payer, payee).
        order = np.argsort(payments.at[first], kind="stable")
        first = first[order]
        return cls(
            source=payments.payer[first],
            target=payments.payee[first],
            at=payments.at[first],
            until=until[order],
            amount=payments.amount[first],
            n_accounts=payments.accounts.len(),
        )

    def where(self, mask: NDArray[np.bool_]) -> "Deeds":
        """Return some of the deeds."""
        return Deeds(
            source=self.source[mask],
            target=self.target[mask],
            at=self.at[mask],
            until=self.until[mask],
            amount=self.amount[mask],
            n_accounts=self.n_accounts,
        )


@dataclass(frozen=True)
class PaidDays:
    """The days on which each payer paid anybody.

    Attributes:
        offset: Int64, (payers + 1,): where each payer's days start.
        day: Int64: UTC days, ascending and distinct within each payer.
        count: Int64: payments on each of them.
    """

    offset: NDArray[np.int64]
    day: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(
        cls, payments: Payments, by_payer: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> "PaidDays":
        """Count payments by payer and day; see `Payments.by_payer`."""
        from gpu_ops.grouping_kernels import runs

        offset, rows = by_payer
        return cls(*runs(offset, payments.at[rows] // DAY))

    @classmethod
    def kept(
        cls,
        payer: NDArray[np.int32],
        day: NDArray[np.int64],
        count: NDArray[np.int64],
        n_payers: int,
    ) -> "PaidDays":
        """Group payers' days; they must be in the order of time, a payer's distinct."""
        from gpu_ops.grouping_kernels import in_groups

        offset, rows = in_groups(read_only(payer), np.arange(payer.size), n_payers)
        return cls(offset, day[rows], count[rows])

    def counts(self, deeds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, (2, days), the payments of each day and how many deeds have their place there."""
        return np.stack([self.count, np.bincount(deeds, minlength=self.day.size)])

    def places(self, payer: NDArray[np.int32], day: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where days of payers stand that paid on them."""
        from gpu_ops.grouping_kernels import places

        return places(self.offset, self.day, payer, day)


def side_of(account: NDArray[np.int32], n_accounts: int, end: int) -> "Side":
    """Group all deeds of a feed by the account at one end; `end` is 0 for payers, 1 for payees."""
    from gpu_ops.grouping_kernels import in_groups
    from gpu_ops.pattern_windows import Side

    offset, deeds = in_groups(read_only(account), np.arange(account.size), n_accounts)
    return Side(offset, deeds, end, _ranks(offset))


def held_side_of(
    account: NDArray[np.int32],
    n_accounts: int,
    end: int,
    held: NDArray[np.int64],
    before: NDArray[np.int64],
) -> "Side":
    """Group some deeds of a feed by the account at one end.

    Args:
        account: Int32, (m,): the account of every deed.
        n_accounts: number of accounts.
        end: see `side_of`.
        held: Int64: positions of the deeds to group, ascending.
        before: Int64, (m,): how many deeds of its account lie before each, held or not.
    """
    from gpu_ops.grouping_kernels import in_groups
    from gpu_ops.pattern_windows import Side

    offset, deeds = in_groups(read_only(account), held, n_accounts)
    return Side(offset, deeds, end, before[deeds])


def _ranks(offset: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each place's position within its group."""
    ranks: NDArray[np.int64] = np.arange(offset[-1]) - np.repeat(offset[:-1], np.diff(offset))
    return ranks
