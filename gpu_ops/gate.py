"""The gate that a model passes before it may score: approved, held or rejected, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gpu_ops.metrics import Evaluation


class Status(StrEnum):
    """What the gate says of a model, from best to worst."""

    APPROVED = "Approved"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class GateEvidence:
    """The figures of a model that the gate looks at; None where one is not defined.

    Attributes:
        rows: Transactions in the test window.
        positives: Frauds among them.
        roc_auc: Area under the ROC curve.
        average_precision: The headline figure.
        random_average_precision: What a random order reaches on the same rows.
        calibration_slope: 1 is right.
        mean_score_ratio: Mean probability over fraud rate; 1 is right.
        p99_latency_ms: 99th percentile of scoring one row; None if not measured.
    """

    rows: int
    positives: int
    roc_auc: float | None
    average_precision: float | None
    random_average_precision: float | None
    calibration_slope: float | None
    mean_score_ratio: float | None
    p99_latency_ms: float | None

    @classmethod
    def of(cls, evaluation: Evaluation, p99_latency_ms: float | None) -> "GateEvidence":
        """The evidence in an evaluation, with the latency."""
        return cls(
            rows=evaluation.rows,
            positives=evaluation.positives,
            roc_auc=evaluation.value("roc_auc"),
            average_precision=evaluation.value("average_precision"),
            random_average_precision=evaluation.figures["average_precision"].random,
            calibration_slope=evaluation.value("calibration_slope"),
            mean_score_ratio=evaluation.value("mean_score_ratio"),
            p99_latency_ms=p99_latency_ms,
        )


@dataclass(frozen=True)
class GateBounds:
    """What a model must reach.

    Attributes:
        min_roc_auc: Lowest area under the ROC curve.
        average_precision_tolerance: How far below the champion's average precision, in its own
            units, still counts as equal.
        min_positives: Fewest frauds in the test window to judge by.
        calibration_slope: Lowest and highest.
        mean_score_ratio: Lowest and highest.
        p99_latency_ms: Longest time to score one row.
    """

    min_roc_auc: float = 0.7
    average_precision_tolerance: float = 0.01
    min_positives: int = 50
    calibration_slope: tuple[float, float] = (0.5, 2.0)
    mean_score_ratio: tuple[float, float] = (0.5, 2.0)
    p99_latency_ms: float = 100.0


@dataclass(frozen=True)
class Verdict:
    """What the gate decided.

    Attributes:
        status: The worst of all outcomes.
        reasons: One sentence a check, passed ones too: figure, bound, outcome.
    """

    status: Status
    reasons: tuple[str, ...]


_SEVERITY: Final = (Status.APPROVED, Status.PENDING, Status.REJECTED)


def decide(challenger: GateEvidence, champion: GateEvidence | None, bounds: GateBounds) -> Verdict:
    """Compares a model with the bounds and with the model that it would replace.

    Args:
        challenger: The new model's figures.
        champion: The present model's figures on the same rows; None if there is none.
        bounds: What is asked.

    Raises:
        ValueError: The champion was judged on other rows.
    """
    if champion is not None and (champion.rows, champion.positives) != (
        challenger.rows,
        challenger.positives,
    ):
        raise ValueError(
            f"the champion was judged on {champion.rows} rows with {champion.positives} frauds, "
            f"the challenger on {challenger.rows} with {challenger.positives}: not the same rows"
        )
    outcomes = [
        _roc_auc(challenger, bounds),
        _average_precision(challenger, champion, bounds),
        _positives(challenger, bounds),
        _slope(challenger, bounds),
        _between(
            "mean score over fraud rate", challenger.mean_score_ratio, bounds.mean_score_ratio
        ),
        *_latency(challenger, bounds),
    ]
    worst = max((status for status, _ in outcomes), key=_SEVERITY.index)
    return Verdict(worst, tuple(f"{text}: {status}" for status, text in outcomes))


_Outcome = tuple[Status, str]


def _roc_auc(model: GateEvidence, bounds: GateBounds) -> _Outcome:
    if model.roc_auc is None:
        return Status.PENDING, "ROC AUC is not defined, the test window has only one class"
    if model.roc_auc >= bounds.min_roc_auc:
        return Status.APPROVED, f"ROC AUC {model.roc_auc:.4f} >= {bounds.min_roc_auc:.4f}"
    return Status.REJECTED, f"ROC AUC {model.roc_auc:.4f} < {bounds.min_roc_auc:.4f}"


def _average_precision(
    model: GateEvidence, champion: GateEvidence | None, bounds: GateBounds
) -> _Outcome:
    found = model.average_precision
    if found is None:
        return Status.PENDING, "average precision is not defined, the test window has no fraud"
    if champion is not None and champion.average_precision is not None:
        least = champion.average_precision - bounds.average_precision_tolerance
        bound = (
            f"{least:.4f} (champion {champion.average_precision:.4f} less a tolerance of "
            f"{bounds.average_precision_tolerance:.4f})"
        )
        if found < least:
            return Status.REJECTED, f"average precision {found:.4f} < {bound}"
        return Status.APPROVED, f"average precision {found:.4f} >= {bound}"
    by_chance = model.random_average_precision or 0.0
    bound = f"{by_chance:.4f} of a random order (no champion)"
    if found <= by_chance:
        return Status.REJECTED, f"average precision {found:.4f} <= {bound}"
    return Status.APPROVED, f"average precision {found:.4f} > {bound}"


def _positives(model: GateEvidence, bounds: GateBounds) -> _Outcome:
    if model.positives < bounds.min_positives:
        return (
            Status.PENDING,
            f"{model.positives} frauds in the test window < {bounds.min_positives}",
        )
    return (
        Status.APPROVED,
        f"{model.positives} frauds in the test window >= {bounds.min_positives}",
    )


def _slope(model: GateEvidence, bounds: GateBounds) -> _Outcome:
    if model.calibration_slope is None and model.roc_auc == 1.0:
        # Every slope fits scores that separate the classes; the mean score alone can be judged.
        return Status.APPROVED, "calibration slope is not defined, the scores separate the classes"
    return _between("calibration slope", model.calibration_slope, bounds.calibration_slope)


def _between(name: str, found: float | None, bound: tuple[float, float]) -> _Outcome:
    low, high = bound
    if found is None:
        return Status.PENDING, f"{name} is not defined on the test window"
    if low <= found <= high:
        return Status.APPROVED, f"{name} {found:.4f} within {low:g}..{high:g}"
    return Status.PENDING, f"{name} {found:.4f} outside {low:g}..{high:g}"


def _latency(model: GateEvidence, bounds: GateBounds) -> Iterator[_Outcome]:
    budget = bounds.p99_latency_ms
    if model.p99_latency_ms is None:
        yield Status.PENDING, f"p99 latency was not measured, budget {budget:g} ms"
    elif model.p99_latency_ms > budget:
        yield Status.REJECTED, f"p99 latency {model.p99_latency_ms:.2f} ms > {budget:g} ms"
    else:
        yield Status.APPROVED, f"p99 latency {model.p99_latency_ms:.2f} ms <= {budget:g} ms"
