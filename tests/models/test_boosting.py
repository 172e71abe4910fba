import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.matrices import FeatureMismatchError
from gpu_ops.metrics import average_precision
from gpu_ops.model_files import ModelFileError, seal
from gpu_ops.training_rows import TrainingTable

# Every row and feature in every split, so that what a tree sees can be told by hand.
PARAMS = BoosterParams(
    least_rounds=1,
    rounds=40,
    stop_after=5,
    rounds_without_stopping=7,
    learning_rate=0.1,
    max_depth=3,
    min_child_weight=1.0,
    subsample=1.0,
    node_share=1.0,
)


def labelled(rows: int, seed: int) -> pl.DataFrame:
    """Fraud is likely where `risk` is high; `noise` says nothing; some values are absent."""
    draws = np.random.default_rng(seed)
    risk = draws.normal(size=rows)
    return pl.DataFrame(
        {
            "transaction_id": [f"t{row}" for row in range(rows)],
            "risk": pl.Series(risk, dtype=pl.Float32),
            "noise": pl.Series(draws.normal(size=rows), dtype=pl.Float32),
            "sometimes": pl.Series(
                [None if draw < 0.3 else 1.5 for draw in draws.random(rows)], dtype=pl.Float32
            ),
            "is_fraud": draws.random(rows) < 1 / (1 + np.exp(4 - 2 * risk)),
        }
    )


TRAIN, LATER = labelled(3_000, 1), labelled(1_500, 2)
FEATURES = LATER.drop("is_fraud")


@pytest.fixture(scope="module")
def booster() -> Booster:
    return train_booster(TrainingTable.of(TRAIN), TrainingTable.of(LATER), PARAMS)


@pytest.fixture(scope="module")
def stored(booster: Booster) -> bytes:
    return booster.to_bytes()


def test_it_learns_what_the_labels_tell(booster: Booster) -> None:
    found = average_precision(booster.predict_margin(FEATURES), LATER["is_fraud"].to_numpy())
    by_chance = LATER["is_fraud"].mean()
    assert found is not None
    assert isinstance(by_chance, float)
    assert found > 3 * by_chance


def test_early_stopping_keeps_the_best_round_and_reports_it(booster: Booster) -> None:
    report = booster.report
    assert report is not None
    history = report.validation_average_precision
    assert report.rounds_tried == len(history) < PARAMS.rounds
    assert report.rounds == int(np.argmax(history)) + 1 == booster.model.num_boosted_rounds()
    assert report.rounds_tried == report.rounds + PARAMS.stop_after


def test_a_few_trees_are_kept_even_where_the_first_is_best() -> None:
    # The label is a feature: the first tree separates the validation window.
    train, later = (
        table.with_columns(pl.col("is_fraud").cast(pl.Float32).alias("giveaway"))
        for table in (TRAIN, LATER)
    )
    params = replace(PARAMS, least_rounds=6)
    found = train_booster(TrainingTable.of(train), TrainingTable.of(later), params)
    assert found.report is not None
    assert int(np.argmax(found.report.validation_average_precision)) == 0
    assert found.report.rounds == found.model.num_boosted_rounds() == 6


def test_a_validation_window_of_one_class_trains_the_stated_rounds() -> None:
    legitimate = TrainingTable.of(LATER.filter(~pl.col("is_fraud")))
    booster = train_booster(TrainingTable.of(TRAIN), legitimate, PARAMS)
    assert booster.report is not None
    assert (booster.report.rounds, booster.report.validation_average_precision) == (7, ())
    assert booster.model.num_boosted_rounds() == 7


def test_training_rows_of_one_class_are_refused() -> None:
    legitimate = TrainingTable.of(TRAIN.filter(~pl.col("is_fraud")))
    with pytest.raises(ValueError, match="only one class"):
        train_booster(legitimate, TrainingTable.of(LATER), PARAMS)


def test_the_start_score_is_a_half_and_bins_are_fine(booster: Booster) -> None:
    config = json.loads(booster.model.save_config())["learner"]
    start = json.loads(config["learner_model_param"]["base_score"])
    assert (start[0] if isinstance(start, list) else start) == 0.5
    assert BoosterParams().max_bin >= 1024


def test_equal_rows_and_seed_give_equal_bytes(stored: bytes) -> None:
    again = train_booster(TrainingTable.of(TRAIN), TrainingTable.of(LATER), PARAMS)
    assert again.to_bytes() == stored


