"""Rings: what shares its payments is one ring, with one id that lasts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime


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
