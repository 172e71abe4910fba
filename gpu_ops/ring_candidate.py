"""A possible ring, and the counts of what a search left out."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.ring_params import Pattern

_CLOSEST: Final = 0.04


@dataclass(frozen=True)
class Candidate:
    """Payments that together look like a ring.

    Attributes:
        pattern: its shape.
        edges: Int64: positions in `UnusualEdges`, ascending, hence in the order of time.
        accounts: positions in `UnusualEdges.accounts`, in the order that `RING_SCHEMA` states.
        centre: the account around which a fan or a gather-scatter turns, -1 for none.
        surprise: nats by which chance falls short of explaining it.
        shape: 0..1, how complete the shape is.
        coherence: 0..1, how well the amounts fit together.
    """

    pattern: Pattern
    edges: NDArray[np.int64]
    accounts: tuple[int, ...]
    centre: int
    surprise: float
    shape: float
    coherence: float


@dataclass
class Found:
    """Candidates of one search, and how often a limit of `RingParams` cut it short.

    Attributes:
        candidates: what was found.
        cut: limit -> how many times it applied; nothing is left out without being counted.
    """

    candidates: list[Candidate] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)


def amount_surprise(n: int, variance: float, usual: float) -> float:
    """Return how far amounts lie closer together than chance puts them, in nats.

    The log-likelihood ratio of a normal variance, for logarithms of amounts; 0 where they scatter
    as widely as usual. Amounts closer than a fifth of the usual deviation prove no more: equal
    amounts are what rents and fees have, too.

    Args:
        n: independent differences between amounts.
        variance: their variance.
        usual: that of amounts that have nothing to do with each other.
    """
    if n < 1 or usual <= 0.0 or variance >= usual:
        return 0.0
    ratio = max(variance / usual, _CLOSEST)
    return 0.5 * n * (ratio - 1.0 - math.log(ratio))


def alikeness(amounts: NDArray[np.float64]) -> float:
    """Return 1 for equal amounts, towards 0 as they scatter: 1 / (1 + coefficient of variation)."""
    mean = float(amounts.mean())
    return 1.0 / (1.0 + float(amounts.std()) / mean) if mean > 0 else 0.0


def balance(one: float, other: float) -> float:
    """Return the smaller divided by the larger: 1 where what comes in goes out."""
    larger = max(one, other)
    return min(one, other) / larger if larger > 0 else 0.0
