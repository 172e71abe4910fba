"""Exact contributions: they add up to the margin, and the probability rises with it."""

import numpy as np
import polars as pl
import pytest

from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.calibration import Calibration
from gpu_ops.contributions import BIAS, contribution_lists, grouped
from gpu_ops.reasons import model_reason_of, model_reasons
from gpu_ops.training_rows import TrainingTable

COLUMNS = ("amount", "payer_count_1d", "payer_count_7d", "payee_amount_mean_7d", "is_night")


@pytest.fixture(scope="module")
def features() -> pl.DataFrame:
    """One value in four is absent, and one row has none at all."""
    draws = np.random.default_rng(5)
    values = draws.normal(size=(600, len(COLUMNS))).astype(np.float32)
    values[draws.random(values.shape) < 0.25] = np.nan
    values[0] = np.nan
    return pl.DataFrame(values, schema=list(COLUMNS)).fill_nan(None)


@pytest.fixture(scope="module")
def booster(features: pl.DataFrame) -> Booster:
    risk = features["amount"].fill_null(0.0) - features["payer_count_1d"].fill_null(0.7)
    table = TrainingTable.of(features.with_columns(is_fraud=risk > 1.0))
    params = BoosterParams(rounds=30, least_rounds=30, max_depth=4)
    return train_booster(table, table, params)


def test_bias_and_groups_add_up_to_the_margin(booster: Booster, features: pl.DataFrame) -> None:
    margin = booster.predict_margin(features)
    parts = booster.contributions(features)
    groups = grouped(parts.values, booster.columns, model_reason_of)
    assert groups.codes == (
        "MODEL_AMOUNT",
        "MODEL_PAYEE_AMOUNTS",
        "MODEL_PAYER_ACTIVITY",
        "MODEL_TIME",
    )
    lists = contribution_lists(groups, parts.bias)
    for row, told in enumerate(lists.to_list()):
        assert sum(one["weight"] for one in told) == pytest.approx(float(margin[row]), abs=1e-4)
        assert {one["code"] for one in told} == {*groups.codes, BIAS}
        assert told[-1]["code"] == BIAS
        weights = [one["weight"] for one in told[:-1]]
        assert weights == sorted(weights, reverse=True)
    assert np.ptp(margin) > 2.0
    for told, codes in zip(
        lists, model_reasons(parts.values, booster.columns, most=9), strict=True
    ):
        assert codes == [one["code"] for one in told.to_list()[:-1] if one["weight"] > 0.0]


def test_a_feature_that_is_constant_or_absent_adds_nothing(features: pl.DataFrame) -> None:
    risk = features["amount"].fill_null(0.0)
    idle = features.with_columns(
        payer_count_1d=pl.lit(3.0, pl.Float32), is_night=pl.lit(None, pl.Float32)
    )
    table = TrainingTable.of(idle.with_columns(is_fraud=risk > 1.0))
    booster = train_booster(table, table, BoosterParams(rounds=10, least_rounds=10))
    # Even where the feature varies later: no tree has a split on it.
    values = booster.contributions(features).values
    for name in ("payer_count_1d", "is_night"):
        assert (values[:, booster.columns.index(name)] == 0.0).all(), name
    assert np.ptp(values[:, booster.columns.index("amount")]) > 0.5
    assert np.isfinite(values).all()


def test_no_rows_have_no_contributions(booster: Booster, features: pl.DataFrame) -> None:
    parts = booster.contributions(features.head(0))
    groups = grouped(parts.values, booster.columns, model_reason_of)
    assert contribution_lists(groups, parts.bias).len() == 0


@pytest.mark.parametrize("start", [-60.0, -17.3, -2.0, -0.011, 0.37, 1.0, 4.2, 11.0])
def test_the_probability_rises_from_each_margin_to_the_next(start: float) -> None:
    calibration = Calibration(method="platt", slope=1.31, intercept=-0.8, reason="a test")
    margins = [np.float32(start)]
    for _ in range(200):
        margins.append(np.nextafter(margins[-1], np.float32(np.inf)))
    found = calibration.probability(np.array(margins, np.float32))
    assert (np.diff(found) > 0.0).all()
    # Stored as Float32 they may tie, and never turn round.
    assert (np.diff(found.astype(np.float32)) >= 0.0).all()


def test_no_margin_however_large_turns_the_order_round() -> None:
    calibration = Calibration(method="platt", slope=1.31, intercept=-0.8, reason="a test")
    margins = np.linspace(-200.0, 200.0, 40_001).astype(np.float32)
    found = calibration.probability(margins)
    assert (np.diff(found) >= 0.0).all()
    # Float64 tells them apart up to about here.
    assert (np.diff(found[margins < 20.0]) > 0.0).all()
