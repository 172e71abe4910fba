"""When people pay: a day and night cycle and a week."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.population import drawn

HOUR: Final = 3600
DAY: Final = 24 * HOUR

HOURLY: Final = (
    1.6, 0.9, 0.5, 0.35, 0.35, 0.6, 1.4, 2.8, 4.2, 5.3, 6.0, 6.4,
    6.6, 6.2, 5.8, 5.7, 6.0, 6.6, 7.2, 7.4, 6.6, 5.2, 3.8, 2.5,
)  # fmt: skip
"""Relative traffic by hour of day (UTC)."""
WEEKLY: Final = (1.0, 0.98, 0.98, 1.02, 1.16, 1.14, 0.78)
"""Relative traffic by day of week, from Monday, on which every simulation starts."""


def ordinary_seconds(
    rng: np.random.Generator, size: int, days: int, shift_hours: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Seconds since the start of ordinary payments, each moved within its day by `shift_hours`."""
    week = np.tile(WEEKLY, days // 7 + 1)[:days]
    hour = drawn(rng, np.outer(week, HOURLY).ravel(), size)
    day, of_day = hour // 24, (hour % 24 + shift_hours) % 24
    return day * DAY + of_day * HOUR + rng.integers(0, HOUR, size)


def payday_seconds(rng: np.random.Generator, day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds since the start of salaries paid in the early morning of the given days."""
    return day * DAY + rng.integers(5 * HOUR, 9 * HOUR, len(day))
