"""What an account's peers do: how many they are, how alike, and whether events come in clusters."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.pattern_deeds import DAY, Deeds

_SHAPES: Final = (1.0, 20.0)
"""Bounds of the prior's shape: accounts that have nothing in common, and all but equal ones."""


_TWO_ARE_USUAL: Final = 0.1
"""Accounts with two deeds over those with one, from which on two are ordinary."""

_LEAST_FRESH: Final = 0.1


@dataclass(frozen=True)
class Traffic:
    """How many payments a feed had on each day.

    Attributes:
        day: Int64, ascending: UTC days with payments.
        through: Float64: payments up to and with each day.
    """

    day: NDArray[np.int64]
    through: NDArray[np.float64]

    @classmethod
    def of(cls, day: NDArray[np.int64]) -> "Traffic":
        """Count payments by day."""
        first = int(day.min()) if day.size else 0
        count = np.bincount(day - first)
        days = np.flatnonzero(count)
        return cls(days + first, np.cumsum(count[days]).astype(np.float64))

    @classmethod
    def of_totals(cls, totals: pl.DataFrame) -> "Traffic":
        """Read day and payments, the running sum, in the order of the days."""
        return cls(
            day=totals["day"].to_physical().cast(pl.Int64).to_numpy(),
            through=totals["payments"].cast(pl.Float64).to_numpy(),
        )

    def clock(self, day: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return for days with payments how many there were before, and with them."""
        place = np.searchsorted(self.day, day)
        return np.r_[0.0, self.through][place], self.through[place]


@dataclass(frozen=True)
class PeerCounts:
    """How many accounts an account may be compared with.

    Attributes:
        payers: those that ever pay.
        payees: those that are ever paid.
        accounts: all of them.
    """

    payers: int
    payees: int
    accounts: int

    @classmethod
    def of(
        cls, payer: NDArray[np.int32], payee: NDArray[np.int32], n_accounts: int
    ) -> "PeerCounts":
        """Count those of payments between accounts 0 to `n_accounts` - 1."""
        payers, payees = (
            int(np.count_nonzero(np.bincount(codes, minlength=n_accounts)))
            for codes in (payer, payee)
        )
        return cls(payers, payees, n_accounts)


@dataclass(frozen=True)
class Prior:
    """What peers let expect of an account, as of each deed; (2, m) are of payers and of payees.

    Attributes:
        shape: Float64, (2, m): shape of the gamma prior over rates.
        weight: Float64, (2, m): payments of the feed in which the prior counts that many deeds.
        fresh: Float64, (2, m): share of deeds that do not just follow others of their account.
        accounts: Float64, (m,): accounts on either side.
    """

    shape: NDArray[np.float64]
    weight: NDArray[np.float64]
    fresh: NDArray[np.float64]
    accounts: NDArray[np.float64]


def hindsight_prior(deeds: Deeds, traffic: Traffic, peers: PeerCounts) -> Prior:
    """Return what all deeds tell of their accounts.

    Args:
        deeds: those that are unusual.
        traffic: the feed's clock.
        peers: how many accounts there are.
    """
    size = deeds.at.size
    shape, weight, fresh = np.ones((3, 2, size))
    before, through = traffic.clock(deeds.at // DAY)
    total = traffic.through[-1] if size else 0.0
    ends = ((deeds.source, peers.payers), (deeds.target, peers.payees))
    for end, (account, n_peers) in enumerate(ends if size else ()):
        tally = Tally.empty(deeds.n_accounts)
        told, _ = tally.add(account, np.zeros(size, dtype=np.int64), 1, before, through)
        shape[end] = told.shapes(np.array([float(n_peers)]))
        weight[end] = shape[end] * n_peers * total / size
        fresh[end] = told.fresh(np.array([total]))
    return Prior(shape, weight, fresh, np.full(size, float(peers.accounts)))


@dataclass(frozen=True)
class Told:
    """How many deeds accounts have, as of some moments.

    Attributes:
        at_least: Float64, (moments, 4): accounts with one, two, three and four deeds or more.
        gaps: Float64, (moments,): payments of the feed between the deeds of those that have two.
    """

    at_least: NDArray[np.float64]
    gaps: NDArray[np.float64]

    def shapes(self, peers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shapes of the gamma priors; `peers` are all accounts, with or without deeds.

        See `shapes`.
        """
        one, two, three = (self.at_least[:, k] - self.at_least[:, k + 1] for k in range(3))
        return shapes(np.maximum(peers - self.at_least[:, 0], 0.0), one, two, three)

    def fresh(self, width: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of deeds that do not just follow others of their account.

        Chance puts a third of the time, on the feed's clock, between an account's two deeds. Where
        the accounts that have two, too few for a ring, have them closer together, events come in
        clusters by themselves (as of Neyman and Scott, Statistical approach to problems of
        cosmology, 1958), and only the first of a cluster is evidence. 1 where two deeds are rare:
        the accounts that have them may be rings' members.

        Args:
            width: payments of the feed in which there might have been deeds.
        """
        one, two = (self.at_least[:, k] - self.at_least[:, k + 1] for k in range(2))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 3.0 * self.gaps / two / width
        usual = (two >= one * _TWO_ARE_USUAL) & (two > 0.0)
        fresh: NDArray[np.float64] = np.where(usual, np.clip(share, _LEAST_FRESH, 1.0), 1.0)
        return fresh


@dataclass(frozen=True)
class Tally:
    """What is kept of each account's deeds at one end, to go on counting.

    Attributes:
        count: Int64, (accounts,): deeds.
        first: Float64, (accounts,): when the first was, in payments of the feed.
        gap: Float64, (accounts,): payments of the feed between the first two.
    """

    count: NDArray[np.int64]
    first: NDArray[np.float64]
    gap: NDArray[np.float64]

    @classmethod
    def empty(cls, n_accounts: int) -> "Tally":
        """Return that of accounts without a deed."""
        return cls(np.zeros(n_accounts, np.int64), np.zeros(n_accounts), np.zeros(n_accounts))

    def add(
        self,
        account: NDArray[np.int32],
        moment: NDArray[np.int64],
        n_moments: int,
        before: NDArray[np.float64],
        through: NDArray[np.float64],
    ) -> tuple[Told, NDArray[np.int64]]:
        """Count further deeds, in the order of time.

        Args:
            account: Int32, (m,).
            moment: Int64, (m,), ascending: with which moment each deed is told.
            n_moments: how many there are.
            before: Float64, (m,): payments of the feed before the day of each.
            through: Float64, (m,): payments up to the end of that day.

        Returns:
            What each moment adds, and how many deeds of its account lay before each: Int64, (m,).
        """
        from gpu_ops.pattern_peer_kernels import tallied

        at_least, gaps = np.zeros((n_moments, 4)), np.zeros(n_moments)
        earlier = tallied(
            account, moment, (before + through) / 2.0, through - before, self.count, self.first,
            self.gap, at_least, gaps,
        )  # fmt: skip
        return Told(at_least, gaps), earlier


def shapes(
    none: NDArray[np.float64],
    one: NDArray[np.float64],
    two: NDArray[np.float64],
    three: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return shapes of gamma priors from how many accounts have no, one, two and three deeds.

    Of a negative binomial number, 2 p(2) p(0) / p(1)^2 is 1 + 1 / shape, and 3 p(3) p(1) /
    (2 p(2)^2) is 1 + 1 / (shape + 1): the second tells where hardly an account has none, since
    only those with some are in the feed at all. The smallest numbers are those of ordinary
    accounts; larger ones may be rings.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 2.0 * two * none / one**2 - 1.0
        later = 3.0 * three * one / (2.0 * two**2) - 1.0
        shape = np.where(none >= one, 1.0 / spread, 1.0 / later - 1.0)
        spread = np.where(none >= one, spread, later)
    shape = np.where(spread > 0.0, np.clip(shape, *_SHAPES), _SHAPES[1])
    few = np.where(none >= one, one, two)
    return np.where(few > 0.0, shape, _SHAPES[0])
