"""What is ordinary for an account, as it shows in hindsight; of what was known: `pattern_known`."""

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
    side_of,
)
from gpu_ops.pattern_peers import PeerCounts, Prior, Traffic, hindsight_prior
from gpu_ops.read_only import read_only
from gpu_ops.ring_params import RingParams
from gpu_ops.threads import in_parts

if TYPE_CHECKING:
    from gpu_ops.pattern_path_kernels import Links
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
        unusual_paying: deeds that were not to be expected, by payer.
        unusual_receiving: the same by payee.
        log_amount: Float64, (m,): logarithm of the amount.
        variance: Float64, (m,): usual variance of `log_amount`, as known by then.
        links: the chain that ends with each deed, filled in by the search for chains.
    """

    known: bool
    deeds: Deeds
    flow: "Flow"
    paying: "Side"
    receiving: "Side"
    unusual_paying: "Side"
    unusual_receiving: "Side"
    log_amount: NDArray[np.float64]
    variance: NDArray[np.float64]
    links: "Links"


def hindsight_view(
    deeds: Deeds, paid: PaidDays, traffic: Traffic, peers: PeerCounts, params: RingParams
) -> View:
    """Return deeds but for those that their payer makes out of habit.

    Args:
        deeds: of rare pairs.
        paid: the days on which payers paid anybody.
        traffic: payments by day.
        peers: how many accounts there are.
        params: see `RingParams`.
    """
    from gpu_ops.pattern_habit_kernels import Rhythm, rhythmic

    rule = Rhythm(params.rhythm_beats, params.rhythm_slack)
    places = paid.places(deeds.source, deeds.at // DAY)
    counts = paid.counts(places)
    asked = np.flatnonzero(counts[1])
    in_rhythm = np.zeros(paid.day.size, dtype=np.bool_)
    in_rhythm[asked] = in_parts(
        lambda part: rhythmic(paid.offset, paid.day, counts, part, rule), asked
    )
    deeds = deeds.where(~in_rhythm[places])
    deeds = deeds.where(~_is_habit(deeds, traffic, peers, params))
    size = deeds.at.size
    log_amount = np.log1p(deeds.amount)
    variance = float(log_amount.var()) if size else 0.0
    paying = side_of(deeds.source, deeds.n_accounts, 0)
    receiving = side_of(deeds.target, deeds.n_accounts, 1)
    return View(
        known=False,
        deeds=deeds,
        flow=flow_of(
            deeds,
            traffic,
            number=np.arange(size),
            again=deeds.until,
            began=np.zeros(size, dtype=np.bool_),
            since=np.full(size, NEVER),
            prior=hindsight_prior(deeds, traffic, peers),
        ),
        paying=paying,
        receiving=receiving,
        unusual_paying=paying,
        unusual_receiving=receiving,
        log_amount=log_amount,
        variance=np.full(size, variance),
        links=no_links(size),
    )


def no_links(size: int) -> "Links":
    """Return chains of one deed each."""
    from gpu_ops.pattern_path_kernels import Links

    return Links(
        earlier=np.full(size, -1), hop=np.zeros(size), length=np.ones(size, dtype=np.int64)
    )


def flow_of(
    deeds: Deeds,
    traffic: Traffic,
    *,
    number: NDArray[np.int64],
    again: NDArray[np.int64],
    began: NDArray[np.bool_],
    since: NDArray[np.int64],
    prior: Prior,
) -> "Flow":
    """Return the deeds as the kernels read them."""
    from gpu_ops.pattern_windows import Flow

    before, through = traffic.clock(deeds.at // DAY)
    return Flow(
        number=read_only(number),
        source=deeds.source,
        target=deeds.target,
        at=deeds.at,
        day=deeds.at // DAY,
        before=before,
        through=through,
        again=again,
        began=began,
        since=read_only(since),
        shape=prior.shape,
        weight=prior.weight,
        fresh=prior.fresh,
        accounts=prior.accounts,
    )


def _is_habit(
    deeds: Deeds, traffic: Traffic, peers: PeerCounts, params: RingParams
) -> NDArray[np.bool_]:
    """Return which deeds come from payers who pay new counterparties all the time.

    Counted is what the payer does well away from the deed, a horizon or a quarter of the data's
    time, so that a burst is not held against itself. Data shorter than four horizons thus find fast
    rings only: over a month, a slow ring looks like a habit.
    """
    from gpu_ops.pattern_habit_kernels import near_counts

    if deeds.at.size == 0:
        return np.zeros(0, dtype=np.bool_)
    count = np.bincount(deeds.source, minlength=deeds.n_accounts)
    # Payers without such a deed count too, whether or not the payments here name them.
    some = count[count > 0]
    usual = float(np.median(np.r_[some, np.zeros(peers.payers - some.size)]))
    begin, end = int(traffic.day[0]) * DAY, (int(traffic.day[-1]) + 1) * DAY
    horizon = params.horizon // MICROSECOND
    near_time = min(horizon, (end - begin) // 4)
    paying = side_of(deeds.source, deeds.n_accounts, 0)
    near = np.empty(deeds.at.size, dtype=np.int64)
    near[paying.deeds] = near_counts(paying.offset, deeds.at[paying.deeds], near_time)
    away = count[deeds.source] - near
    time_away = (end - begin) - (
        np.minimum(deeds.at + near_time, end) - np.maximum(deeds.at - near_time, begin)
    )
    usual_per_horizon = usual * horizon / max(end - begin, horizon)
    limit = max(params.habit_per_horizon, params.habit_ratio * usual_per_horizon)
    habit: NDArray[np.bool_] = away > limit * np.maximum(time_away / horizon, 1)
    return habit
