"""What a ring is called and how strong it is, worked out by hand."""

import numpy as np
import pytest

from gpu_ops.pattern_candidate import Candidate
from gpu_ops.ring_making import _ring_id, _score


def candidate(surprise: float, shape: float, coherence: float) -> Candidate:
    return Candidate(
        pattern="cycle",
        horizon="burst",
        deeds=np.arange(3),
        accounts=(0, 1, 2),
        centre=-1,
        of_habit=surprise - 1.0,
        of_order=0.75,
        of_amounts=0.25,
        shape=shape,
        coherence=coherence,
        inflow=np.arange(0),
    )


@pytest.mark.parametrize(
    ("surprise", "shape", "coherence", "probability", "score"),
    [
        # Ten nats are half of .45; .30 of a whole shape, .25 of half a coherence.
        (10.0, 1.0, 0.5, None, 0.225 + 0.3 + 0.125),
        (0.5, 0.0, 0.0, None, 0.45 / 21.0),
        # What speaks against a ring takes nothing from its shape.
        (-4.0, 0.5, 0.0, None, 0.15),
        # A quarter is what the model says of its payments.
        (10.0, 1.0, 0.5, 0.2, 0.75 * 0.65 + 0.05),
        (10.0, 1.0, 0.5, 0.0, 0.75 * 0.65),
    ],
)
def test_strength(
    surprise: float, shape: float, coherence: float, probability: float | None, score: float
) -> None:
    assert _score(candidate(surprise, shape, coherence), probability) == pytest.approx(score)


def test_the_three_earliest_transactions_and_the_feed_make_the_id() -> None:
    name = _ring_id("f", ("t1", "t2", "t3"))
    assert name == _ring_id("f", ("t1", "t2", "t3", "t4"))
    others = {
        _ring_id("g", ("t1", "t2", "t3")),
        _ring_id("f", ("t1", "t2", "t4")),
        _ring_id("f", ("t1", "t2")),
        _ring_id("f", ("t1t2", "t3")),
        _ring_id("f", ("t2", "t1", "t3")),
    }
    assert name not in others
    assert len(others) == 5
