"""The gate that a model passes before it may score: approved, held or rejected, and why."""

from dataclasses import asdict, dataclass, replace
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
class Outcome:
    """What the gate says of one figure.

    Attributes:
        metric: The figure's name, as in an evaluation.
        status: What it alone would decide.
        text: Figure and bound in words.
        value: The figure; None where it is not defined or was not measured.
        bar: What it must reach.
        champion: The present model's figure; None where there is none to compare with.
    """

    metric: str
    status: Status
    text: str
    value: float | None
    bar: str
    champion: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate decided.

    Attributes:
        status: The worst of all outcomes.
        reasons: One sentence a check, passed ones too: figure, bound, outcome.
        outcomes: The same figure by figure; empty where a person decided.
    """

    status: Status
    reasons: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = ()


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
    outcomes = (
        _roc_auc(challenger, bounds),
        _average_precision(challenger, champion, bounds),
        _positives(challenger, bounds),
        _slope(challenger, bounds),
        _between(
            "mean_score_ratio",
            "mean score over fraud rate",
            challenger.mean_score_ratio,
            bounds.mean_score_ratio,
        ),
        _latency(challenger, bounds),
    )
    worst = max((one.status for one in outcomes), key=_SEVERITY.index)
    reasons = tuple(f"{one.text}: {one.status}" for one in outcomes)
    return Verdict(worst, reasons, _beside_champion(outcomes, champion))


def _beside_champion(
    outcomes: tuple[Outcome, ...], champion: GateEvidence | None
) -> tuple[Outcome, ...]:
    """The outcomes with the champion's figures, those that it is not compared by as well."""
    if champion is None:
        return outcomes
    known = asdict(champion)
    return tuple(replace(one, champion=known[one.metric]) for one in outcomes)


def _roc_auc(model: GateEvidence, bounds: GateBounds) -> Outcome:
    found, least = model.roc_auc, bounds.min_roc_auc
    if found is None:
        status, text = Status.PENDING, "ROC AUC is not defined, the test window has only one class"
    elif found >= least:
        status, text = Status.APPROVED, f"ROC AUC {found:.4f} >= {least:.4f}"
    else:
        status, text = Status.REJECTED, f"ROC AUC {found:.4f} < {least:.4f}"
    return Outcome("roc_auc", status, text, found, f">= {least:.4f}")


def _average_precision(
    model: GateEvidence, champion: GateEvidence | None, bounds: GateBounds
) -> Outcome:
    found = model.average_precision
    by_chance = model.random_average_precision or 0.0
    sign, least = ">", by_chance
    bound = f"{by_chance:.4f} of a random order (no champion)"
    if champion is not None and champion.average_precision is not None:
        sign, least = ">=", champion.average_precision - bounds.average_precision_tolerance
        bound = (
            f"{least:.4f} (champion {champion.average_precision:.4f} less a tolerance of "
            f"{bounds.average_precision_tolerance:.4f})"
        )
    if found is None:
        status = Status.PENDING
        text = "average precision is not defined, the test window has no fraud"
    elif found > least or (sign == ">=" and found == least):
        status, text = Status.APPROVED, f"average precision {found:.4f} {sign} {bound}"
    else:
        opposite = "<" if sign == ">=" else "<="
        status, text = Status.REJECTED, f"average precision {found:.4f} {opposite} {bound}"
    return Outcome("average_precision", status, text, found, f"{sign} {least:.4f}")


def _positives(model: GateEvidence, bounds: GateBounds) -> Outcome:
    enough = model.positives >= bounds.min_positives
    return Outcome(
        "positives",
        Status.APPROVED if enough else Status.PENDING,
        f"{model.positives} frauds in the test window {'>=' if enough else '<'} "
        f"{bounds.min_positives}",
        model.positives,
        f">= {bounds.min_positives}",
    )


def _slope(model: GateEvidence, bounds: GateBounds) -> Outcome:
    name = "calibration slope"
    outcome = _between("calibration_slope", name, model.calibration_slope, bounds.calibration_slope)
    if model.calibration_slope is None and model.roc_auc == 1.0:
        # Every slope fits scores that separate the classes; the mean score alone can be judged.
        text = f"{name} is not defined, the scores separate the classes"
        return replace(outcome, status=Status.APPROVED, text=text)
    return outcome


def _between(metric: str, name: str, found: float | None, bound: tuple[float, float]) -> Outcome:
    low, high = bound
    if found is None:
        status, text = Status.PENDING, f"{name} is not defined on the test window"
    elif low <= found <= high:
        status, text = Status.APPROVED, f"{name} {found:.4f} within {low:g}..{high:g}"
    else:
        status, text = Status.PENDING, f"{name} {found:.4f} outside {low:g}..{high:g}"
    return Outcome(metric, status, text, found, f"{low:g}..{high:g}")


def _latency(model: GateEvidence, bounds: GateBounds) -> Outcome:
    found, budget = model.p99_latency_ms, bounds.p99_latency_ms
    if found is None:
        status = Status.PENDING
        text = f"p99 latency was not measured, budget {budget:g} ms"
    elif found > budget:
        status, text = Status.REJECTED, f"p99 latency {found:.2f} ms > {budget:g} ms"
    else:
        status, text = Status.APPROVED, f"p99 latency {found:.2f} ms <= {budget:g} ms"
    return Outcome("p99_latency_ms", status, text, found, f"<= {budget:g} ms")
