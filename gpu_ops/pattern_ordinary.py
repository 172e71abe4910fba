"""What is ordinary for an account, in two views: what was known before, and what shows later."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pattern_deeds import (
    DAY,
    MICROSECOND,
    NEVER,
    Deeds,
    PaidDays,
    Payments,
    first_of_pairs,
    rare,
    side_of,
)
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Flow, Side

_SHAPES: Final = (1.0, 20.0)
"""Bounds of the prior's shape: accounts that have nothing in common, and all but equal ones."""


_TWO_ARE_USUAL: Final = 0.1
"""Accounts with two deeds over those with one, from which on two are ordinary."""

_LEAST_FRESH: Final = 0.1


@dataclass(frozen=True)
class View:
    """Deeds with what is ordinary about them.

    Attributes:
        known: whether only what lies before a window tells what is ordinary.
        deeds: the deeds.
        flow: the same for kernels.
        paying: deeds by payer.
        receiving: deeds by payee.
        log_amount: Float64, (m,): logarithm of the amount.
        variance: Float64, (m,): usual variance of `log_amount`, as known by then.
    """

    known: bool
    deeds: Deeds
    flow: "Flow"
    paying: "Side"
    receiving: "Side"
    log_amount: NDArray[np.float64]
    variance: NDArray[np.float64]


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
class Peers:
    """How many accounts an account may be compared with.

    Attributes:
        payers: those that ever pay.
        payees: those that are ever paid.
        accounts: all of them.
    """

    payers: int
    payees: int
    accounts: int


