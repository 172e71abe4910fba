from collections.abc import Iterator
from random import Random

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.paired_bootstrap import (
    Difference,
    Draws,
    Interval,
    average_precision_difference,
    spread,
)
from gpu_ops.ranking_metrics import average_precision, random_average_precision, roc_auc

LABELS = np.array([True, False, False, True])
PAYER = pl.Series(["a", "b", "b", "c"])
OURS = np.array([0.9, 0.5, 0.5, 0.1])
THEIRS = np.array([0.2, 0.9, 0.8, 0.7])


class Given(Draws):
    """Draws that are written down instead of drawn."""

    def counts(self, payers: int) -> Iterator[npt.NDArray[np.int32]]:
        assert payers == 3
        yield np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]], dtype=np.int32)


def test_three_draws_by_hand() -> None:
    found = average_precision_difference(OURS, THEIRS, LABELS, PAYER, Given())
    # As they are: ours (1/1 + 2/4) / 2, theirs (1/3 + 2/4) / 2.
    assert found.value == pytest.approx(0.75 - 5 / 12)
    assert found.reference == pytest.approx(5 / 12)
    # Payer a twice, b once (two rows), c never: ours 1, theirs 2 / 4. No fraud in the third draw.
    assert found.resamples == 2
    assert both(found.bounds) == pytest.approx([1 / 3 + 0.025 / 6, 1 / 3 + 0.975 / 6])
    beside_chance = average_precision_difference(OURS, None, LABELS, PAYER, Given())
    # Four rows with two frauds each time, and the harmonic number 25 / 12.
    by_chance = (25 / 12 + 1 / 3 * (4 - 25 / 12)) / 4
    assert beside_chance.reference == pytest.approx(by_chance)
    better = 0.75 - by_chance
    assert both(beside_chance.bounds) == pytest.approx([better + 0.025 / 4, better + 0.975 / 4])
    # ROC AUC: the second fraud below both others, then only the first; none in the third draw.
    area = spread(OURS, LABELS, PAYER, Given())["roc_auc"]
    assert both(area) == pytest.approx([0.5 + 0.025 / 2, 0.5 + 0.975 / 2])


def both(interval: Interval | None) -> list[float]:
    assert interval is not None
    return [interval.lower, interval.upper]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.sampled_from("abcd")),
        min_size=1,
        max_size=12,
    ),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 5),
)
@settings(deadline=None, max_examples=30)
def test_equal_to_a_slow_one_in_any_order_of_the_rows(
    rows: list[tuple[int, int, bool, str]], order: Random, seed: int
) -> None:
    draws = Draws(resamples=8, seed=seed)
    found = average_precision_difference(*_columns(rows), draws)
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert average_precision_difference(*_columns(shuffled), draws) == found
    ours, theirs, labels, payer = _columns(rows)
    (counts,) = draws.counts(payer.n_unique())
    names = sorted(set(payer))
    slow, areas = [], []
    for drawn in counts:
        # A row of a payer drawn twice is there twice.
        times = [int(drawn[names.index(name)]) for name in payer]
        again = labels.repeat(times)
        mine = average_precision(ours.repeat(times), again)
        other = average_precision(theirs.repeat(times), again)
        if mine is not None and other is not None:
            slow.append(mine - other)
        area = roc_auc(ours.repeat(times), again)
        areas += [] if area is None else [area]
    assert found.resamples == len(slow)
    if areas:
        expected = np.quantile(areas, [0.025, 0.975])
        assert both(spread(ours, labels, payer, draws)["roc_auc"]) == pytest.approx(expected)
    if slow:
        expected = np.quantile(slow, [0.025, 0.975])
        assert both(found.bounds) == pytest.approx(expected, abs=1e-12)
    itself = average_precision_difference(ours, ours.copy(), labels, payer, draws)
    assert itself.bounds in {None, Interval(0.0, 0.0)}
    assert itself.value in {None, 0.0}


def test_rows_of_one_payer_are_drawn_together() -> None:
    """Twenty equal rows a payer say no more than one does: the interval stays as wide."""
    random = np.random.default_rng(3)
    labels = random.random(60) < 0.3
    scores = random.random(60) + 0.3 * labels
    once = spread(scores, labels, pl.Series(range(60)), Draws(400))["average_precision"]
    payers = pl.Series(np.arange(60).repeat(20))
    many = spread(scores.repeat(20), labels.repeat(20), payers, Draws(400))["average_precision"]
    assert once is not None
    assert many is not None
    assert many.upper - many.lower == pytest.approx(once.upper - once.lower)
    assert once.lower < (average_precision(scores, labels) or 0.0) < once.upper


def test_without_frauds_or_rows_nothing_is_said() -> None:
    nothing = Difference(value=None, bounds=None, reference=None, resamples=0)
    none = np.zeros(4, dtype=np.bool_)
    assert average_precision_difference(OURS, None, none, PAYER, Draws(5)) == nothing
    empty = average_precision_difference(OURS[:0], None, none[:0], PAYER[:0], Draws(5))
    assert empty == nothing
    assert spread(OURS[:0], none[:0], PAYER[:0], Draws(5)) == {
        "average_precision": None,
        "roc_auc": None,
    }
    assert random_average_precision(0, 0) is None
    with pytest.raises(ValueError, match="1 of them null"):
        spread(OURS, LABELS, pl.Series(["a", None, "b", "c"]), Draws(5))


def _columns(
    rows: list[tuple[int, int, bool, str]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_], pl.Series]:
    ours, theirs, labels, payer = zip(*rows, strict=True)
    return (
        np.array(ours, dtype=np.float64),
        np.array(theirs, dtype=np.float64),
        np.array(labels, dtype=np.bool_),
        pl.Series(payer),
    )
