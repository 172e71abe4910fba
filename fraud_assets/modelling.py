"""One feed's model from its labelled rows: fit, calibrate, evaluate, describe."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from fraud_assets.training import IDENTITY, ROLES
from fraud_assets.tuned_settings import ChosenSettings
from gpu_ops.boosting import Booster, train_booster
from gpu_ops.calibration import fit_calibration
from gpu_ops.cost_metrics import savings_at_levels
from gpu_ops.gate import GateBounds
from gpu_ops.matrices import Float64Array
from gpu_ops.metrics import Evaluation, evaluate
from gpu_ops.model_scores import catalogue_columns, with_forest_score
from gpu_ops.paired_bootstrap import Draws, spread
from gpu_ops.splits import TimeSplit
from gpu_ops.thresholds import Thresholds, choose_thresholds
from gpu_ops.training_rows import LABEL, WEIGHT, TrainingTable
from resources.registry import Card, ModelParts, RowCount
from resources.settings import Settings

if TYPE_CHECKING:
    from gpu_ops.anomaly import Forest

MAX_TRAINING_ROWS: Final = 300_000
"""Every fraud and a weighted sample of the rest: more rows cost time and gain little."""

INTENDED_USE: Final = (
    "Ranks transactions of this feed for review by people, within a daily capacity. Not made to "
    "decide about a person without one, nor for another feed."
)
LIMITS: Final = (
    "Labels are those of the feed; frauds that nobody reported count as legitimate.",
    "Measured on the windows above and no later; drift is not part of these figures.",
    "Levels were chosen on the window that also stopped training and calibrated: slightly kind.",
    "A blocked payment has no outcome; only those released by lot tell how many blocks are right.",
)
DATA: Final = (
    "Labelled transactions of this feed in the windows above: every known fraud and a weighted "
    "sample of the rest for training, all rows with a known label for validation and test."
)
LEAKAGE: Final = (
    "Features use only what was known strictly before the transaction. The windows follow each "
    "other in time, apart by the age at which labels are known. Training and validation use labels "
    "known when the test begins; payers known to be compromised left the test. No setting was "
    "chosen on the test."
)
SPLIT: Final = TypeAdapter(TimeSplit)
_BOUNDS: Final = TypeAdapter(GateBounds)


@dataclass(frozen=True)
class FeedRows:
    """A feed's labelled rows, the windows that they lie in, and their catalogue's digest."""

    feed: str
    split: TimeSplit
    rows: pl.DataFrame
    catalogue: str = ""

    def window(self, name: str) -> pl.DataFrame:
        """The rows of one window: train, validation or test."""
        return self.rows.filter(pl.col("window") == name)


def features_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The feature columns alone."""
    return rows.drop(*IDENTITY, *ROLES)


Kept: TypeAlias = Callable[[str, Callable[[], bytes]], bytes]
"""Gives the result of a step by its name: as it was kept, or as it makes it now."""


def made_now(_: str, make: Callable[[], bytes]) -> bytes:
    """Makes every step's result; nothing is kept."""
    return make()


def fit(
    rows: FeedRows,
    settings: Settings,
    device: str,
    kept: Kept = made_now,
    chosen: ChosenSettings | None = None,
) -> ModelParts:
    """Fit forest, booster and calibration on the training and validation windows.

    The forest is fitted on training rows alone, and the booster reads its score of every row.

    The test window takes no part but in the evaluation that the card shows.

    Args:
        rows: The labelled rows.
        settings: Seed, threads, trainer of the forest, and what figures are computed at.
        device: `gpu` grows the trees there; all else, on the CPU.
        kept: Keeps the results of the two long steps, for whoever may be interrupted.
        chosen: What to train the booster with; by default the project's settings.
    """
    from gpu_ops.anomaly import Forest

    train, validation, test = (rows.window(name) for name in ("train", "validation", "test"))
    chosen = chosen or ChosenSettings()
    params = chosen.params(settings.seed)
    threads = settings.threads or os.cpu_count() or 1

    def fitted() -> bytes:
        return fitted_forest(features_of(train), settings).to_bytes()

    forest = Forest.from_bytes(kept("forest", fitted))

    def with_score(part: pl.DataFrame) -> pl.DataFrame:
        features = features_of(part)
        return with_forest_score(features, forest.score(features, threads=threads))

    def table(part: pl.DataFrame) -> TrainingTable:
        return TrainingTable.of(with_score(part).with_columns(part[LABEL], part[WEIGHT]))

    def grown() -> bytes:
        return train_booster(
            table(train),
            table(validation),
            params,
            device="cuda" if device == "gpu" else "cpu",
            threads=threads,
        ).to_bytes()

    booster = Booster.from_bytes(kept("booster", grown))
    margin = booster.predict_margin(with_score(validation))
    calibration = fit_calibration(margin, validation["is_fraud"].to_numpy())
    probability = calibration.probability(booster.predict_margin(with_score(test)))
    thresholds = _thresholds(validation, calibration.probability(margin), settings)
    judged = judge(test, probability, settings, thresholds)
    card = Card(
        feed=rows.feed,
        intended_use=INTENDED_USE,
        split=rows.split,
        windows={
            name: RowCount(rows=part.height, frauds=int(part["is_fraud"].sum()))
            for name, part in (("train", train), ("validation", validation), ("test", test))
        },
        features=catalogue_columns(booster.columns),
        parameters={
            **asdict(params),
            "trees": booster.model.num_boosted_rounds(),
            **chosen.in_card(),
        },
        metrics=judged.figures,
        limits=LIMITS,
        code_version=version("fraud-assets"),
        catalogue=rows.catalogue,
        data=DATA,
        spread=spread(
            probability,
            test["is_fraud"].to_numpy(),
            test["payer_id"],
            Draws(settings.gate_resamples, settings.seed),
        ),
        leakage=LEAKAGE,
        bounds=_BOUNDS.dump_python(settings.gate_bounds, mode="json"),
        thresholds=thresholds,
    )
    return ModelParts(booster, forest, calibration, card, judged.to_dict())


