"""Forest and booster on a GPU, against stand-ins: the same model, and what it is given."""

import numpy as np
import polars as pl
import pytest
import xgboost

from gpu_ops import gpu_driver
from gpu_ops.anomaly import Forest, fit_forest
from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.engine import Engine, EngineName, EngineUnavailableError
from gpu_ops.gpu_forest import fit_forest_on_gpu
from gpu_ops.gpu_graph import GpuGraphEngine, graph_engine_of
from gpu_ops.graph_engine import CpuGraphEngine
from gpu_ops.matrices import CHUNK_ROWS, FeatureMismatchError
from gpu_ops.training_rows import TrainingTable
from tests.gpu.stand_ins import StandIns

COLUMNS = ("amount", "count")


def features(rows: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "amount": pl.Series(random.lognormal(size=rows), dtype=pl.Float32),
            "count": pl.Series([None, *range(rows - 1)], dtype=pl.UInt32),
        }
    )


@pytest.fixture
def forest() -> Forest:
    return fit_forest(features(400, 1), COLUMNS, seed=3, n_trees=20)


def test_the_stored_forest_scores_on_the_gpu_as_on_the_cpu(
    libraries: StandIns, forest: Forest
) -> None:
    read = Forest.from_bytes(forest.to_bytes())
    rows = features(CHUNK_ROWS + 5, 2)
    found = read.score(rows, device="cuda", threads=4)
    assert found.dtype == np.float32
    assert found.shape == (CHUNK_ROWS + 5,)
    np.testing.assert_allclose(found, forest.score(rows), atol=1e-6)
    called = [path for path, _, _ in libraries.calls]
    # One loading, two chunks, nulls filled and in float32 before they are handed over.
    assert called.count("nvforest.load_from_sklearn") == 1
    scored = [given for path, given, _ in libraries.calls if path.endswith("predict")]
    first, second = (np.asarray(given[1]) for given in scored)
    assert (first.shape, second.shape) == ((CHUNK_ROWS, 2), (5, 2))
    assert first.dtype == np.float32
    assert first[0, 1] == forest.medians[1]


def test_a_forest_of_single_rows_is_not_divided_by_nothing(libraries: StandIns) -> None:
    single = fit_forest(features(1, 1), COLUMNS, seed=0, n_trees=3)
    assert single.score(features(2, 2), device="cuda").tolist() == [0.5, 0.5]
    assert libraries.calls == []


def test_a_forest_that_cuml_trained_is_a_forest_like_any_other(libraries: StandIns) -> None:
    rows = features(300, 4)
    trained = fit_forest_on_gpu(rows, COLUMNS, seed=5, n_trees=10, max_samples=64)
    (asked,) = [named for path, _, named in libraries.calls if path.endswith("IsolationForest")]
    assert asked == {"n_estimators": 10, "max_samples": 64, "random_state": 5}
    again = Forest.from_bytes(trained.to_bytes())
    by_sklearn = fit_forest(rows, COLUMNS, seed=5, n_trees=10, max_samples=64)
    np.testing.assert_array_equal(again.score(rows), by_sklearn.score(rows))


def test_cuml_is_not_asked_to_draw_more_rows_than_there_are(libraries: StandIns) -> None:
    fit_forest_on_gpu(features(20, 4), COLUMNS, seed=5, n_trees=3, max_samples=256)
    (asked,) = [named for path, _, named in libraries.calls if path.endswith("IsolationForest")]
    assert asked["max_samples"] == 20


def test_cuml_is_not_asked_to_train_on_nothing(libraries: StandIns) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        fit_forest_on_gpu(features(1, 1).clear(), COLUMNS, seed=0)
    assert libraries.calls == []


@pytest.fixture
def booster() -> Booster:
    rows = features(500, 6)
    table = TrainingTable.of(rows.with_columns(is_fraud=pl.col("amount") > 2))
    matrix = xgboost.QuantileDMatrix(
        table.features, label=table.labels, feature_names=list(table.columns)
    )
    model = xgboost.train({"objective": "binary:logistic", "verbosity": 0}, matrix, 5)
    return Booster(model, tuple(table.columns))


def test_the_booster_scores_a_copy_on_the_gpu(
    libraries: StandIns, booster: Booster, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[xgboost.Booster] = []
    set_on_cpu = xgboost.Booster.set_param

    def set_param(model: xgboost.Booster, given: dict[str, str] | list[tuple[str, bool]]) -> None:
        if given == {"device": "cuda"}:
            moved.append(model)
        else:
            set_on_cpu(model, given)

    monkeypatch.setattr(xgboost.Booster, "set_param", set_param)
    rows = features(50, 7)
    found = booster.predict_margin(rows, device="cuda")
    np.testing.assert_array_equal(found, booster.predict_margin(rows))
    np.testing.assert_array_equal(booster.predict(rows, device="cuda"), booster.predict(rows))
    on_gpu = booster.contributions(rows, device="cuda")
    np.testing.assert_array_equal(on_gpu.values, booster.contributions(rows).values)
    # Moved once, and never the model that others score with on the CPU.
    assert len(moved) == 1
    assert moved[0] is booster.on_gpu
    assert moved[0] is not booster.model
    assert [path for path, _, _ in libraries.calls] == ["cupy.asarray", "cupy.asnumpy"] * 2


@pytest.mark.usefixtures("libraries")
def test_strange_features_are_refused_on_the_gpu_too(booster: Booster) -> None:
    with pytest.raises(FeatureMismatchError, match="extra velocity"):
        booster.predict_margin(features(2, 1).with_columns(velocity=1.0), device="cuda")


def test_without_a_gpu_nothing_falls_back_to_the_cpu(
    forest: Forest, booster: Booster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_driver, "find_driver", lambda: None)
    rows = features(20, 1)
    table = TrainingTable.of(rows.with_columns(is_fraud=pl.col("amount") > 2))
    edge, weight = np.zeros(1, np.int32), np.ones(1)
    for attempt in (
        lambda: forest.score(rows, device="cuda"),
        lambda: fit_forest_on_gpu(rows, COLUMNS, seed=1),
        lambda: booster.predict_margin(rows, device="cuda"),
        lambda: booster.contributions(rows, device="cuda"),
        lambda: train_booster(table, table, BoosterParams(), device="cuda"),
        lambda: graph_engine_of(Engine("gpu")).pagerank(edge, edge + 1, weight, 2),
    ):
        with pytest.raises(EngineUnavailableError, match="reports no GPU here"):
            attempt()


def test_each_engine_has_its_device_and_its_graph_algorithms() -> None:
    names: tuple[EngineName, ...] = ("cpu", "cpu-streaming", "gpu")
    assert [Engine(name).device for name in names] == ["cpu", "cpu", "cuda"]
    found = [type(graph_engine_of(Engine(name))) for name in names]
    assert found == [CpuGraphEngine, CpuGraphEngine, GpuGraphEngine]
