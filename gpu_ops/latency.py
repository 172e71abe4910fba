"""How long one call takes, as percentiles."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Percentiles of the wall time of one call, in milliseconds."""

    p50_ms: float
    p99_ms: float
    calls: int


def call_latency(call: Callable[[int], object], *, calls: int = 300, warm_up: int = 30) -> Latency:
    """Times `call(0)`, `call(1)`, ... one by one, after some calls that do not count.

    Args:
        call: Scores the row with the given number.
        calls: How many count, at least 1.
        warm_up: How many come before and do not.
    """
    for number in range(warm_up):
        call(number)
    times = []
    for number in range(calls):
        start = perf_counter()
        call(number)
        times.append(perf_counter() - start)
    p50, p99 = np.percentile(np.asarray(times) * 1e3, [50, 99])
    return Latency(float(p50), float(p99), calls)