def test_a_weight_counts_as_that_many_rows() -> None:
    one_class = TrainingTable.of(LATER.filter(~pl.col("is_fraud")))
    weighted = TRAIN.with_columns(pl.Series("weight", [3.0, 1.0, 1.0] * 1_000))
    repeated = pl.concat([TRAIN, TRAIN.gather_every(3), TRAIN.gather_every(3)])
    margins = [
        train_booster(TrainingTable.of(table), one_class, PARAMS).predict_margin(FEATURES)
        for table in (weighted, repeated)
    ]
    np.testing.assert_allclose(margins[0], margins[1], atol=1e-3)


def test_predictions_are_the_logistic_function_of_the_margin(booster: Booster) -> None:
    margin = booster.predict_margin(FEATURES).astype(np.float64)
    np.testing.assert_allclose(booster.predict(FEATURES), 1 / (1 + np.exp(-margin)), rtol=1e-12)


def test_chunks_do_not_change_margins(booster: Booster) -> None:
    rows = pl.concat([FEATURES] * 50)
    alone = booster.predict_margin(FEATURES)
    np.testing.assert_array_equal(booster.predict_margin(rows), np.tile(alone, 50))
    assert booster.predict_margin(FEATURES.clear()).shape == (0,)


def test_contributions_add_up_to_the_margin(booster: Booster) -> None:
    rows = FEATURES.head(300)
    shares = booster.contributions(rows)
    assert shares.values.shape == (300, 3)
    total = shares.values.sum(axis=1) + shares.bias
    np.testing.assert_allclose(total, booster.predict_margin(rows), atol=1e-4)
    risk, noise = (np.abs(shares.values[:, booster.columns.index(c)]) for c in ("risk", "noise"))
    assert risk.mean() > 3 * noise.mean()


def test_contributions_of_no_rows_are_empty(booster: Booster) -> None:
    shares = booster.contributions(FEATURES.clear())
    assert (shares.values.shape, shares.bias.shape) == ((0, 3), (0,))


def test_column_order_does_not_matter(booster: Booster) -> None:
    turned = FEATURES.select(reversed(FEATURES.columns))
    np.testing.assert_array_equal(booster.predict_margin(turned), booster.predict_margin(FEATURES))
    turned_table = TrainingTable.of(LATER.select(reversed(LATER.columns)))
    again = train_booster(TrainingTable.of(TRAIN), turned_table, PARAMS)
    assert again.to_bytes() == booster.to_bytes()


@pytest.mark.parametrize("use", ["predict_margin", "predict", "contributions"])
def test_other_features_are_refused_by_name(booster: Booster, use: str) -> None:
    other = FEATURES.rename({"noise": "news"})
    with pytest.raises(FeatureMismatchError, match="missing noise; extra news") as caught:
        getattr(booster, use)(other)
    assert (caught.value.missing, caught.value.extra) == (("noise",), ("news",))


def test_a_stored_booster_predicts_equally_and_knows_its_features(
    booster: Booster, stored: bytes
) -> None:
    again = Booster.from_bytes(stored)
    assert again.columns == ("risk", "noise", "sometimes")
    np.testing.assert_array_equal(again.predict_margin(FEATURES), booster.predict_margin(FEATURES))
    assert again.to_bytes() == stored


def test_xgboost_itself_reads_the_file(stored: bytes, tmp_path: Path, booster: Booster) -> None:
    import xgboost

    file = tmp_path / "booster.ubj"
    file.write_bytes(stored)
    matrix = FEATURES.select(booster.columns).to_numpy()
    found = xgboost.Booster(model_file=file).inplace_predict(matrix, predict_type="margin")
    np.testing.assert_array_equal(found, booster.predict_margin(FEATURES))


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_truncated_or_altered_booster_is_refused(stored: bytes, data: st.DataObject) -> None:
    # Without the checksum XGBoost ends the process on most of these.
    at = data.draw(st.integers(0, len(stored) - 1))
    flip = data.draw(st.integers(0, 255))
    altered = (
        stored[:at] if flip == 0 else stored[:at] + bytes([stored[at] ^ flip]) + stored[at + 1 :]
    )
    with pytest.raises(ModelFileError, match="truncated or altered"):
        Booster.from_bytes(altered)


def test_a_sealed_file_that_is_no_booster_is_refused() -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        Booster.from_bytes(seal(b"not a model"))
