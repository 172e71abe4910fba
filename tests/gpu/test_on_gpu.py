"""Parity of CPU and GPU; these need a GPU, and say so where there is none."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from gpu_ops.anomaly import Forest, fit_forest
from gpu_ops.boosting import BoosterParams, train_booster
from gpu_ops.engine import Device, Engine, gpu_available
from gpu_ops.feature_plan import needed_columns
from gpu_ops.features import CATALOGUE, feature_table
from gpu_ops.gpu_driver import require_gpu
from gpu_ops.gpu_forest import fit_forest_on_gpu
from gpu_ops.gpu_graph import GpuGraphEngine
from gpu_ops.gpu_parity import PARITY
from gpu_ops.gpu_tables import edge_table, feature_table_on_gpu
from gpu_ops.graph_engine import CpuGraphEngine
from gpu_ops.metrics import average_precision
from gpu_ops.training_rows import TrainingTable
from tests.busy_payments import busy_payments

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not gpu_available(), reason="the NVIDIA driver reports no GPU"),
]
GPU = Engine("gpu")
CPU = Engine()
COLUMNS = ("risk", "noise", "sometimes")
Graph = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], int]


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return busy_payments(3_000)


def test_the_driver_suffices() -> None:
    assert require_gpu().memory_bytes > 4_000_000_000


def assert_parity(on_gpu: pl.DataFrame, on_cpu: pl.DataFrame, operation: str = "sums") -> None:
    """What the table calls exact is equal, the rest is within the operation's tolerance."""
    exact = ("_max_", "_rank_", "_time_since_", "_age")
    equal = [
        name
        for name, dtype in on_cpu.schema.items()
        if not dtype.is_float()
        or name in ("amount", "amount_max")
        or (any(part in name for part in exact) and not name.startswith("amount_to_"))
    ]
    assert_frame_equal(on_gpu.select(equal), on_cpu.select(equal))
    limit = PARITY[operation].limit
    assert_frame_equal(on_gpu, on_cpu, rel_tol=limit, abs_tol=0.0, check_column_order=False)


def test_features_in_memory(rows: pl.DataFrame) -> None:
    on_gpu, on_cpu = (
        feature_table(rows.lazy(), is_target=pl.lit(True), engine=engine).collect()
        for engine in (GPU, CPU)
    )
    assert_parity(on_gpu, on_cpu)


def test_features_in_partitions(rows: pl.DataFrame, tmp_path: Path) -> None:
    chosen = needed_columns(rows.lazy(), pl.lit(True), CATALOGUE)
    on_gpu = feature_table_on_gpu(chosen, CATALOGUE, GPU, tmp_path, partitions=3).collect()
    on_cpu = feature_table(rows.lazy(), is_target=pl.lit(True), engine=CPU).collect()
    assert_parity(on_gpu, on_cpu)


@pytest.mark.parametrize("partitions", [1, 3])
def test_edges(rows: pl.DataFrame, partitions: int) -> None:
    scored = rows.lazy().select(
        "occurred_at",
        "amount",
        feed=pl.lit("f"),
        payer="payer_id",
        payee="payee_id",
        fraud_probability=(pl.col("amount") % 1).cast(pl.Float32),
        anomaly_score=(pl.col("amount") % 1).cast(pl.Float32),
    )
    by_pair = ["payer", "payee"]
    on_gpu = edge_table(scored, GPU, partitions).sort(by_pair)
    assert_parity(on_gpu, edge_table(scored, CPU).sort(by_pair), "edges")


def labelled(rows: int, seed: int) -> pl.DataFrame:
    """Fraud is likely where `risk` is high; `noise` says nothing; some values are absent."""
    random = np.random.default_rng(seed)
    risk = random.normal(size=rows)
    return pl.DataFrame(
        {
            "risk": pl.Series(risk, dtype=pl.Float32),
            "noise": pl.Series(random.normal(size=rows), dtype=pl.Float32),
            "sometimes": pl.Series(
                [None if draw < 0.3 else 1.5 for draw in random.random(rows)], dtype=pl.Float32
            ),
            "is_fraud": random.random(rows) < 1 / (1 + np.exp(4 - 2 * risk)),
        }
    )


