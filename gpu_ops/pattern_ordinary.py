"""What is ordinary for an account, in two views: what was known before, and what shows later."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from gpu_ops.pattern_peers import (
    PeerCounts,
    Prior,
    Traffic,
    hindsight_prior,
    known_prior,
    peers_so_far,
)
from gpu_ops.ring_params import RingParams
from gpu_ops.threads import in_parts

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Flow, Side


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


def hindsight_view(
    payments: Payments, paid: PaidDays, traffic: Traffic, peers: PeerCounts, params: RingParams
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
    counts = paid.counts(places)
    in_rhythm = in_parts(lambda part: rhythmic(paid.offset, paid.day, counts, part, rule), places)
    deeds = deeds.where(~in_rhythm)
    deeds = deeds.where(~_is_habit(deeds, traffic, peers, params))
    size = deeds.at.size
    log_amount = np.log1p(deeds.amount)
    variance = float(log_amount.var()) if size else 0.0
    return View(
        known=False,
        deeds=deeds,
        flow=_flow(
            deeds,
            traffic,
            began=np.zeros(size, dtype=np.bool_),
            since=np.full(size, NEVER),
            prior=hindsight_prior(deeds, traffic, peers),
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
    counts = paid.counts(places)
    since = in_parts(lambda part: rhythmic_since(paid.offset, paid.day, counts, part, rule), places)
    # The day that makes a rhythm known is over before a window may start.
    since = np.where(since == NEVER, NEVER, (np.minimum(since, NEVER // DAY - 1) + 1) * DAY - 1)
    peers = peers_so_far(deeds)
    start = int(deeds.at[0]) // DAY * DAY + params.learning // MICROSECOND if since.size else 0
    kept = (deeds.at >= start) & (since >= start)
    deeds, since, peers = deeds.where(kept), since[kept], peers[:, kept]
    if since.size:
        paying = side_of(deeds.source, deeds.n_accounts, 0)
        since[paying.deeds] = habitual_since(
            paying.offset, deeds.at[paying.deeds], since[paying.deeds], start,
            params.horizon // MICROSECOND, params.habit_per_horizon,
        )  # fmt: skip
    began = _began(deeds, paid, params.known_payments)
    days_taught = int(np.searchsorted(traffic.day, start // DAY, "left"))
    taught = traffic.through[days_taught - 1] if days_taught else 0.0
    # Sums over what came before: the same whatever follows.
    log_amount = np.log1p(deeds.amount)
    so_far = np.arange(1.0, log_amount.size + 1)
    mean = np.cumsum(log_amount) / so_far
    return View(
        known=True,
        deeds=deeds,
        flow=_flow(
            deeds,
            traffic,
            began=began,
            since=since,
            prior=known_prior(deeds, traffic, peers, float(taught)),
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
    prior: Prior,
) -> "Flow":
    """Return the deeds as the kernels read them."""
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
        shape=prior.shape,
        weight=prior.weight,
        fresh=prior.fresh,
        accounts=prior.accounts,
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


def _is_habit(
    deeds: Deeds, traffic: Traffic, peers: PeerCounts, params: RingParams
) -> NDArray[np.bool_]:
    """Return which deeds come from payers who pay new counterparties all the time.

    Counted is what the payer does well away from the deed, a horizon or a quarter of the data's
    time, so that a burst is not held against itself. Data shorter than four horizons thus find fast
    rings only: over a month, a slow ring looks like a habit.
    """
    if deeds.at.size == 0:
        return np.zeros(0, dtype=np.bool_)
    count = np.bincount(deeds.source, minlength=deeds.n_accounts)
    # Payers without such a deed count too, whether or not the payments here name them.
    some = count[count > 0]
    usual = float(np.median(np.r_[some, np.zeros(peers.payers - some.size)]))
    begin, end = int(traffic.day[0]) * DAY, (int(traffic.day[-1]) + 1) * DAY
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
