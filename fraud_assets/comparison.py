"""A new model beside what it must not be worse than, on rows that neither was made of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import polars as pl
from pydantic import JsonValue, TypeAdapter

from fraud_assets.modelling import FeedRows, features_of, judge
from fraud_assets.refused_models import refusal
from gpu_ops.gate import GateEvidence, Rival, Verdict, decide
from gpu_ops.latency import call_latency
from gpu_ops.matrices import Float64Array
from gpu_ops.metrics import Evaluation
from gpu_ops.paired_bootstrap import Difference, Draws, average_precision_difference
from gpu_ops.reference_model import NAME as LOGISTIC
from gpu_ops.reference_model import RANDOM_ORDER, ReferenceModel
from gpu_ops.splits import TimeSplit
from resources.registry import ModelRegistry, ModelVersion
from resources.settings import Settings

_TIMED_ROWS: Final = 300


@dataclass(frozen=True)
class Comparison:
    """A challenger and its rival on the same rows.

    Attributes:
        challenger: Its evaluation.
        champion: The champion's, where there is one.
        rival: The name of what it is compared with: the champion, or what anybody has.
        difference: Average precision of the challenger less that of the rival.
        p99_latency_ms: Of scoring one row.
    """

    challenger: Evaluation
    champion: Evaluation | None
    rival: str
    difference: Difference
    p99_latency_ms: float

    def verdict(self, settings: Settings) -> Verdict:
        """What the gate says, by the bounds of the settings."""
        return verdict_of(self.to_json(), settings)

    def to_json(self) -> dict[str, JsonValue]:
        """All that the gate looks at, for the registry and the reader."""
        challenger = GateEvidence.of(self.challenger, self.p99_latency_ms)
        champion = None if self.champion is None else GateEvidence.of(self.champion, None)
        return {
            "challenger": asdict(challenger),
            "champion": None if champion is None else asdict(champion),
            "rival": self.rival,
            "difference": asdict(self.difference),
        }


def verdict_of(evidence: Mapping[str, JsonValue], settings: Settings) -> Verdict:
    """The gate's verdict on what `Comparison.to_json` stored."""
    adapter = TypeAdapter(GateEvidence)
    champion = evidence["champion"]
    rival = Rival(
        str(evidence["rival"]),
        TypeAdapter(Difference).validate_python(evidence["difference"]),
        None if champion is None else adapter.validate_python(champion),
    )
    challenger = adapter.validate_python(evidence["challenger"])
    return decide(challenger, rival, settings.gate_bounds)


def compare(
    rows: FeedRows, challenger: ModelVersion, champion: ModelVersion | None, settings: Settings
) -> Comparison:
    """Judge a model and its rival on labelled rows after the windows and delays of both.

    Without a champion the rival is a logistic regression on published features, fitted on the
    same training window, where the catalogue has the columns for them; else a random order.
    """
    splits = [rows.split, challenger.split, *([] if champion is None else [champion.split])]
    test = rows.window("test").filter(pl.col("occurred_at") >= max(map(judged_from, splits)))
    features = features_of(test)
    probability = challenger.probability(features)
    by_champion = None if champion is None else champion.probability(features)
    reference = _reference(rows, test, settings) if by_champion is None else by_champion
    if champion is not None:
        rival = champion.name
    else:
        rival = RANDOM_ORDER if reference is None else LOGISTIC
    return Comparison(
        challenger=judge(test, probability, settings, challenger.card.thresholds),
        champion=None
        if champion is None or by_champion is None
        else judge(test, by_champion, settings, champion.card.thresholds),
        rival=rival,
        difference=average_precision_difference(
            probability,
            reference,
            test["is_fraud"].to_numpy(),
            test["payer_id"],
            Draws(settings.gate_resamples, settings.seed),
        ),
        p99_latency_ms=_p99_latency(challenger, features),
    )


def rival_of(registry: ModelRegistry, model: ModelVersion, rows: FeedRows) -> ModelVersion | None:
    """The champion that a model is measured beside; None where there is none that could be."""
    # A damaged champion cannot be measured, and must not keep its successor out.
    if registry.damage(rows.feed) is not None:
        return None
    champion = registry.champion(rows.feed)
    # Trained again to the same model, or by two runs at once: it is no rival of itself.
    if champion is None or champion.version == model.version:
        return None
    columns = features_of(rows.rows).columns
    return None if refusal(champion, columns, rows.catalogue) else champion


def judged_from(split: TimeSplit) -> datetime:
    """When the labels that a model was made of were known, and rows begin that it never saw."""
    return max(split.train.end, split.validation.end) + split.label_delay


def _reference(rows: FeedRows, test: pl.DataFrame, settings: Settings) -> Float64Array | None:
    train = rows.window("train")
    model = ReferenceModel.fit(
        train,
        train["is_fraud"].to_numpy(),
        train["weight"].cast(pl.Float32).to_numpy(),
        seed=settings.seed,
    )
    return None if model is None else model.score(test)


def _p99_latency(model: ModelVersion, features: pl.DataFrame) -> float:
    """Of one row at a time, in milliseconds."""
    first = features.head(_TIMED_ROWS)
    calls = max(first.height, 1)
    timed = call_latency(lambda number: model.score(first.slice(number % calls, 1), threads=1))
    return timed.p99_ms
