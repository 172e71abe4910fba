import math

import numpy as np
import pytest

from gpu_ops.ring_kernels import Events, Limits, fan_windows, poisson_surprise

LIMITS = Limits(finest=1e-6, horizon=100, fewest=3, hub_counterparties=50)


def strongest(times: list[int], *, others: list[int] | None = None) -> list[float]:
    """Surprise of the windows of one centre whose payments have these times, of 0..1000."""
    at = np.array(sorted(times), dtype=np.int64)
    events = Events(np.array([0, at.size]), at, (at - 1) / 1000.0, at / 1000.0, 1.0, 1.0)
    other = np.array(others or range(at.size), dtype=np.int32)
    _, surprise, _ = fan_windows(events, other, 100, LIMITS, 3.0)
    found: list[float] = surprise.tolist()
    return found


def test_poisson_surprise_by_hand() -> None:
    assert poisson_surprise(4.0, 1.0) == pytest.approx(4 * math.log(4) - 3)
    assert poisson_surprise(1.0, 1.0) == 0.0
    assert poisson_surprise(1.0, 4.0) == 0.0


def test_surprise_of_a_burst_by_hand() -> None:
    # Five in 501..505, that is a share of .005, none elsewhere, a prior of 1.
    assert strongest([501, 502, 503, 504, 505]) == [
        pytest.approx(5 * math.log(5 / 0.005) - (5 - 0.005))
    ]


def test_what_a_centre_does_elsewhere_weakens_its_burst() -> None:
    burst = [501, 502, 503, 504, 505]
    elsewhere = [*range(10, 490, 60), *range(620, 990, 60)]
    expected = 0.005 * (len(elsewhere) + 1)
    assert strongest(burst + elsewhere) == [
        pytest.approx(5 * math.log(5 / expected) - (5 - expected))
    ]


def test_counterparties_count_once() -> None:
    assert strongest([501, 502, 503, 504, 505], others=[1, 1, 2, 2, 1]) == []


def test_two_bursts_are_two_windows() -> None:
    assert len(strongest([101, 102, 103, 104, 901, 902, 903, 904])) == 2


def test_a_fan_over_most_of_the_traffic_is_none() -> None:
    at = np.array([1, 2, 3, 4, 5], dtype=np.int64)
    through = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    events = Events(np.array([0, 5]), at, through - 0.2, through, 0.001, 1.0)
    window, surprise, _ = fan_windows(events, np.arange(5, dtype=np.int32), 9, LIMITS, 0.0)
    assert surprise.size == 0
    assert window.tolist() == [-1] * 5
