"""The booster reads the forest's score, and models of before it are scored as they were."""

import numpy as np
import polars as pl
import pytest

from gpu_ops.anomaly import Forest, fit_forest
from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.calibration import Calibration
from gpu_ops.matrices import FeatureMismatchError
from gpu_ops.model_scores import catalogue_columns, model_scores, with_forest_score
from gpu_ops.training_rows import TrainingTable

CALIBRATION = Calibration(method="platt", slope=2.0, intercept=-1.0, reason="by hand")
draws = np.random.default_rng(3)
FEATURES = pl.DataFrame(
    {name: pl.Series(draws.normal(size=400), dtype=pl.Float32) for name in ("amount", "count")}
)
# Odd rows are fraud, in whatever direction they are odd: only the forest puts that in one number.
FRAUD = pl.Series("is_fraud", (FEATURES["amount"] ** 2 + FEATURES["count"] ** 2) > 4)
ONE_SPLIT = BoosterParams(
    rounds_without_stopping=1, max_depth=1, subsample=1.0, node_share=1.0, min_child_weight=0.0
)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return fit_forest(FEATURES, FEATURES.columns, seed=0)


def grown(features: pl.DataFrame) -> Booster:
    table = TrainingTable.of(features.with_columns(FRAUD))
    return train_booster(table, TrainingTable.of(features.with_columns(FRAUD).head(0)), ONE_SPLIT)


def test_one_split_on_the_forests_score_tells_the_odd_rows_apart(forest: Forest) -> None:
    booster = grown(with_forest_score(FEATURES, forest.score(FEATURES)))
    assert booster.columns == ("amount", "count", "anomaly_score")
    assert catalogue_columns(booster.columns) == ("amount", "count")
    found = model_scores(booster, forest, CALIBRATION, FEATURES)
    low, high = np.unique(found.margin)
    assert found.anomaly[found.margin == high].min() > found.anomaly[found.margin == low].max()
    assert FRAUD.filter(pl.Series(found.margin == high)).mean() > 0.8  # type: ignore[operator]
    expected = 1 / (1 + np.exp(-(2.0 * found.margin.astype(np.float64) - 1.0)))
    np.testing.assert_allclose(found.probability, expected, rtol=1e-12)


def test_a_booster_of_before_the_forests_score_is_not_given_it(forest: Forest) -> None:
    booster = grown(FEATURES)
    found = model_scores(booster, forest, CALIBRATION, FEATURES)
    np.testing.assert_array_equal(found.margin, booster.predict_margin(FEATURES))


def test_other_features_are_refused_by_name(forest: Forest) -> None:
    booster = grown(with_forest_score(FEATURES, forest.score(FEATURES)))
    with pytest.raises(FeatureMismatchError, match="missing count; extra age"):
        model_scores(booster, forest, CALIBRATION, FEATURES.rename({"count": "age"}))