TRAIN, LATER = labelled(20_000, 1), labelled(20_000, 2)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return fit_forest(TRAIN, COLUMNS, seed=1)


def test_anomaly_scores(forest: Forest) -> None:
    distance = np.abs(forest.score(LATER, device="cuda") - forest.score(LATER))
    assert distance.max() <= PARITY["anomaly"].limit


def test_a_forest_trained_by_cuml(forest: Forest) -> None:
    from scipy.stats import spearmanr

    trained = Forest.from_bytes(fit_forest_on_gpu(TRAIN, COLUMNS, seed=1).to_bytes())
    agreement = spearmanr(trained.score(LATER), forest.score(LATER)).statistic
    assert agreement >= PARITY["forest"].limit


@pytest.mark.parametrize("trained_on", ["cpu", "cuda"])
def test_booster_scores(trained_on: Device) -> None:
    booster = train_booster(
        TrainingTable.of(TRAIN), TrainingTable.of(LATER), BoosterParams(), device=trained_on
    )
    features = LATER.drop("is_fraud")
    on_cpu = booster.predict_margin(features)
    on_gpu = booster.predict_margin(features, device="cuda")
    distance = np.abs(on_gpu - on_cpu) / np.maximum(1, np.abs(on_cpu))
    assert distance.max() <= PARITY["margin"].limit
    few = features.head(500)
    shap = (booster.contributions(few, device=device).values for device in ("cuda", "cpu"))
    assert np.abs(next(shap) - next(shap)).max() <= PARITY["contributions"].limit


def test_booster_training() -> None:
    precisions = []
    for device in ("cpu", "cuda"):
        booster = train_booster(
            TrainingTable.of(TRAIN), TrainingTable.of(LATER), BoosterParams(), device=device
        )
        margin = booster.predict_margin(LATER.drop("is_fraud"))
        found = average_precision(margin, LATER["is_fraud"].to_numpy())
        assert found is not None
        precisions.append(found)
    assert abs(precisions[0] - precisions[1]) <= PARITY["booster"].limit


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Forty communities of 50 nodes, 8 of 10 edges inside, and some nodes without any."""
    random = np.random.default_rng(11)
    source = random.integers(0, 2_000, 20_000)
    inside = source // 50 * 50 + random.integers(0, 50, 20_000)
    target = np.where(random.random(20_000) < 0.8, inside, random.integers(0, 2_000, 20_000))
    keys = np.unique((source * 2_000 + target)[source != target])
    weight = random.lognormal(0, 1, keys.size)
    return (keys // 2_000).astype(np.int32), (keys % 2_000).astype(np.int32), weight, 2_010


def test_components(graph: Graph) -> None:
    source, target, _, n_nodes = graph
    sparse = (source[:900], target[:900], n_nodes)
    on_gpu = GpuGraphEngine().components(*sparse)
    assert np.array_equal(on_gpu, CpuGraphEngine().components(*sparse))


def test_pagerank(graph: Graph) -> None:
    distance = np.abs(GpuGraphEngine().pagerank(*graph) - CpuGraphEngine().pagerank(*graph))
    assert distance.sum() <= PARITY["pagerank"].limit


def modularity(graph: Graph, label: NDArray[np.int32]) -> float:
    """Newman's modularity of the undirected weighted graph."""
    source, target, weight, n_nodes = graph
    total = weight.sum()
    strength = np.bincount(source, weight, n_nodes) + np.bincount(target, weight, n_nodes)
    inside = weight[label[source] == label[target]].sum() / total
    of_group = np.bincount(label, strength) / (2 * total)
    return float(inside - (of_group**2).sum())


def test_communities(graph: Graph) -> None:
    from sklearn.metrics import adjusted_mutual_info_score

    on_gpu = GpuGraphEngine().communities(*graph, 1.0, 3)
    on_cpu = CpuGraphEngine().communities(*graph, 1.0, 3)
    worth = modularity(graph, on_cpu)
    assert worth > 0.5
    distance = abs(modularity(graph, on_gpu) - worth) / worth
    assert distance <= PARITY["modularity"].limit
    agreement = adjusted_mutual_info_score(on_cpu, on_gpu)
    assert agreement >= PARITY["mutual_information"].limit
