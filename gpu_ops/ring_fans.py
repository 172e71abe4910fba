"""Rings around one account: fan-in, fan-out, and gathering that is followed by scattering."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.ring_candidate import Candidate, Found, alikeness, amount_surprise, balance
from gpu_ops.ring_edges import UnusualEdges
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.ring_kernels import Events, Limits

_FROM_AMOUNTS: Final = 12.0
"""Nats that alike amounts may add to what the times of a fan prove: how weak a burst is kept."""


@dataclass(frozen=True)
class Side:
    """Unusual payments grouped by the account at one end, ascending in time within each.

    Attributes:
        edges: Int64: positions in `UnusualEdges`.
        offset: Int64, (accounts + 1,): where each account's group starts.
        prior: payments that an account is taken to have besides its own: what the payments of the
            feed see on average at their own account, so that in a feed where strangers are daily
            business for some, a stranger proves little (a rate shrunk as in empirical Bayes).
        dispersion: 1 + the number of other unusual payments that the median one sees at its own
            account x the share of the feed's traffic that is unusual. Evidence is divided by it
            (quasi-likelihood): where most payments come from strangers, crowds come and go by
            themselves, in larger bursts than a Poisson rate allows.
    """

    edges: NDArray[np.int64]
    offset: NDArray[np.int64]
    prior: float
    dispersion: float

    @classmethod
    def of(
        cls, account: NDArray[np.int32], n_accounts: int, n_traffic: int, kept: NDArray[np.bool_]
    ) -> "Side":
        """Group the kept edges by account; `n_traffic` counts all payments of the feed."""
        positions = np.flatnonzero(kept)
        count = np.bincount(account[positions], minlength=n_accounts).astype(np.int64)
        total = int(count.sum())
        seen = np.repeat(count, count) - 1
        return cls(
            edges=positions[np.argsort(account[positions], kind="stable")],
            offset=np.concatenate([[0], np.cumsum(count)]),
            prior=float((count * count).sum() / total) if total else 0.0,
            dispersion=1.0 + float(np.median(seen)) * total / n_traffic if total else 1.0,
        )


def fans(edges: UnusualEdges, receiving: Side, paying: Side, params: RingParams) -> Found:
    """Return bursts of payments from many accounts to one, and from one to many."""
    inward = _fans(edges, receiving, params, inward=True)
    outward = _fans(edges, paying, params, inward=False)
    return Found(
        inward.candidates + outward.candidates,
        {"hub_counterparties": inward.cut["hub"] + outward.cut["hub"]},
    )


def _fans(edges: UnusualEdges, side: Side, params: RingParams, *, inward: bool) -> Found:
    from gpu_ops.ring_kernels import fan_windows

    centre, other = (edges.target, edges.source) if inward else (edges.source, edges.target)
    place = side.edges
    search = math.log(max(1, edges.n_accounts))
    window, surprise, hubs = fan_windows(
        _events(edges, side),
        other[place],
        edges.n_accounts,
        _limits(edges, params, params.min_fan),
        max(0.0, search + params.min_surprise - _FROM_AMOUNTS),
    )
    found = Found(cut={"hub": hubs})
    taken = np.flatnonzero(window >= 0)
    taken = taken[np.argsort(window[taken], kind="stable")]
    bounds = np.searchsorted(window[taken], np.arange(surprise.size + 1))
    for k in range(surprise.size):
        # Places ascend within a centre as time does, but edges of one instant may not.
        members = np.sort(place[taken[bounds[k] : bounds[k + 1]]])
        spokes = tuple(dict.fromkeys(other[members].tolist()))
        evidence = float(surprise[k]) - search + _alike(edges, members)
        if evidence < params.min_surprise:
            continue
        found.candidates.append(
            Candidate(
                pattern="fan_in" if inward else "fan_out",
                edges=members,
                accounts=(int(centre[members[0]]), *spokes),
                centre=int(centre[members[0]]),
                surprise=evidence,
                shape=1.0 - 1.0 / (len(spokes) - 1),
                coherence=alikeness(edges.amount[members]),
            )
        )
    return found


def gather_scatters(
    edges: UnusualEdges, receiving: Side, paying: Side, params: RingParams
) -> Found:
    """Return accounts that gather from many and then pay out to many."""
    from gpu_ops.ring_kernels import gather_scatter_windows

    gather, scatter = receiving.edges, paying.edges
    search = math.log(max(1, edges.n_accounts))
    bounds, surprise, hubs = gather_scatter_windows(
        _events(edges, receiving), _events(edges, paying), _limits(edges, params, params.min_side)
    )
    found = Found(cut={"gather_scatter_hubs": hubs})
    for centre in np.flatnonzero(surprise > 0).tolist():
        first, split, start, last = bounds[centre].tolist()
        inward, outward = gather[first : split + 1], scatter[start : last + 1]
        payers = dict.fromkeys(edges.source[inward].tolist())
        payees = dict.fromkeys(edges.target[outward].tolist())
        evidence = float(surprise[centre]) - search
        evidence += _alike(edges, inward) + _alike(edges, outward)
        if min(len(payers), len(payees)) < params.min_side or evidence < params.min_surprise:
            continue
        found.candidates.append(
            Candidate(
                pattern="gather_scatter",
                edges=np.sort(np.concatenate([inward, outward])),
                accounts=(centre, *dict.fromkeys([*payers, *payees])),
                centre=centre,
                surprise=evidence,
                shape=balance(len(payers), len(payees)),
                coherence=balance(
                    float(edges.amount[inward].sum()), float(edges.amount[outward].sum())
                ),
            )
        )
    return found


def _alike(edges: UnusualEdges, members: NDArray[np.int64]) -> float:
    """Return the evidence in the amounts of payments on one side of an account, in nats."""
    variance = float(edges.log_amount(members).var(ddof=1))
    return amount_surprise(members.size - 1, variance, edges.amount_variance)


def _events(edges: UnusualEdges, side: Side) -> "Events":
    from gpu_ops.ring_kernels import Events

    return Events(
        offset=side.offset,
        at=edges.at[side.edges],
        before=edges.before[side.edges],
        through=edges.through[side.edges],
        prior=side.prior,
        dispersion=side.dispersion,
    )


def _limits(edges: UnusualEdges, params: RingParams, fewest: int) -> "Limits":
    from gpu_ops.ring_kernels import Limits

    return Limits(
        finest=edges.finest,
        horizon=params.horizon // timedelta(microseconds=1),
        fewest=fewest,
        hub_counterparties=params.hub_counterparties,
    )
