"""The gate that a model passes before it may score: approved, held or rejected, and why."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Final

from gpu_ops.metrics import Evaluation
from gpu_ops.paired_bootstrap import Difference


class Status(StrEnum):
    """What the gate says of a model, from best to worst."""

    APPROVED = "Approved"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True)
class GateEvidence:
    """The figures of a model that the gate looks at; None where one is not defined.

    Attributes:
        rows: Transactions that it was judged on.
        positives: Frauds among them.
        roc_auc: Area under the ROC curve.
        average_precision: The headline figure.
        calibration_slope: 1 is right.
        mean_score_ratio: Mean probability over fraud rate; 1 is right.
        p99_latency_ms: 99th percentile of scoring one row; None if not measured.
    """

    rows: int
    positives: int
    roc_auc: float | None
    average_precision: float | None
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
            calibration_slope=evaluation.value("calibration_slope"),
            mean_score_ratio=evaluation.value("mean_score_ratio"),
            p99_latency_ms=p99_latency_ms,
        )


@dataclass(frozen=True)
class Rival:
    """What a model is compared with, on the same rows.

    Attributes:
        name: The champion, such as `sim/3`; else a model or an order that anybody has.
        difference: The model's average precision less that of the rival, with bounds.
        evidence: The champion's figures; None for any other rival.
    """

    name: str
    difference: Difference
    evidence: GateEvidence | None = None


@dataclass(frozen=True)
class GateBounds:
    """What a model must reach.

    Attributes:
        min_roc_auc: Below this area under the ROC curve it is rejected.
        max_average_precision_loss: How far the lower bound of the difference in average
            precision, in its own units, may lie below 0.
        min_positives: Fewest frauds to judge by.
        calibration_slope: Lowest and highest.
        mean_score_ratio: Lowest and highest.
        p99_latency_ms: Above this time to score one row it is rejected.
        resamples: Draws of payers that the bounds of the difference rest on.
    """

    min_roc_auc: float = 0.7
    max_average_precision_loss: float = 0.005
    min_positives: int = 50
    calibration_slope: tuple[float, float] = (0.8, 1.25)
    mean_score_ratio: tuple[float, float] = (0.8, 1.25)
    p99_latency_ms: float = 100.0
    resamples: int = 1_000


@dataclass(frozen=True)
class Outcome:
    """What the gate says of one figure.

    Attributes:
        metric: The figure's name, as in an evaluation.
        status: What it alone would decide, given enough frauds.
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
        status: The worst of all outcomes, but Pending where there are too few frauds to judge by.
        reasons: One sentence a check, passed ones too: figure, bound, outcome.
        outcomes: The same figure by figure; empty where a person decided.
        bounds: What was asked; None where a person decided.
        overrides: The verdict that a person overruled by this one; None if it overrules none.
    """

    status: Status
    reasons: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = ()
    bounds: GateBounds | None = None
    overrides: Status | None = None


_SEVERITY: Final = (Status.APPROVED, Status.PENDING, Status.REJECTED)


def decide(challenger: GateEvidence, rival: Rival, bounds: GateBounds) -> Verdict:
    """Compares a model with the bounds and with the model that it would replace.

    Rejected: ROC AUC below its bound, the upper 95 % bound of the difference in average precision
    below 0, or latency above its budget. Approved: the lower bound above the loss that is allowed,
    calibration slope and mean score within theirs. All else, and whatever rests on too few frauds,
    is Pending: a person may approve it.

    Args:
        challenger: The new model's figures.
        rival: What it is compared with.
        bounds: What is asked.

    Raises:
        ValueError: The champion was judged on other rows.
    """
    champion = rival.evidence
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
        _average_precision(challenger, rival, bounds),
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
    status = worst if challenger.positives >= bounds.min_positives else Status.PENDING
    reasons = tuple(f"{one.text}: {one.status}" for one in outcomes)
    return Verdict(status, reasons, _beside_champion(outcomes, champion), bounds)


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


def _average_precision(model: GateEvidence, rival: Rival, bounds: GateBounds) -> Outcome:
    found, least = rival.difference, -bounds.max_average_precision_loss
    bar = f"{rival.name}; lower bound of the difference >= {least:.4f}"
    if model.average_precision is None or found.value is None or found.bounds is None:
        text = "average precision is not defined, the test window has no fraud"
        return Outcome("average_precision", Status.PENDING, text, model.average_precision, bar)
    lower, upper = found.bounds.lower, found.bounds.upper
    text = (
        f"average precision {model.average_precision:.4f}, {found.value:+.4f} beside {rival.name}, "
        f"95 % bounds {lower:+.4f}..{upper:+.4f}"
    )
    if upper < 0.0:
        status, told = Status.REJECTED, "upper < 0"
    elif lower >= least:
        status, told = Status.APPROVED, f"lower >= {least:.4f}"
    else:
        status, told = Status.PENDING, f"lower < {least:.4f}"
    return Outcome("average_precision", status, f"{text}, {told}", model.average_precision, bar)


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
