from dataclasses import replace
from typing import Any

import pytest

from gpu_ops.gate import GateBounds, GateEvidence, Status, decide

GOOD = GateEvidence(
    rows=10_000,
    positives=80,
    roc_auc=0.9,
    average_precision=0.6,
    random_average_precision=0.008,
    calibration_slope=1.1,
    mean_score_ratio=0.9,
    p99_latency_ms=3.0,
)
BOUNDS = GateBounds(
    min_roc_auc=0.7,
    average_precision_tolerance=0.01,
    min_positives=50,
    calibration_slope=(0.5, 2.0),
    mean_score_ratio=(0.5, 2.0),
    p99_latency_ms=50.0,
)
APPROVED, PENDING, REJECTED = Status.APPROVED, Status.PENDING, Status.REJECTED

CASES: list[tuple[dict[str, Any], Status, str]] = [
    ({"roc_auc": 0.7}, APPROVED, "ROC AUC 0.7000 >= 0.7000: Approved"),
    ({"roc_auc": 0.69}, REJECTED, "ROC AUC 0.6900 < 0.7000: Rejected"),
    (
        {"roc_auc": None},
        PENDING,
        "ROC AUC is not defined, the test window has only one class: Pending",
    ),
    (
        {"average_precision": 0.009},
        APPROVED,
        "average precision 0.0090 > 0.0080 of a random order (no champion): Approved",
    ),
    (
        {"average_precision": 0.008},
        REJECTED,
        "average precision 0.0080 <= 0.0080 of a random order (no champion): Rejected",
    ),
    (
        {"average_precision": None},
        PENDING,
        "average precision is not defined, the test window has no fraud: Pending",
    ),
    ({"positives": 50}, APPROVED, "50 frauds in the test window >= 50: Approved"),
    ({"positives": 49}, PENDING, "49 frauds in the test window < 50: Pending"),
    ({"calibration_slope": 2.0}, APPROVED, "calibration slope 2.0000 within 0.5..2: Approved"),
    ({"calibration_slope": 0.49}, PENDING, "calibration slope 0.4900 outside 0.5..2: Pending"),
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
        {"mean_score_ratio": 0.5},
        APPROVED,
        "mean score over fraud rate 0.5000 within 0.5..2: Approved",
    ),
    (
        {"mean_score_ratio": 2.01},
        PENDING,
        "mean score over fraud rate 2.0100 outside 0.5..2: Pending",
    ),
    ({"p99_latency_ms": 50.0}, APPROVED, "p99 latency 50.00 ms <= 50 ms: Approved"),
    ({"p99_latency_ms": 50.5}, REJECTED, "p99 latency 50.50 ms > 50 ms: Rejected"),
    ({"p99_latency_ms": None}, PENDING, "p99 latency was not measured, budget 50 ms: Pending"),
]


@pytest.mark.parametrize(("change", "status", "reason"), CASES)
def test_each_check_alone_decides(change: dict[str, Any], status: Status, reason: str) -> None:
    verdict = decide(replace(GOOD, **change), None, BOUNDS)
    assert verdict.status is status
    assert reason in verdict.reasons


@pytest.mark.parametrize(
    ("found", "status", "reason"),
    [
        (
            0.51,
            APPROVED,
            "average precision 0.5100 >= 0.5100 (champion 0.5200 less a tolerance of 0.0100)",
        ),
        (
            0.509,
            REJECTED,
            "average precision 0.5090 < 0.5100 (champion 0.5200 less a tolerance of 0.0100)",
        ),
    ],
)
def test_the_champion_is_the_bar_for_average_precision(
    found: float, status: Status, reason: str
) -> None:
    champion = replace(GOOD, average_precision=0.52)
    verdict = decide(replace(GOOD, average_precision=found), champion, BOUNDS)
    assert verdict.status is status
    assert f"{reason}: {status}" in verdict.reasons


def test_every_check_is_reported() -> None:
    assert len(decide(GOOD, None, BOUNDS).reasons) == 6


def test_the_worst_outcome_wins() -> None:
    verdict = decide(replace(GOOD, positives=3, roc_auc=0.5), None, BOUNDS)
    assert verdict.status is REJECTED
    assert sum(reason.endswith("Approved") for reason in verdict.reasons) == 4


def test_a_champion_judged_on_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="not the same rows"):
        decide(GOOD, replace(GOOD, rows=9_999), BOUNDS)


def test_outcomes_tell_figure_bar_and_champion_one_by_one() -> None:
    champion = replace(GOOD, average_precision=0.65, roc_auc=0.88, p99_latency_ms=None)
    verdict = decide(replace(GOOD, positives=80), champion, BOUNDS)
    assert verdict.status is REJECTED
    told = [(one.metric, one.value, one.bar, one.champion, one.status) for one in verdict.outcomes]
    assert told == [
        ("roc_auc", 0.9, ">= 0.7000", 0.88, APPROVED),
        ("average_precision", 0.6, ">= 0.6400", 0.65, REJECTED),
        ("positives", 80, ">= 50", 80, APPROVED),
        ("calibration_slope", 1.1, "0.5..2", 1.1, APPROVED),
        ("mean_score_ratio", 0.9, "0.5..2", 0.9, APPROVED),
        ("p99_latency_ms", 3.0, "<= 50 ms", None, APPROVED),
    ]
    assert [f"{one.text}: {one.status}" for one in verdict.outcomes] == list(verdict.reasons)


def test_without_a_champion_chance_is_the_bar() -> None:
    outcomes = {one.metric: one for one in decide(GOOD, None, BOUNDS).outcomes}
    assert outcomes["average_precision"].bar == "> 0.0080"
    assert {one.champion for one in outcomes.values()} == {None}
