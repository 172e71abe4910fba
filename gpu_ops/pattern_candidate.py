"""A possible ring, and the counts of what a search left out."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pattern_ordinary import View
from gpu_ops.ring_params import Horizon, Pattern

FROM_AMOUNTS: Final = 6.0
"""Nats that amounts may add at most: rents and fees are alike, too."""

_CLOSEST: Final = 0.04
_NO_VARIANCE: Final = 1e-9
"""Where amounts hardly differ at all, nobody's are alike; differences of this size are rounding."""


@dataclass(frozen=True)
class Candidate:
    """Deeds that together look like a ring.

    Attributes:
        pattern: its shape.
        horizon: burst or slow.
        deeds: Int64: positions in `Deeds`, ascending, hence in the order of time.
        accounts: positions in `Payments.accounts`, in the order that `RING_SCHEMA` states.
        centre: the account around which a fan or a gather-scatter turns, -1 for none.
        of_habit: nats by which the accounts' habits fall short of explaining it, the size of the
            search deducted.
        of_order: nats by which its order in time does.
        of_amounts: nats by which its amounts do.
        shape: 0..1, how complete the shape is.
        coherence: 0..1, how well the amounts fit together.
        inflow: deeds that brought money in from outside; empty where the largest deed counts.
    """

    pattern: Pattern
    horizon: Horizon
    deeds: NDArray[np.int64]
    accounts: tuple[int, ...]
    centre: int
    of_habit: float
    of_order: float
    of_amounts: float
    shape: float
    coherence: float
    inflow: NDArray[np.int64]

    @property
    def surprise(self) -> float:
        """Nats of evidence in all."""
        return self.of_habit + self.of_order + self.of_amounts


@dataclass
class Found:
    """Candidates of a search, and how often a limit of `RingParams` cut it short.

    Attributes:
        candidates: what was found.
        cut: limit -> how many times it applied; nothing is left out without being counted.
        dense: accounts of each component that the cycle search did not finish.
    """

    candidates: list[Candidate] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)
    dense: list[NDArray[np.int32]] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take over what another search found."""
        self.candidates += other.candidates
        self.cut.update(other.cut)
        self.dense += other.dense


def alike_nats(view: View, deeds: NDArray[np.int64]) -> float:
    """Return the evidence in amounts that lie closer together than usual, in nats."""
    if deeds.size < 2:  # noqa: PLR2004 - one amount has nothing to be compared with
        return 0.0
    # Asked thousands of times of a few amounts each: Python's own numbers are faster at that.
    values = view.log_amount[deeds].tolist()
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return amount_nats(len(values) - 1, variance, float(view.variance[max(deeds.tolist())]))


def passed_on_nats(view: View, into: NDArray[np.int64], out_of: NDArray[np.int64]) -> float:
    """Return the evidence in amounts that go out as they came in, in nats."""
    if into.size == 0:
        return 0.0
    kept_back = view.log_amount[out_of] - view.log_amount[into]
    usual = float(view.variance[max(int(into.max()), int(out_of.max()))])
    return amount_nats(into.size, float((kept_back**2).mean()), 2.0 * usual)


def amount_nats(n: int, variance: float, usual: float) -> float:
    """Return how far amounts lie closer together than chance puts them, in nats.

    The log-likelihood ratio of a normal variance, for logarithms of amounts; 0 where they scatter
    as widely as usual. Amounts closer than a fifth of the usual deviation prove no more.

    Args:
        n: independent differences between amounts.
        variance: their variance.
        usual: that of amounts that have nothing to do with each other.
    """
    if n < 1 or usual <= _NO_VARIANCE or variance >= usual:
        return 0.0
    ratio = max(variance / usual, _CLOSEST)
    return min(FROM_AMOUNTS, 0.5 * n * (ratio - 1.0 - math.log(ratio)))


def most_from_amounts(n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many nats the amounts of so many deeds may add at most."""
    closest = 0.5 * (_CLOSEST - 1.0 - math.log(_CLOSEST))
    most: NDArray[np.float64] = np.minimum(FROM_AMOUNTS, closest * (n - 1.0))
    return most


def alikeness(amounts: NDArray[np.float64]) -> float:
    """Return 1 for equal amounts, towards 0 as they scatter: 1 / (1 + coefficient of variation)."""
    mean = float(amounts.mean())
    return 1.0 / (1.0 + float(amounts.std()) / mean) if mean > 0 else 0.0


def balance(one: float, other: float) -> float:
    """Return the smaller divided by the larger: 1 where what comes in goes out."""
    larger = max(one, other)
    return min(one, other) / larger if larger > 0 else 0.0
