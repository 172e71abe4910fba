"""Planted rings: five shapes of money laundering among customers who also live ordinary lives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.amounts import amount_cents
from simulator.calendar import DAY, HOUR
from simulator.payments import AS_GIVEN, KIND_CODE, Payments

PATTERNS: Final = ("fan_in", "fan_out", "cycle", "scatter_gather", "gather_scatter")
"""Shapes, dealt out to the rings in this order."""
ROLES: Final = ("scatter", "gather", "hop")
"""What a payment does: leave a hub, come into a hub, or go on to the next of a cycle."""
_SCATTER, _GATHER, _HOP = range(3)
_STEP_SECONDS: Final = 120


@dataclass(frozen=True)
class Shape:
    """One ring with members numbered from 0.

    Attributes:
        payer: Member who pays, by payment.
        payee: Member who is paid.
        factor: Amount, as a factor on the ring's base amount.
        moment: Time within the ring's window, 0 to 1.
        role: Index of `ROLES`.
    """

    payer: NDArray[np.int64]
    payee: NDArray[np.int64]
    factor: NDArray[np.float64]
    moment: NDArray[np.float64]
    role: NDArray[np.int8]

    @property
    def members(self) -> int:
        """Number of members."""
        return int(max(self.payer.max(), self.payee.max())) + 1


def ring_shapes(rng: np.random.Generator, rings: int) -> list[Shape]:
    """The shapes of `rings` rings; ring `i` has the pattern `PATTERNS[i % 5]`."""
    return [_SHAPES[PATTERNS[number % len(PATTERNS)]](rng) for number in range(rings)]


def ring_payments(
    rng: np.random.Generator, shapes: list[Shape], eligible: NDArray[np.int64], days: int
) -> Payments:
    """The payments of rings whose members are drawn from `eligible`.

    Args:
        rng: Source of chance.
        shapes: At least one shape.
        eligible: Customers who may be members; nobody is in two rings.
        days: Length of the simulation; a ring lasts 12 hours to 5 days, and at most half of it.

    Raises:
        ValueError: There are too few eligible customers.
    """
    ends = np.cumsum([shape.members for shape in shapes])
    if ends[-1] > len(eligible):
        raise ValueError(
            f"{len(shapes)} rings need {ends[-1]} customers with ordinary payments, but there are "
            f"{len(eligible)}: simulate more rows or fewer rings"
        )
    people = np.split(rng.permutation(eligible)[: ends[-1]], ends[:-1])
    return _placed(rng, shapes, people, days)


def _placed(
    rng: np.random.Generator, shapes: list[Shape], people: list[NDArray[np.int64]], days: int
) -> Payments:
    """The shapes with real members, amounts and times."""
    second, cents, ring = [], [], []
    longest = min(5 * DAY, days * DAY // 2)
    for number, shape in enumerate(shapes):
        window = int(rng.integers(min(12 * HOUR, longest // 2), longest))
        start = int(rng.integers(0, days * DAY - window - _STEP_SECONDS * len(shape.payer)))
        # A step apart at least, so that money arrives before it leaves.
        order = np.argsort(np.argsort(shape.moment))
        second.append(start + (shape.moment * window).astype(np.int64) + order * _STEP_SECONDS)
        base = float(amount_cents("transfer", rng.normal(-0.3, 0.6, 1))[0])
        cents.append(np.maximum(np.rint(base * shape.factor), 100).astype(np.int64))
        ring.append(np.full(len(shape.payer), number, dtype=np.int64))
    size = sum(len(shape.payer) for shape in shapes)
    pairs = list(zip(shapes, people, strict=True))
    return Payments(
        second=np.concatenate(second),
        kind=np.full(size, KIND_CODE["transfer"], dtype=np.int8),
        payer=np.concatenate([members[shape.payer] for shape, members in pairs]),
        payee=np.concatenate([members[shape.payee] for shape, members in pairs]),
        cents=np.concatenate(cents),
        basis=np.full(size, AS_GIVEN, dtype=np.int64),
        share=np.zeros(size),
        fraud=np.ones(size, dtype=np.bool_),
        ring=np.concatenate(ring),
        role=np.concatenate([shape.role for shape in shapes]),
    )


def _moments(rng: np.random.Generator, size: int, low: float, high: float) -> NDArray[np.float64]:
    return np.sort(rng.uniform(low, high, size))


def _cuts(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """What is left after a member has kept 1 % to 6 %."""
    return rng.uniform(0.94, 0.99, size)


def _fan_in(rng: np.random.Generator) -> Shape:
    size = int(rng.integers(5, 16))
    return Shape(
        payer=np.arange(1, size + 1),
        payee=np.zeros(size, dtype=np.int64),
        factor=rng.uniform(0.6, 1.4, size),
        moment=_moments(rng, size, 0.0, 1.0),
        role=np.full(size, _GATHER, dtype=np.int8),
    )


def _fan_out(rng: np.random.Generator) -> Shape:
    into = _fan_in(rng)
    role = np.full(len(into.payer), _SCATTER, dtype=np.int8)
    return Shape(into.payee, into.payer, into.factor, into.moment, role)


def _cycle(rng: np.random.Generator) -> Shape:
    size = int(rng.integers(3, 9))
    return Shape(
        payer=np.arange(size),
        payee=(np.arange(size) + 1) % size,
        factor=np.asarray(np.cumprod(_cuts(rng, size)), dtype=np.float64),
        moment=_moments(rng, size, 0.0, 1.0),
        role=np.full(size, _HOP, dtype=np.int8),
    )


def _scatter_gather(rng: np.random.Generator) -> Shape:
    """Member 0 pays the middle ones, who pay on, less a cut, to the last member."""
    size = int(rng.integers(4, 11))
    middle = np.arange(1, size + 1)
    factor = rng.uniform(0.6, 1.4, size)
    return Shape(
        payer=np.concatenate([np.zeros(size, dtype=np.int64), middle]),
        payee=np.concatenate([middle, np.full(size, size + 1)]),
        factor=np.concatenate([factor, factor * _cuts(rng, size)]),
        moment=np.concatenate([_moments(rng, size, 0.0, 0.48), _moments(rng, size, 0.52, 1.0)]),
        role=np.repeat(np.array([_SCATTER, _GATHER], dtype=np.int8), size),
    )


def _gather_scatter(rng: np.random.Generator) -> Shape:
    """Several pay member 0, who pays the sum, less a cut, to several others."""
    sources, targets = (int(size) for size in rng.integers(3, 10, 2))
    into = rng.uniform(0.6, 1.4, sources)
    parts = rng.uniform(0.6, 1.4, targets)
    return Shape(
        payer=np.concatenate([np.arange(1, sources + 1), np.zeros(targets, dtype=np.int64)]),
        payee=np.concatenate(
            [np.zeros(sources, dtype=np.int64), np.arange(sources + 1, sources + targets + 1)]
        ),
        factor=np.concatenate([into, parts / parts.sum() * into.sum() * _cuts(rng, 1)]),
        moment=np.concatenate(
            [_moments(rng, sources, 0.0, 0.48), _moments(rng, targets, 0.52, 1.0)]
        ),
        role=np.repeat(np.array([_GATHER, _SCATTER], dtype=np.int8), [sources, targets]),
    )


_SHAPES: Final[dict[str, Callable[[np.random.Generator], Shape]]] = {
    "fan_in": _fan_in,
    "fan_out": _fan_out,
    "cycle": _cycle,
    "scatter_gather": _scatter_gather,
    "gather_scatter": _gather_scatter,
}