def importance(feed: str, booster: Booster) -> pl.DataFrame:
    """What a booster rests on, the strongest feature first.

    Returns:
        feed, feature, gain (mean fall of the loss a split, Float64), gain_share (of the gain of
        all splits, 0..1) and splits (Int64), one row a feature, also those that no tree uses.
    """
    gain, splits = (_scores_of(booster, kind) for kind in ("gain", "weight"))
    table = pl.DataFrame({"feature": booster.columns}).with_columns(
        feed=pl.lit(feed),
        gain=pl.Series([gain.get(name, 0.0) for name in booster.columns], dtype=pl.Float64),
        splits=pl.Series([int(splits.get(name, 0)) for name in booster.columns], dtype=pl.Int64),
    )
    total = pl.col("gain") * pl.col("splits")
    return (
        # Trees without a split gain nothing, so there is nothing to share.
        table.with_columns(gain_share=(total / total.sum()).fill_nan(0.0))
        .select("feed", "feature", "gain", "gain_share", "splits")
        .sort(["gain_share", "feature"], descending=[True, False])
    )


def _scores_of(booster: Booster, kind: str) -> dict[str, float]:
    """One figure a feature that some tree uses."""
    found = booster.model.get_score(importance_type=kind)
    return {name: float(np.mean(value)) for name, value in found.items()}


def fitted_forest(features: pl.DataFrame, settings: Settings) -> "Forest":
    """A forest of the first training rows, by the trainer that the settings name."""
    if settings.forest_trainer == "cuml":
        from gpu_ops.gpu_forest import fit_forest_on_gpu as train_forest
    else:
        from gpu_ops.anomaly import fit_forest as train_forest
    sample = features.head(settings.forest_rows)
    return train_forest(sample, features.columns, seed=settings.seed)


def judge(
    rows: pl.DataFrame,
    probability: Float64Array,
    settings: Settings,
    thresholds: Thresholds | None = None,
) -> Evaluation:
    """All figures of probabilities on labelled rows, at the levels of the model if it has some."""
    labels, amounts = rows["is_fraud"].to_numpy(), rows["transaction_amount"].to_numpy()
    judged = evaluate(
        probability,
        labels,
        amounts,
        rows["payer_id"],
        rows["occurred_at"],
        capacity=settings.daily_capacity,
        review_cost=settings.review_cost,
    )
    if thresholds is None:
        return judged
    saved = savings_at_levels(
        probability,
        labels,
        amounts,
        thresholds.of(settings.decide_by),
        settings.cost_matrix,
    )
    return replace(judged, figures={**judged.figures, "savings_at_levels": saved})


def _thresholds(
    validation: pl.DataFrame, probability: Float64Array, settings: Settings
) -> Thresholds:
    """The levels of a model; no tree was grown on these rows, and none is of the test."""
    return choose_thresholds(
        probability,
        validation["is_fraud"].to_numpy(),
        validation["transaction_amount"].to_numpy(),
        validation["occurred_at"],
        costs=settings.cost_matrix,
        capacity=settings.daily_capacity,
    )
