"""The share of confirmed rings at the edges of what labels tell."""

import polars as pl
import pytest

from gpu_ops.ring_calibration import RingVerdicts, ring_verdicts


def verdicts(*judged: tuple[float, int, int], others: tuple[float, ...] = ()) -> RingVerdicts:
    """Rings of one payment each: score, how many were confirmed and how many refuted."""
    told: list[tuple[float, bool | None]] = [
        (score, is_fraud)
        for score, confirmed, refuted in judged
        for is_fraud in [True] * confirmed + [False] * refuted
    ]
    told += [(score, None) for score in others]
    names = [f"t{k}" for k in range(len(told))]
    rings = pl.DataFrame(
        {
            "ring_id": [f"ring-{name}" for name in names],
            "score": [score for score, _ in told],
            "transaction_ids": [[name] for name in names],
        }
    )
    labels = pl.DataFrame({"transaction_id": names, "is_fraud": [label for _, label in told]})
    return ring_verdicts(rings, labels)


def test_ten_confirmed_and_ten_refuted_rings_are_enough() -> None:
    assert verdicts((0.8, 8, 2), (0.2, 2, 8)).share.null_count() == 0
    assert verdicts((0.8, 7, 2), (0.2, 2, 8)).share.null_count() == 19
    assert verdicts((0.8, 8, 2), (0.2, 2, 7)).share.null_count() == 19


def test_a_score_counts_by_its_log_odds() -> None:
    """The odds of .5 and .9 are 1 and 9: half of the rings are confirmed in the middle, at 3."""
    found = verdicts((0.5, 4, 16), (0.9, 16, 4), others=(0.75, 0.75)).share
    assert found[-1] == pytest.approx(0.5, abs=0.01)


def test_no_score_is_a_certainty() -> None:
    none, full = verdicts((0.2, 4, 16), (0.8, 16, 4), others=(0.0, 1.0)).share[-2:]
    assert 0.0 < none < 0.01
    assert 0.99 < full < 1.0
