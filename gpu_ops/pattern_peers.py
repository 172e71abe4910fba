"""What an account's peers do: how many they are, how alike, and whether events come in clusters."""

from dataclasses import dataclass
from typing import Final

import numpy as np
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
    ends = ((deeds.source, peers.payers), (deeds.target, peers.payees))
    for end, (account, n_peers) in enumerate(ends if size else ()):
        count = np.bincount(np.bincount(account), minlength=4)[:, np.newaxis].astype(np.float64)
        none = np.array([float(n_peers - np.unique(account).size)])
        shape[end] = _shapes(none, count[1], count[2], count[3])
        weight[end] = shape[end] * n_peers * traffic.through[-1] / size
        fresh[end] = _fresh(traffic, deeds.at, account, 0.0)[-1]
    return Prior(shape, weight, fresh, np.full(size, float(peers.accounts)))


def peers_so_far(deeds: Deeds) -> NDArray[np.float64]:
    """Return Float64 (3, m): payers, payees and accounts of deeds up to each."""
    ends = (deeds.source, deeds.target, np.column_stack([deeds.source, deeds.target]).ravel())
    return np.stack([_seen(deeds.at, accounts) for accounts in ends])


def known_prior(deeds: Deeds, traffic: Traffic, peers: NDArray[np.float64], begin: float) -> Prior:
    """Return what the deeds before each tell of their accounts.

    Args:
        deeds: those that are unusual, in the order of time.
        traffic: the feed's clock.
        peers: of `peers_so_far`, for these deeds.
        begin: payments of the feed before the first deed may be.
    """
    size = deeds.at.size
    shape, weight, fresh = np.ones((3, 2, size))
    day = deeds.at // DAY
    rate = (np.searchsorted(day, day, "left") + 1.0) / (
        np.maximum(traffic.clock(day)[0] - begin, 0.0) + 1.0
    )
    earlier = np.searchsorted(deeds.at, deeds.at, "left")
    for end, account in enumerate((deeds.source, deeds.target)):
        shape[end] = _shapes_so_far(deeds.at, account, peers[end])
        weight[end] = shape[end] * peers[end] / rate
        fresh[end] = np.r_[1.0, _fresh(traffic, deeds.at, account, begin)][earlier]
    return Prior(shape, weight, fresh, peers[2])


def _shapes(
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


def _shapes_so_far(
    at: NDArray[np.int64], account: NDArray[np.int32], peers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `_shapes` as of strictly before each deed."""
    rank = _ranks(account)[0]
    before = np.searchsorted(at, at, "left")
    at_least = [np.r_[0.0, np.cumsum(rank == k)][before] for k in range(4)]
    one, two, three = (at_least[k] - at_least[k + 1] for k in range(3))
    return _shapes(np.maximum(peers - at_least[0], 0.0), one, two, three)


def _fresh(
    traffic: Traffic, at: NDArray[np.int64], account: NDArray[np.int32], begin: float
) -> NDArray[np.float64]:
    """Return, as of each deed, the share of deeds that do not just follow others of their account.

    Chance puts a third of the time, on the feed's clock, between an account's two deeds. Where
    the accounts that have two, too few for a ring, have them closer together, events come in
    clusters by themselves (as of Neyman and Scott, Statistical approach to problems of cosmology,
    1958), and only the first of a cluster is evidence. 1 where two deeds are rare: the accounts
    that have them may be rings' members.

    Args:
        traffic: the feed's clock.
        at: Int64, (m,), ascending, m > 0.
        account: Int32, (m,).
        begin: payments of the feed before the first deed may be.
    """
    rank, previous = _ranks(account)
    before, through = traffic.clock(at // DAY)
    middle = (before + through) / 2.0
    # Two of one day: a third of its width.
    apart = np.maximum(middle - middle[previous], (through - before) / 3.0)
    second = rank == 1
    third = np.flatnonzero(rank == 2)  # noqa: PLR2004 - the third of its account
    closed = apart[previous[third]]
    count, gaps = second.astype(np.float64), np.where(second, apart, 0.0)
    count[third] -= 1.0
    gaps[third] -= closed
    one = np.cumsum((rank == 0).astype(np.float64) - second)
    count, gaps = np.cumsum(count), np.cumsum(gaps)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 3.0 * gaps / count / (through - begin)
    usual = (count >= one * _TWO_ARE_USUAL) & (count > 0.0)
    fresh: NDArray[np.float64] = np.where(usual, np.clip(share, _LEAST_FRESH, 1.0), 1.0)
    return fresh


def _ranks(account: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many deeds of its account lie before each, and where the latest of them does."""
    order = np.argsort(account, kind="stable")
    grouped = account[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]]) if order.size else order
    rank, previous = np.empty((2, order.size), dtype=np.int64)
    rank[order] = np.arange(order.size) - np.repeat(starts, np.diff(np.r_[starts, order.size]))
    previous[order] = np.r_[order[:1], order[:-1]]
    return rank, np.where(rank > 0, previous, np.arange(order.size))


def _seen(at: NDArray[np.int64], accounts: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return how many distinct accounts there were up to each time.

    Args:
        at: Int64, (m,), ascending.
        accounts: Int32, (m,) or (2 m,), one or two for each time, in their order.
    """
    first = np.unique(accounts, return_index=True)[1] // max(1, accounts.size // max(1, at.size))
    return np.searchsorted(np.sort(at[first]), at, "right").astype(np.float64)
