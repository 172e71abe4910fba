"""The windows and the threshold of PaySim's honest table, by hand."""

from datetime import timedelta

import numpy as np
import pytest

from benchmarks.paysim_honest import Windows, best_f1, feed_delay


@pytest.mark.parametrize(
    ("gap_days", "train_until", "choose_from", "choose_until"),
    [(0, 440, 441, 520), (1, 392, 417, 496), (7, 104, 273, 352)],
)
def test_each_window_ends_a_gap_before_the_next(
    gap_days: int, train_until: int, choose_from: int, choose_until: int
) -> None:
    found = Windows.apart_by(timedelta(days=gap_days))
    assert found == Windows(train_until, choose_from, choose_until)


def test_the_gap_is_that_of_the_feed() -> None:
    assert feed_delay() == timedelta(days=1)


def test_the_threshold_has_the_highest_f1_and_takes_equal_scores_together() -> None:
    margins = np.array([3.0, 2.0, 2.0, 1.0, 0.0], np.float32)
    # From 3 on: 2 * 1 / (1 + 3). From 2 on: 2 * 2 / (3 + 3), and from 1 on 2 * 3 / (4 + 3).
    labels = np.array([True, True, False, True, False])
    assert best_f1(margins, labels) == 1.0
    # Of the two rows at 2 the fraud alone would be better than both; no threshold takes it alone.
    labels = np.array([True, True, False, False, False])
    assert best_f1(margins, labels) == 2.0
    labels = np.array([True, False, False, False, False])
    assert best_f1(margins, labels) == 3.0
