"""What windows are found to be, and when two of them ask for a training."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.drift import Distances
from gpu_ops.drift_windows import (
    Arrivals,
    Condition,
    DriftBounds,
    WindowFinding,
    column_condition,
    retraining_due,
    volume_faults,
    whole_windows,
    window_finding,
)
from gpu_ops.label_drift import fallen, label_figures
from gpu_ops.paired_bootstrap import Draws
from gpu_ops.splits import Window

BOUNDS = DriftBounds()
WEEK = timedelta(days=7)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STABLE, MOVED, FAULT = Condition.STABLE, Condition.MOVED, Condition.DATA_FAULT


def week(number: int) -> Window:
    return Window(MONDAY + number * WEEK, MONDAY + (number + 1) * WEEK)


def finding(number: int, *, bad: bool = False, fell: bool | None = None) -> WindowFinding:
    condition = Condition.DRIFT if bad or fell else STABLE
    return WindowFinding(week(number), condition, (), bad, fell)


def test_windows_are_whole_weeks_from_monday_and_only_the_last_ones() -> None:
    since, until = MONDAY + timedelta(hours=1), MONDAY + 4 * WEEK
    assert whole_windows(since, until, WEEK, 9) == [week(1), week(2), week(3)]
    assert whole_windows(since, until - timedelta(seconds=1), WEEK, 9) == [week(1), week(2)]
    assert whole_windows(since, until, WEEK, 2) == [week(2), week(3)]
    assert whole_windows(until, since, WEEK, 2) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 30))
def test_what_lands_later_moves_no_window(first: int, more: int, days: int) -> None:
    length, since = timedelta(days=days), MONDAY
    before = whole_windows(since, since + timedelta(seconds=first), length, 10**6)
    after = whole_windows(since, since + timedelta(seconds=first + more), length, 10**6)
    assert after[: len(before)] == before


@pytest.mark.parametrize(
    ("current", "faults"),
    [
        (Arrivals(700, 7.0, 1_000, 10), 0),
        (Arrivals(349, 7.0, 1_000, 10), 1),
        (Arrivals(350, 7.0, 1_000, 59), 0),
        (Arrivals(350, 7.0, 1_000, 60), 1),
        (Arrivals(0, 7.0), 1),
    ],
)
def test_too_few_or_too_many_refused_rows_are_faults(current: Arrivals, faults: int) -> None:
    reference = Arrivals(3_000, 30.0, 3_030, 30)
    bounds = DriftBounds(rejected_rise=0.05)
    assert len(volume_faults(reference, current, bounds)) == faults


def test_faults_of_a_column_come_before_its_drift() -> None:
    far = Distances(psi=3.0, ks=0.9, wasserstein=2.0, reference_null_share=0.1, null_share=0.25)
    gone = Distances(3.0, 0.9, 2.0, reference_null_share=0.1, null_share=0.35)
    near = Distances(0.19, 0.1, 0.1, 0.0, 0.0)
    assert column_condition(far, is_constant=False, bounds=BOUNDS) is MOVED
    assert column_condition(gone, is_constant=False, bounds=BOUNDS) is FAULT
    assert column_condition(far, is_constant=True, bounds=BOUNDS) is FAULT
    assert column_condition(near, is_constant=False, bounds=BOUNDS) is STABLE
    assert column_condition(None, is_constant=False, bounds=BOUNDS) is Condition.TOO_FEW


def test_a_data_fault_is_no_drift_whatever_has_moved() -> None:
    columns = {"amount": MOVED, "hour": FAULT, "score": MOVED}
    found = window_finding(
        week(0), [], columns, {"amount", "hour"}, "score", labels_fell=["fell"], bounds=BOUNDS
    )
    assert found.condition is FAULT
    assert found.reasons == ("absent or constant: hour",)
    assert (found.is_bad, found.labels_fell) == (False, None)
    short = window_finding(
        week(0), ["10 rows"], {"score": MOVED}, {"a"}, "score", labels_fell=None, bounds=BOUNDS
    )
    assert (short.condition, short.reasons, short.is_bad) == (FAULT, ("10 rows",), False)


@pytest.mark.parametrize(
    ("columns", "fell", "condition", "is_bad"),
    [
        ({"a": MOVED, "b": STABLE, "c": STABLE, "score": STABLE}, None, MOVED, False),
        ({"a": MOVED, "b": MOVED, "c": STABLE, "score": STABLE}, None, Condition.DRIFT, True),
        ({"a": STABLE, "b": STABLE, "c": STABLE, "score": MOVED}, None, Condition.DRIFT, True),
        ({"a": STABLE, "score": STABLE}, [], STABLE, False),
        ({"a": STABLE, "score": STABLE}, ["recall fell"], Condition.DRIFT, False),
        ({"a": Condition.TOO_FEW, "score": Condition.TOO_FEW}, None, Condition.TOO_FEW, False),
    ],
)
def test_the_score_or_half_of_the_features_make_a_window_bad(
    columns: dict[str, Condition], fell: list[str] | None, condition: Condition, *, is_bad: bool
) -> None:
    found = window_finding(
        week(0),
        [],
        columns,
        {"a", "b", "c"} & columns.keys(),
        "score",
        labels_fell=fell,
        bounds=BOUNDS,
    )
    assert (found.condition, found.is_bad) == (condition, is_bad)


def test_features_that_still_fill_up_make_no_window_bad() -> None:
    columns = {"age": MOVED, "count": MOVED, "amount": STABLE, "score": STABLE}
    found = window_finding(
        week(0), [], columns, {"amount"}, "score", labels_fell=None, bounds=BOUNDS
    )
    assert (found.condition, found.is_bad) == (MOVED, False)
    assert found.reasons == ("moved: age, count",)
    many = {f"f{number}": MOVED for number in range(12)}
    told = window_finding(
        week(0), [], many, set(), "score", labels_fell=None, bounds=BOUNDS
    ).reasons
    assert told == ("moved: f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 2 more",)


def test_two_bad_windows_in_a_row_ask_and_nothing_else_does() -> None:
    assert retraining_due([]) is None
    assert retraining_due([finding(0, bad=True)]) is None
    assert retraining_due([finding(0, bad=True), finding(1)]) is None
    assert retraining_due([finding(0, bad=True), finding(1), finding(2, bad=True)]) is None
    assert retraining_due([finding(0, bad=True), finding(2, bad=True)]) is None
    assert retraining_due([finding(0, bad=True), finding(1, bad=True)]) == week(1)
    # Labels are known of the first two only: theirs is a row of its own.
    late = [finding(0, fell=True), finding(1, fell=True), finding(2), finding(3)]
    assert retraining_due(late) == week(1)
    assert retraining_due([finding(0, fell=True), finding(1, bad=True)]) is None


def test_figures_on_labels_fall_only_beyond_bounds_and_chance() -> None:
    # Two days of 300 rows; each day 100 frauds, 50 of them on top of the order, 50 at its end.
    labels = np.tile(np.repeat([True, False, True], [50, 200, 50]), 2)
    scores = np.tile(np.linspace(0.9, 0.1, 300), 2)
    day = pl.Series([MONDAY] * 300 + [MONDAY + timedelta(days=1)] * 300)
    payer = pl.Series([f"p{number}" for number in range(600)])
    found = label_figures(
        scores, labels, payer, day, capacity=100, draws=Draws(resamples=100, seed=1)
    )
    assert (found.rows, found.positives) == (600, 200)
    # 100 alerts a day catch 50 of the 100.
    for name in ("precision_at_capacity", "recall_at_capacity"):
        figure = found.figures[name]
        assert figure.value == 0.5
        assert figure.interval is not None
        # Wilson's interval of 100 of 200.
        assert figure.interval.lower == pytest.approx(0.43136, abs=1e-5)
        assert figure.interval.upper == pytest.approx(0.56864, abs=1e-5)
    ratio = found.figures["mean_score_ratio"]
    # 600 scores of 0.5 on average, and 200 frauds.
    assert ratio.value == pytest.approx(1.5)
    registered = {"recall_at_capacity": 0.56, "average_precision": 0.0}
    wide = DriftBounds(score_ratio=(0.8, 1.7))
    assert fallen(found, registered, wide) == []
    told = fallen(found, {"recall_at_capacity": 0.57}, wide)
    assert told == ["recall_at_capacity 0.500 after 0.570 at registration"]
    assert fallen(found, {"recall_at_capacity": 0.57}, DriftBounds(metric_loss=0.08)) == [
        "mean_score_ratio 1.500, not 0.8 to 1.25"
    ]
    assert fallen(found, registered, DriftBounds(min_positives=201)) is None
