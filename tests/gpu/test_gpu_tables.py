"""The large tables in parts: the same rows, also after the GPU's memory did not suffice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gpu_ops.canonical import CANONICAL_SCHEMA
from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue, WindowFeature
from gpu_ops.feature_plan import needed_columns, table_in_memory
from gpu_ops.gpu_memory import GpuMemoryError
from gpu_ops.gpu_tables import edge_table, feature_table_on_gpu

GPU = Engine("gpu")
DAY = timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
CATALOGUE = Catalogue(
    (WindowFeature("payer", "count", DAY), WindowFeature("payee", "distinct_counterparties", DAY))
)
# Minute, payer, payee, amount.
PAYMENTS = (
    (0, "ann", "shop", 5.0),
    (1, "bob", "shop", 7.0),
    (2, "ann", "shop", 1.0),
    (3, "ann", "ann", 9.0),
    (4, "cid", "bob", 2.0),
)


def canonical() -> pl.LazyFrame:
    rows = [
        {
            "transaction_id": f"t{number}",
            "occurred_at": START + timedelta(minutes=minute),
            "payer_id": payer,
            "payee_id": payee,
            "amount": amount,
        }
        for number, (minute, payer, payee, amount) in enumerate(PAYMENTS)
    ]
    return pl.LazyFrame(rows, schema=CANONICAL_SCHEMA)


def chosen() -> pl.LazyFrame:
    return needed_columns(canonical(), pl.lit(value=True), CATALOGUE)


def scored() -> pl.LazyFrame:
    return canonical().select(
        "occurred_at",
        "amount",
        feed=pl.lit("f"),
        payer="payer_id",
        payee="payee_id",
        fraud_probability=pl.lit(None, pl.Float32),
        anomaly_score=pl.lit(0.5, pl.Float32),
    )


class SmallGpu:
    """Collects on the CPU and has room for so many rows in any plan's result."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.refused = 0

    def collect(self, plan: pl.LazyFrame) -> pl.DataFrame:
        table = plan.collect()
        if table.height > self.room:
            self.refused += 1
            raise MemoryError("std::bad_alloc: out_of_memory: RMM failure")
        return table


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> SmallGpu:
    gpu = SmallGpu(5)
    monkeypatch.setattr(Engine, "collect", lambda _, plan: gpu.collect(plan))
    return gpu


def expected() -> pl.DataFrame:
    return pl.DataFrame(
        {"payer_count_1d": [0, 0, 1, 2, 0], "payee_distinct_payers_1d": [0, 1, 2, 0, 0]},
        schema={"payer_count_1d": pl.UInt32, "payee_distinct_payers_1d": pl.UInt32},
    )


def test_with_room_for_all_the_features_stay_in_memory(small_gpu: SmallGpu, tmp_path: Path) -> None:
    found = feature_table_on_gpu(chosen(), CATALOGUE, GPU, tmp_path).collect()
    assert_frame_equal(found.drop("occurred_at", "transaction_id"), expected())
    assert small_gpu.refused == 0
    assert list(tmp_path.iterdir()) == []


def test_without_room_the_features_are_computed_in_parts(
    small_gpu: SmallGpu, tmp_path: Path
) -> None:
    small_gpu.room = 4
    found = feature_table_on_gpu(chosen(), CATALOGUE, GPU, tmp_path).collect()
    assert_frame_equal(found.drop("occurred_at", "transaction_id"), expected())
    assert small_gpu.refused == 1
    assert [path.name for path in tmp_path.iterdir()] == ["partitions-4"]


def test_what_a_failed_attempt_wrote_is_removed(small_gpu: SmallGpu, tmp_path: Path) -> None:
    small_gpu.room = 0
    with pytest.raises(GpuMemoryError, match="even in 256 parts"):
        feature_table_on_gpu(chosen(), CATALOGUE, GPU, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_there_is_one_attempt(small_gpu: SmallGpu) -> None:
    small_gpu.room = 4
    with pytest.raises(GpuMemoryError, match="even in 1 parts"):
        feature_table_on_gpu(chosen(), CATALOGUE, GPU, None)
    with pytest.raises(ValueError, match="give a scratch folder"):
        feature_table_on_gpu(chosen(), CATALOGUE, GPU, None, partitions=2)


EDGES = [("ann", "shop", 2, 6.0), ("bob", "shop", 1, 7.0), ("cid", "bob", 1, 2.0)]


@pytest.mark.parametrize("room", [5, 2])
def test_edges_are_the_same_in_one_part_and_in_many(small_gpu: SmallGpu, room: int) -> None:
    small_gpu.room = room
    found = edge_table(scored(), GPU).select("payer", "payee", "n_transactions", "amount_sum")
    assert sorted(found.rows()) == EDGES
    assert small_gpu.refused == (room < 3)


@pytest.mark.parametrize("name", ["cpu", "cpu-streaming"])
def test_edges_on_the_cpu(name: str) -> None:
    engine = Engine(name)  # type: ignore[arg-type] # the two names are engines
    found = edge_table(scored(), engine).select("payer", "payee", "n_transactions", "amount_sum")
    assert sorted(found.rows()) == EDGES


def test_the_gpu_is_handed_no_files(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    canonical().collect().write_parquet(path)
    scan = pl.scan_parquet(path)
    assert "SCAN" in Engine().read(scan).explain()
    read = GPU.read(scan)
    assert "SCAN" not in read.explain()
    assert read.collect().equals(scan.collect())


def test_files_are_written_without_a_gpu(tmp_path: Path) -> None:
    GPU.write(chosen(), tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").height == 5
    assert table_in_memory(chosen(), CATALOGUE, Engine()).collect().height == 5
