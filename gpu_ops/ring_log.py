"""Rings as they were known, day by day: they appear, grow, become one, and never vanish."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from gpu_ops.ring_building import Ring, is_half, strongest_first


class RingLog:
    """The rings of a feed as known so far.

    A day's candidates come in the order of their strength. One that shares at least half of the
    smaller one's transactions with a ring that is stronger becomes part of it. A stronger one takes
    in all the rings that it shares so much with, under the id of the oldest; what it took in draws
    in nothing further.

    Args:
        standing: rings known before.
    """

    def __init__(self, standing: Iterable[Ring]) -> None:
        self._rings: dict[str, Ring] = {}
        self._holders: dict[str, set[str]] = {}
        for ring in standing:
            self._put(ring)

    @property
    def standing(self) -> list[Ring]:
        """The rings that are part of no other, oldest first."""
        return sorted(self._rings.values(), key=lambda ring: ring.age)

    def add(self, candidates: Iterable[Ring]) -> list[Ring]:
        """Take in the candidates of one day and return the day's last word on each ring touched."""
        said: dict[str, Ring] = {}
        for candidate in sorted(candidates, key=strongest_first):
            for ring in self._take_in(candidate):
                said[ring.ring_id] = ring
        return [said[name] for name in sorted(said)]

    def _take_in(self, candidate: Ring) -> list[Ring]:
        shared = Counter(
            name
            for transaction in candidate.transaction_ids
            for name in self._holders.get(transaction, ())
        )
        touched = [
            self._rings[name]
            for name, n in shared.items()
            if is_half(n, candidate, self._rings[name])
        ]
        if any(strongest_first(one) <= strongest_first(candidate) for one in touched):
            # Part of the strongest of them. What it shares with others does not make them one.
            return []
        if candidate.ring_id in self._rings and not touched:
            touched = [self._rings[candidate.ring_id]]
        if not touched:
            self._put(candidate)
            return [candidate]
        first = min(touched, key=lambda ring: ring.age)
        strongest = min([*touched, candidate], key=strongest_first)
        if len(touched) == 1 and strongest == first:
            return []
        ring = replace(
            strongest,
            ring_id=first.ring_id,
            began_at=first.age[0],
            known_at=candidate.known_at,
        )
        gone = [
            replace(one, merged_into=first.ring_id, known_at=candidate.known_at)
            for one in touched
            if one.ring_id != first.ring_id
        ]
        for one in touched:
            self._drop(one)
        self._put(ring)
        return [ring, *gone]

    def _put(self, ring: Ring) -> None:
        self._rings[ring.ring_id] = ring
        for transaction in ring.transaction_ids:
            self._holders.setdefault(transaction, set()).add(ring.ring_id)

    def _drop(self, ring: Ring) -> None:
        del self._rings[ring.ring_id]
        for transaction in ring.transaction_ids:
            self._holders[transaction].discard(ring.ring_id)