def hindsight_view(
    payments: Payments, paid: PaidDays, traffic: Traffic, peers: Peers, params: RingParams
) -> View:
    """Return the deeds of rare pairs but those that their payer makes out of habit.

    Args:
        payments: all payments, or those of rare pairs.
        paid: the days on which payers paid anybody.
        traffic: payments by day.
        peers: how many accounts there are.
        params: see `RingParams`.
    """
    from gpu_ops.pattern_habit_kernels import Rhythm, rhythmic

    deeds = Deeds.of(payments, rare(payments, params), params.burst)
    rule = Rhythm(params.rhythm_beats, params.rhythm_slack)
    places = paid.places(deeds.source, deeds.at // DAY)
    deeds = deeds.where(~rhythmic(paid.offset, paid.day, paid.counts(places), places, rule))
    deeds = deeds.where(~_is_habit(deeds, paid, params))
    size = deeds.at.size
    shape = np.empty((2, size))
    peered = np.empty((2, size))
    fresh = np.ones((2, size))
    for end, account in enumerate((deeds.source, deeds.target)):
        count = np.bincount(np.bincount(account), minlength=4)[:, np.newaxis].astype(np.float64)
        peered[end] = (peers.payers, peers.payees)[end]
        none = peered[end, :1] - np.unique(account).size
        shape[end] = _shapes(none, count[1], count[2], count[3])
        if size:
            fresh[end] = _fresh(traffic, deeds.at, account, 0.0)[-1]
    log_amount = np.log1p(deeds.amount)
    variance = float(log_amount.var()) if size else 0.0
    rate = max(size, 1) / traffic.through[-1] if size else 1.0
    return View(
        known=False,
        deeds=deeds,
        flow=_flow(
            deeds,
            traffic,
            began=np.zeros(size, dtype=np.bool_),
            since=np.full(size, NEVER),
            shape=shape,
            rate=np.full(size, rate),
            fresh=fresh,
            peers=peered,
            accounts=np.full(size, float(peers.accounts)),
        ),
        paying=side_of(deeds.source, deeds.n_accounts, 0),
        receiving=side_of(deeds.target, deeds.n_accounts, 1),
        log_amount=log_amount,
        variance=np.full(size, variance),
    )  # fmt: skip


def known_view(payments: Payments, paid: PaidDays, traffic: Traffic, params: RingParams) -> View:
    """Return each pair's first deed with what was known of it before.

    Every figure of a deed depends on earlier deeds alone: later payments change none of it.

    Args:
        payments: all payments, or those of the first bursts of all pairs.
        paid: the days on which payers paid anybody.
        traffic: payments by day.
        params: see `RingParams`.
    """
    from gpu_ops.pattern_habit_kernels import Rhythm, habitual_since, rhythmic_since

    deeds = Deeds.of(payments, first_of_pairs(payments, params), params.burst)
    rule = Rhythm(params.known_beats, params.rhythm_slack)
    places = paid.places(deeds.source, deeds.at // DAY)
    since = rhythmic_since(paid.offset, paid.day, paid.counts(places), places, rule)
    # The day that makes a rhythm known is over before a window may start.
    since = np.where(since == NEVER, NEVER, (np.minimum(since, NEVER // DAY - 1) + 1) * DAY - 1)
    accounts = _seen(deeds.at, np.column_stack([deeds.source, deeds.target]).ravel())
    peered = np.stack([_seen(deeds.at, deeds.source), _seen(deeds.at, deeds.target)])
    start = int(deeds.at[0]) // DAY * DAY + params.learning // MICROSECOND if since.size else 0
    kept = (deeds.at >= start) & (since >= start)
    deeds, since, accounts, peered = deeds.where(kept), since[kept], accounts[kept], peered[:, kept]
    if since.size:
        paying = side_of(deeds.source, deeds.n_accounts, 0)
        since[paying.deeds] = habitual_since(
            paying.offset, deeds.at[paying.deeds], since[paying.deeds], start,
            params.horizon // MICROSECOND, params.habit_per_horizon,
        )  # fmt: skip
    began = _began(deeds, paid, params.known_payments)
    taught = traffic.through[np.searchsorted(traffic.day, start // DAY, "right") - 1]
    shape = np.empty((2, deeds.at.size))
    fresh = np.empty((2, deeds.at.size))
    before_it = np.searchsorted(deeds.at, deeds.at, "left")
    for end, account in enumerate((deeds.source, deeds.target)):
        shape[end] = _shapes_so_far(deeds.at, account, peered[end])
        fresh[end] = np.r_[1.0, _fresh(traffic, deeds.at, account, float(taught))][before_it]
    # Sums over what came before: the same whatever follows.
    log_amount = np.log1p(deeds.amount)
    so_far = np.arange(1.0, log_amount.size + 1)
    mean = np.cumsum(log_amount) / so_far
    before = traffic.clock(deeds.at // DAY)[0]
    rate = (np.searchsorted(deeds.at // DAY, deeds.at // DAY, "left") + 1.0) / (
        np.maximum(before - taught, 0.0) + 1.0
    )
    return View(
        known=True,
        deeds=deeds,
        flow=_flow(
            deeds, traffic, began=began, since=since, shape=shape, rate=rate, fresh=fresh,
            peers=peered, accounts=accounts,
        ),
        paying=side_of(deeds.source, deeds.n_accounts, 0),
        receiving=side_of(deeds.target, deeds.n_accounts, 1),
        log_amount=log_amount,
        variance=np.maximum(np.cumsum(log_amount**2) / so_far - mean**2, 0.0),
    )


def _flow(
    deeds: Deeds,
    traffic: Traffic,
    *,
    began: NDArray[np.bool_],
    since: NDArray[np.int64],
    shape: NDArray[np.float64],
    rate: NDArray[np.float64],
    fresh: NDArray[np.float64],
    peers: NDArray[np.float64],
    accounts: NDArray[np.float64],
) -> "Flow":
    """Return the deeds as the kernels read them; `rate` is deeds a payment of the feed."""
    from gpu_ops.pattern_windows import Flow

    before, through = traffic.clock(deeds.at // DAY)
    return Flow(
        source=deeds.source,
        target=deeds.target,
        at=deeds.at,
        day=deeds.at // DAY,
        before=before,
        through=through,
        again=deeds.again,
        began=began,
        since=since,
        shape=shape,
        weight=shape * peers / rate,
        fresh=fresh,
        accounts=accounts,
    )


def _began(deeds: Deeds, paid: PaidDays, fewest: int) -> NDArray[np.bool_]:
    """Return which deeds are of a day on which a payer begins with several payees at once.

    A payer of fewer than `fewest` payments before has no habit yet that it could depart from.
    """
    day = deeds.at // DAY
    places = paid.places(deeds.source, day)
    paid_before = np.r_[0, np.cumsum(paid.count)]
    history = paid_before[places] - paid_before[paid.offset[deeds.source]]
    same_day = np.bincount(places, minlength=1)[places] if places.size else places
    began: NDArray[np.bool_] = (history < fewest) & (same_day > 1)
    return began


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
    third = np.flatnonzero(rank == 2)
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


def _is_habit(deeds: Deeds, paid: PaidDays, params: RingParams) -> NDArray[np.bool_]:
    """Return which deeds come from payers who pay new counterparties all the time.

    Counted is what the payer does well away from the deed, a horizon or a quarter of the data's
    time, so that a burst is not held against itself. Data shorter than four horizons thus find fast
    rings only: over a month, a slow ring looks like a habit.
    """
    if deeds.at.size == 0:
        return np.zeros(0, dtype=np.bool_)
    count = np.bincount(deeds.source, minlength=deeds.n_accounts)
    usual = float(np.median(count[np.diff(paid.offset) > 0]))
    begin, end = int(paid.day.min()) * DAY, (int(paid.day.max()) + 1) * DAY
    horizon = params.horizon // MICROSECOND
    near_time = min(horizon, (end - begin) // 4)
    # One ascending key of payer and time lets a binary search count any payer's window.
    width = end - begin + 2 * near_time + 2
    lane = deeds.source.astype(np.int64) * width + (deeds.at - begin + near_time)
    ordered = np.sort(lane)
    near = np.searchsorted(ordered, lane + near_time, "right") - np.searchsorted(
        ordered, lane - near_time, "left"
    )
    away = count[deeds.source] - near
    time_away = (end - begin) - (
        np.minimum(deeds.at + near_time, end) - np.maximum(deeds.at - near_time, begin)
    )
    usual_per_horizon = usual * horizon / max(end - begin, horizon)
    limit = max(params.habit_per_horizon, params.habit_ratio * usual_per_horizon)
    habit: NDArray[np.bool_] = away > limit * np.maximum(time_away / horizon, 1)
    return habit
