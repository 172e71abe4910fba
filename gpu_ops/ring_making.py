"""From candidates to rings: their payments, names, ids and money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from math import fsum, isnan
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.pairs import pair_keys
from gpu_ops.pattern_candidate import Candidate
from gpu_ops.pattern_deeds import DAY, NEVER, Deeds, Payments
from gpu_ops.ring_building import Ring

ID_TRANSACTIONS: Final = 3
"""How many of a ring's earliest transactions make its id."""

HALF_SURPRISE: Final = 10.0
"""Nats of surprise that count as half of what can be had."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rings_of(
    feed: str,
    deeds: Deeds,
    payments: Payments,
    candidates: Sequence[Candidate],
    known_at: datetime | None = None,
) -> list[Ring]:
    """Return candidates with names, ids and money.

    Args:
        feed: their feed.
        deeds: of which they are.
        payments: all payments of these deeds, or more.
        candidates: the candidates.
        known_at: when they are known; default the end of the UTC day of their last deed, and then
            later payments of the same deeds are left out.
    """
    if not candidates:
        return []
    kept = _DeedPayments.of(deeds, payments, _unique([one.deeds for one in candidates]))
    names = _names(payments, candidates)
    return [_ring(feed, deeds, kept, names, one, known_at) for one in candidates]


@dataclass(frozen=True)
class _DeedPayments:
    """Payments of deeds, as lists in the order of (time, id): rings hold a few of them each.

    Attributes:
        of_deed: deed -> places in the lists, ascending.
        identifier: transaction ids.
        at: microseconds since 1970.
        amount: amounts.
        probability: fraud probabilities, NaN without a model; empty where none has one.
    """

    of_deed: dict[int, list[int]]
    identifier: list[str]
    at: list[int]
    amount: list[float]
    probability: list[float]

    @classmethod
    def of(cls, deeds: Deeds, payments: Payments, wanted: NDArray[np.int64]) -> "_DeedPayments":
        pays = np.zeros(deeds.n_accounts, dtype=np.bool_)
        pays[deeds.source[wanted]] = True
        rows = np.flatnonzero(pays[payments.payer])
        pair = pair_keys(deeds.source[wanted], deeds.target[wanted])
        # Ascending in time already.
        order = np.argsort(pair, kind="stable")
        wanted, pair = wanted[order], pair[order]
        asked, at = pair_keys(payments.payer[rows], payments.payee[rows]), payments.at[rows]
        place = np.searchsorted(pair, asked)
        found = place < pair.size
        found[found] = pair[place[found]] == asked[found]
        rows, place, asked, at = rows[found], place[found], asked[found], at[found]
        while True:
            # A pair's latest deed that is not later than the payment.
            following = np.minimum(place + 1, pair.size - 1)
            later = (following > place) & (pair[following] == asked)
            later &= deeds.at[wanted[following]] <= at
            if not later.any():
                break
            place = place + later
        deed = wanted[place]
        inside = (deeds.at[deed] <= at) & (at < deeds.until[deed])
        rows, deed = rows[inside], deed[inside]
        ids = payments.transaction_id.gather(rows)
        by_time = pl.DataFrame({"at": payments.at[rows], "id": ids}).select(
            pl.arg_sort_by("at", "id")
        )
        ordered = by_time.to_series().to_numpy()
        rows = rows[ordered]
        probability = payments.probability[rows]
        of_deed: dict[int, list[int]] = {}
        for number, one in enumerate(deed[ordered].tolist()):
            of_deed.setdefault(one, []).append(number)
        return cls(
            of_deed=of_deed,
            identifier=ids.gather(ordered).to_list(),
            at=payments.at[rows].tolist(),
            amount=payments.amount[rows].tolist(),
            probability=[] if np.isnan(probability).all() else probability.tolist(),
        )

    def places(self, deeds: NDArray[np.int64], end: int) -> list[int]:
        """Return the places of some deeds' payments before a moment, in the order of (time, id)."""
        places = sorted(chain.from_iterable(self.of_deed[deed] for deed in deeds.tolist()))
        if end == NEVER:
            return places
        return [place for place in places if self.at[place] < end]


def _ring(
    feed: str,
    deeds: Deeds,
    kept: _DeedPayments,
    names: dict[int, str],
    candidate: Candidate,
    known_at: datetime | None,
) -> Ring:
    end = NEVER
    if known_at is None:
        end = (int(deeds.at[candidate.deeds[-1]]) // DAY + 1) * DAY
        known_at = _moment(end - 1)
    places = kept.places(candidate.deeds, end)
    identifiers = tuple(kept.identifier[place] for place in places)
    amounts = [kept.amount[place] for place in places]
    inflow = max(amounts)
    if candidate.inflow.size:
        inflow = fsum(kept.amount[place] for place in kept.places(candidate.inflow, end))
    known = [kept.probability[place] for place in places] if kept.probability else []
    known = [one for one in known if not isnan(one)]
    probability = fsum(known) / len(known) if known else None
    return Ring(
        ring_id=_ring_id(feed, identifiers),
        feed=feed,
        pattern=candidate.pattern,
        horizon=candidate.horizon,
        score=_score(candidate, probability),
        accounts=tuple(names[account] for account in candidate.accounts),
        transaction_ids=identifiers,
        first_at=_moment(kept.at[places[0]]),
        last_at=_moment(kept.at[places[-1]]),
        known_at=known_at,
        amount=fsum(amounts),
        exposure=inflow,
        n_accounts=len(candidate.accounts),
        n_transactions=len(identifiers),
        centre=None if candidate.centre < 0 else names[candidate.centre],
        surprise=candidate.surprise,
        surprise_of_habit=candidate.of_habit,
        surprise_of_order=candidate.of_order,
        surprise_of_amounts=candidate.of_amounts,
        shape=candidate.shape,
        coherence=candidate.coherence,
        probability=probability,
    )


def _unique(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.unique(np.concatenate(parts))


def _names(payments: Payments, candidates: Sequence[Candidate]) -> dict[int, str]:
    """Return the names of the candidates' accounts by number."""
    numbers = sorted({account for one in candidates for account in one.accounts})
    return dict(zip(numbers, payments.accounts.gather(numbers).to_list(), strict=True))


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _ring_id(feed: str, transaction_ids: tuple[str, ...]) -> str:
    """Return an id that later transactions of the ring do not change."""
    named = "\x1f".join([feed, *transaction_ids[:ID_TRANSACTIONS]])
    return f"ring-{blake2b(named.encode(), digest_size=8).hexdigest()}"


def _score(candidate: Candidate, probability: float | None) -> float:
    """Return 0..1; see `gpu_ops.patterns.search_rings`."""
    surprise = max(candidate.surprise, 0.0)
    score = 0.45 * surprise / (surprise + HALF_SURPRISE)
    score += 0.30 * candidate.shape + 0.25 * candidate.coherence
    return score if probability is None else 0.75 * score + 0.25 * probability
