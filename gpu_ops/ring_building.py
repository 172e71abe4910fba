"""From candidates to rings: what shares its payments is one ring, with one id that lasts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

import numpy as np

from gpu_ops.pattern_candidate import Candidate
from gpu_ops.pattern_deeds import DAY, NEVER
from gpu_ops.pattern_ordinary import View

ID_TRANSACTIONS: Final = 3
"""How many of a ring's earliest transactions make its id."""

HALF_SURPRISE: Final = 10.0
"""Nats of surprise that count as half of what can be had."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ring:
    """One row of `RING_SCHEMA`, whose columns the fields are named after.

    `merged_into` is the id of the ring that it became part of. `began_at` is when the ring began
    whose id it bears, null where that is its own: the strongest of a merge may begin later.
    """

    ring_id: str
    feed: str
    pattern: str
    horizon: str
    score: float
    accounts: tuple[str, ...]
    transaction_ids: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    known_at: datetime
    amount: float
    exposure: float
    n_accounts: int
    n_transactions: int
    centre: str | None
    surprise: float
    surprise_of_habit: float
    surprise_of_order: float
    surprise_of_amounts: float
    shape: float
    coherence: float
    probability: float | None
    community_share: float | None = None
    merged_into: str | None = None
    began_at: datetime | None = None

    @property
    def age(self) -> tuple[datetime, str]:
        """A key that sorts rings by when the one began whose id they bear, oldest first."""
        return self.began_at or self.first_at, self.ring_id


def ring_of(feed: str, view: View, candidate: Candidate, known_at: datetime | None = None) -> Ring:
    """Return a candidate with names, ids and money.

    Args:
        feed: its feed.
        view: whose candidate it is.
        candidate: the candidate.
        known_at: when it is known; default the end of the UTC day of its last deed, and then later
            payments of the same deeds are left out.
    """
    payments = view.deeds.payments
    end = NEVER
    if known_at is None:
        end = (int(view.deeds.at[candidate.deeds[-1]]) // DAY + 1) * DAY
        known_at = _moment(end - 1)
    rows = view.deeds.rows(candidate.deeds, end)
    identifiers = tuple(payments.identifiers[rows].tolist())
    amounts = payments.amount[rows]
    inflow = amounts.max()
    if candidate.inflow.size:
        inflow = payments.amount[view.deeds.rows(candidate.inflow, end)].sum()
    known = payments.probability[rows]
    known = known[~np.isnan(known)]
    probability = float(known.mean()) if known.size else None
    return Ring(
        ring_id=_ring_id(feed, identifiers),
        feed=feed,
        pattern=candidate.pattern,
        horizon=candidate.horizon,
        score=_score(candidate, probability),
        accounts=tuple(payments.names[list(candidate.accounts)].tolist()),
        transaction_ids=identifiers,
        first_at=_moment(int(payments.at[rows[0]])),
        last_at=_moment(int(payments.at[rows[-1]])),
        known_at=known_at,
        amount=float(amounts.sum()),
        exposure=float(inflow),
        n_accounts=len(candidate.accounts),
        n_transactions=len(identifiers),
        centre=None if candidate.centre < 0 else str(payments.names[candidate.centre]),
        surprise=candidate.surprise,
        surprise_of_habit=candidate.of_habit,
        surprise_of_order=candidate.of_order,
        surprise_of_amounts=candidate.of_amounts,
        shape=candidate.shape,
        coherence=candidate.coherence,
        probability=probability,
    )


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _ring_id(feed: str, transaction_ids: tuple[str, ...]) -> str:
    """Return an id that later transactions of the ring do not change."""
    named = "\x1f".join([feed, *transaction_ids[:ID_TRANSACTIONS]])
    return f"ring-{blake2b(named.encode(), digest_size=8).hexdigest()}"


def _score(candidate: Candidate, probability: float | None) -> float:
    """Return 0..1; see `search_rings`."""
    surprise = max(candidate.surprise, 0.0)
    score = 0.45 * surprise / (surprise + HALF_SURPRISE)
    score += 0.30 * candidate.shape + 0.25 * candidate.coherence
    return score if probability is None else 0.75 * score + 0.25 * probability


def built(rings: Iterable[Ring]) -> list[Ring]:
    """Merge rings that share at least half of the smaller one's transactions; strongest first.

    The strongest takes in what shares so much with it; what it took in draws in nothing further, so
    that a row of overlaps does not chain to one large ring. It keeps the id of whichever began
    first. Rings that were taken in follow with `merged_into`.
    """
    kept: list[Ring] = []
    merged: dict[str, int] = {}
    holders: dict[str, list[int]] = {}
    starts: dict[str, int] = {}
    for ring in sorted(rings, key=strongest_first):
        into = [k for k, n in _shared(ring, holders).items() if is_half(n, ring, kept[k])]
        # Rings of the same first transactions would bear the same id.
        if into or ring.ring_id in starts:
            winner = starts.get(ring.ring_id, min(into, default=0))
            merged.setdefault(ring.ring_id, winner)
            if ring.ring_id not in starts and ring.age < kept[winner].age:
                merged[kept[winner].ring_id] = winner
                kept[winner] = replace(kept[winner], ring_id=ring.ring_id, began_at=ring.first_at)
                starts[ring.ring_id] = winner
            continue
        starts[ring.ring_id] = len(kept)
        for transaction in ring.transaction_ids:
            holders.setdefault(transaction, []).append(len(kept))
        kept.append(ring)
    return _with_merged(kept, merged)


def _with_merged(kept: list[Ring], merged: dict[str, int]) -> list[Ring]:
    """Return the rings, then one row for each other id that became part of one of them."""
    standing = {ring.ring_id for ring in kept}
    gone = [
        replace(kept[k], ring_id=name, merged_into=kept[k].ring_id)
        for name, k in merged.items()
        if name not in standing
    ]
    return kept + gone


def strongest_first(ring: Ring) -> tuple[float, str, tuple[str, ...]]:
    """Return a key that sorts rings by strength, ties by what they are."""
    return -ring.surprise, ring.pattern, ring.transaction_ids


def _shared(ring: Ring, holders: dict[str, list[int]]) -> Counter[int]:
    return Counter(k for name in ring.transaction_ids for k in holders.get(name, ()))


def is_half(shared: int, one: Ring, other: Ring) -> bool:
    """Return whether so many shared transactions are half of the smaller ring's or more."""
    return 2 * shared >= min(one.n_transactions, other.n_transactions)
