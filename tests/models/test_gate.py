from dataclasses import replace
from typing import Any

import pytest

from gpu_ops.gate import GateBounds, GateEvidence, Rival, Status, decide
from gpu_ops.paired_bootstrap import Difference, Interval

GOOD = GateEvidence(
    rows=10_000,
    positives=80,
    roc_auc=0.9,
    average_precision=0.6,
    calibration_slope=1.1,
    mean_score_ratio=0.9,
    p99_latency_ms=3.0,
)
BOUNDS = GateBounds()
APPROVED, PENDING, REJECTED = Status.APPROVED, Status.PENDING, Status.REJECTED


def rival(lower: float, upper: float, evidence: GateEvidence | None = None) -> Rival:
    found = Difference(value=0.01, bounds=Interval(lower, upper), reference=0.59, resamples=1_000)
    return Rival("sim/3" if evidence else "logistic_published", found, evidence)


BETTER = rival(-0.004, 0.03)

CASES: list[tuple[dict[str, Any], Status, str]] = [
    ({"roc_auc": 0.7}, APPROVED, "ROC AUC 0.7000 >= 0.7000: Approved"),
    ({"roc_auc": 0.6999}, REJECTED, "ROC AUC 0.6999 < 0.7000: Rejected"),
    (
        {"roc_auc": None},
        PENDING,
        "ROC AUC is not defined, the test window has only one class: Pending",
    ),
    (
        {"average_precision": None},
        PENDING,
        "average precision is not defined, the test window has no fraud: Pending",
    ),
    ({"positives": 50}, APPROVED, "50 frauds in the test window >= 50: Approved"),
    ({"positives": 49}, PENDING, "49 frauds in the test window < 50: Pending"),
    ({"calibration_slope": 0.8}, APPROVED, "calibration slope 0.8000 within 0.8..1.25: Approved"),
    ({"calibration_slope": 0.79}, PENDING, "calibration slope 0.7900 outside 0.8..1.25: Pending"),
    ({"calibration_slope": 1.25}, APPROVED, "calibration slope 1.2500 within 0.8..1.25: Approved"),
    ({"calibration_slope": 1.26}, PENDING, "calibration slope 1.2600 outside 0.8..1.25: Pending"),
    (
        {"calibration_slope": None},
        PENDING,
        "calibration slope is not defined on the test window: Pending",
    ),
    (
        {"calibration_slope": None, "roc_auc": 1.0},
        APPROVED,
        "calibration slope is not defined, the scores separate the classes: Approved",
    ),
    (
        {"mean_score_ratio": 0.8},
        APPROVED,
        "mean score over fraud rate 0.8000 within 0.8..1.25: Approved",
    ),
    (
        {"mean_score_ratio": 1.2501},
        PENDING,
        "mean score over fraud rate 1.2501 outside 0.8..1.25: Pending",
    ),
    ({"p99_latency_ms": 100.0}, APPROVED, "p99 latency 100.00 ms <= 100 ms: Approved"),
    ({"p99_latency_ms": 100.5}, REJECTED, "p99 latency 100.50 ms > 100 ms: Rejected"),
    ({"p99_latency_ms": None}, PENDING, "p99 latency was not measured, budget 100 ms: Pending"),
    # Too few frauds to reject by.
    (
        {"positives": 49, "roc_auc": 0.5, "p99_latency_ms": 500.0},
        PENDING,
        "ROC AUC 0.5000 < 0.7000: Rejected",
    ),
    # The worst of all outcomes.
    (
        {"calibration_slope": 3.0, "roc_auc": 0.5},
        REJECTED,
        "calibration slope 3.0000 outside 0.8..1.25: Pending",
    ),
]


@pytest.mark.parametrize(("change", "status", "reason"), CASES)
def test_each_figure_against_its_bounds(
    change: dict[str, Any], status: Status, reason: str
) -> None:
    verdict = decide(replace(GOOD, **change), BETTER, BOUNDS)
    assert verdict.status is status
    assert reason in verdict.reasons
    assert len(verdict.reasons) == 6
    assert verdict.bounds == BOUNDS


@pytest.mark.parametrize(
    ("lower", "upper", "status", "told"),
    [
        (-0.005, 0.02, APPROVED, "bounds -0.0050..+0.0200, lower >= -0.0050: Approved"),
        (-0.0051, 0.02, PENDING, "bounds -0.0051..+0.0200, lower < -0.0050: Pending"),
        # Certainly worse, however little.
        (-0.004, -0.001, REJECTED, "bounds -0.0040..-0.0010, upper < 0: Rejected"),
        (-0.02, 0.0, PENDING, "bounds -0.0200..+0.0000, lower < -0.0050: Pending"),
        (0.0, 0.0, APPROVED, "bounds +0.0000..+0.0000, lower >= -0.0050: Approved"),
    ],
)
def test_the_bounds_of_the_difference_decide(
    lower: float, upper: float, status: Status, told: str
) -> None:
    verdict = decide(GOOD, rival(lower, upper), BOUNDS)
    assert verdict.status is status
    (reason,) = [one for one in verdict.reasons if one.startswith("average precision")]
    assert reason == (f"average precision 0.6000, +0.0100 beside logistic_published, 95 % {told}")


def test_a_champion_judged_on_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="not the same rows"):
        decide(GOOD, rival(0.0, 0.1, replace(GOOD, rows=9_999)), BOUNDS)


def test_outcomes_tell_figure_bar_and_champion_one_by_one() -> None:
    champion = replace(GOOD, average_precision=0.59, roc_auc=0.88, p99_latency_ms=None)
    bounds = GateBounds(p99_latency_ms=50.0)
    verdict = decide(GOOD, rival(-0.1, -0.01, champion), bounds)
    assert verdict.status is REJECTED
    told = [(one.metric, one.value, one.bar, one.champion, one.status) for one in verdict.outcomes]
    assert told == [
        ("roc_auc", 0.9, ">= 0.7000", 0.88, APPROVED),
        (
            "average_precision",
            0.6,
            "sim/3; lower bound of the difference >= -0.0050",
            0.59,
            REJECTED,
        ),
        ("positives", 80, ">= 50", 80, APPROVED),
        ("calibration_slope", 1.1, "0.8..1.25", 1.1, APPROVED),
        ("mean_score_ratio", 0.9, "0.8..1.25", 0.9, APPROVED),
        ("p99_latency_ms", 3.0, "<= 50 ms", None, APPROVED),
    ]
    assert [f"{one.text}: {one.status}" for one in verdict.outcomes] == list(verdict.reasons)
    assert {one.champion for one in decide(GOOD, BETTER, BOUNDS).outcomes} == {None}
