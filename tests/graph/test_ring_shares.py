"""The share of confirmed rings at the edges of what labels tell."""

import polars as pl
import pytest

from gpu_ops.ring_calibration import RingVerdicts, ring_verdicts


def verdicts(*judged: tuple[float, int, int], others: tuple[float, ...] = ()) -> RingVerdicts:
    """Rings of one payment each: surprise, how many were confirmed and how many refuted."""
    told: list[tuple[float, bool | None]] = [
        (surprise, is_fraud)
        for surprise, confirmed, refuted in judged
        for is_fraud in [True] * confirmed + [False] * refuted
    ]
    told += [(surprise, None) for surprise in others]
    names = [f"t{k}" for k in range(len(told))]
    rings = pl.DataFrame(
        {
            "ring_id": [f"ring-{name}" for name in names],
            "surprise": [surprise for surprise, _ in told],
            "transaction_ids": [[name] for name in names],
        }
    )
    labels = pl.DataFrame({"transaction_id": names, "is_fraud": [label for _, label in told]})
    return ring_verdicts(rings, labels)


def test_ten_confirmed_and_ten_refuted_rings_are_enough() -> None:
    assert verdicts((20.0, 8, 2), (2.0, 2, 8)).share.null_count() == 0
    assert verdicts((20.0, 7, 2), (2.0, 2, 8)).share.null_count() == 19
    assert verdicts((20.0, 8, 2), (2.0, 2, 7)).share.null_count() == 19


def test_strength_counts_by_its_logarithm() -> None:
    """1 + surprise is 2 and 32: half of them were confirmed in the middle, at 8."""
    found = verdicts((1.0, 4, 16), (31.0, 16, 4), others=(7.0, 7.0)).share
    assert found[-1] == pytest.approx(0.5, abs=0.01)


def test_below_nothing_all_rings_are_equally_weak() -> None:
    found = verdicts((0.0, 4, 16), (31.0, 16, 4), others=(-2.0, -0.5)).share
    assert found[-1] == found[-2] == found[0]
