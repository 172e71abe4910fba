"""The CPU's engines give one table; tests/gpu has what concerns the GPU's."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from gpu_ops import feature_plan, timelines
from gpu_ops.engine import Engine
from gpu_ops.feature_plan import EPOCH, _at, _dealt
from gpu_ops.features import feature_table
from gpu_ops.intervals import interval_counts
from tests.busy_payments import busy_payments


@pytest.fixture(scope="module")
def busy_month() -> pl.DataFrame:
    return busy_payments(3_000)


def in_memory(rows: pl.DataFrame, is_target: pl.Expr) -> pl.DataFrame:
    return feature_table(rows.lazy(), is_target=is_target, engine=Engine()).collect()


def test_streaming_over_many_files_equals_in_memory(
    busy_month: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_plan, "ROWS_PER_CHUNK", 200)
    monkeypatch.setattr(feature_plan, "MOST_DEALT_FILES", 2)
    later = pl.col("occurred_at").dt.ordinal_day() > 20
    streamed = feature_table(
        busy_month.lazy(),
        is_target=later,
        engine=Engine("cpu-streaming"),
        partitions=5,
        scratch=tmp_path / "scratch",
    )
    files = sorted(path.name for path in (tmp_path / "scratch").iterdir())
    assert len(files) > 3
    assert all(name.startswith("features-") for name in files)
    assert streamed.collect().equals(in_memory(busy_month, later))


def test_a_stretch_of_time_reads_few_row_groups(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "payer.parquet"
    seconds = pl.int_range(1_000, eager=True)
    pl.DataFrame({"at": seconds * 1_000_000}).write_parquet(path, row_group_size=100)
    start, stop = EPOCH + timedelta(seconds=250), EPOCH + timedelta(seconds=310)
    with pl.Config(verbose=True):
        found = pl.scan_parquet([path]).filter(_at(start, stop)).collect(engine="in-memory")
    assert found["at"].to_list() == [second * 1_000_000 for second in range(250, 310)]
    assert "reading 2 / 10 row groups" in capfd.readouterr().err


def test_each_row_is_dealt_to_one_file_by_its_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_plan, "MOST_DEALT_FILES", 2)
    rows = pl.LazyFrame({"row": [0, 1, 2, 3, 4], "partition": [0, 3, 2, 0, 1]})
    dealt = _dealt(rows, tmp_path)
    found = {
        file: pl.scan_parquet(dealt[file], hive_partitioning=False).collect() for file in dealt
    }
    assert found[0].sort("row").rows() == [(0, 0), (2, 2), (3, 0)]
    assert found[1].sort("row").rows() == [(1, 3), (4, 1)]


def test_streaming_without_targets_gives_an_empty_table(
    busy_month: pl.DataFrame, tmp_path: Path
) -> None:
    none = feature_table(
        busy_month.lazy(), is_target=pl.lit(False), engine=Engine("cpu-streaming"), scratch=tmp_path
    ).collect()
    assert none.height == 0
    assert none.schema == in_memory(busy_month, pl.lit(False)).schema


def test_streaming_asks_for_its_folder(busy_month: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="give a scratch folder"):
        feature_table(
            busy_month.lazy(), is_target=pl.lit(True), engine=Engine("cpu-streaming")
        ).collect()


def test_more_entities_than_one_axis_holds(
    busy_month: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_memory(busy_month, pl.lit(True))
    month = timedelta(days=30) // timedelta(microseconds=1)
    monkeypatch.setattr(timelines, "KEY_LIMIT", 10 * month)
    assert in_memory(busy_month, pl.lit(True)).equals(whole)


def test_intervals_are_open_at_the_start_and_closed_at_the_end() -> None:
    def points(*keys: int) -> pl.LazyFrame:
        return pl.LazyFrame({"key": keys}, schema={"key": pl.Int64})

    counted = interval_counts(
        points(0, 1, 2, 3, 3, 4, 5, 9), points(1, 3, 4, 4), points(3, 5, 4, 9), "open"
    ).collect()
    assert counted["open"].to_list() == [0, 0, 1, 1, 1, 1, 2, 1]
    assert interval_counts(points(1, 2), points(), points(), "open").collect().rows() == [(0,)] * 2


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="cpu-streaming"):
        Engine("cuda")  # type: ignore[arg-type]
