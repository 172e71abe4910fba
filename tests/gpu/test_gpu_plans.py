"""Every plan that the project hands to the GPU engine translates for it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue, PastFeature, RowFeature
from gpu_ops.feature_plan import needed_columns
from gpu_ops.features import CATALOGUE, feature_table
from gpu_ops.gpu_tables import edge_table, feature_table_on_gpu
from gpu_ops.rules import RULES, rule_hits
from gpu_ops.splits import in_sample as rows_in_sample
from gpu_ops.splits import not_known_compromised, time_split
from tests.busy_payments import busy_payments
from tests.gpu.translation import collected, needs_translator, translating

pytestmark = needs_translator
GPU = Engine("gpu")
Report = Callable[[str, str], None]


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return busy_payments(1_500)


@pytest.fixture(scope="module")
def stored(rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pl.LazyFrame:
    """The rows as two files, as an asset scans them."""
    folder = tmp_path_factory.mktemp("raw")
    paths = [folder / "first.parquet", folder / "second.parquet"]
    rows[:700].write_parquet(paths[0])
    rows[700:].write_parquet(paths[1])
    return pl.concat(
        pl.scan_parquet([path], glob=False, hive_partitioning=False).with_columns(
            is_target=pl.lit(path is paths[1])
        )
        for path in paths
    )


def catalogue_of(feature: PastFeature | RowFeature) -> Catalogue:
    """A feature alone, with the past features that it reads."""
    if not isinstance(feature, RowFeature):
        return Catalogue((feature,))
    return Catalogue(
        tuple(one for one in CATALOGUE.windows if one.name in feature.roots), (feature,)
    )


def test_every_feature_alone(rows: pl.DataFrame, reported: Report) -> None:
    plans = 0
    refused: dict[str, list[str]] = {}
    # Features of rings have no plan of their own: what is known of rings comes as a small table.
    features: list[PastFeature | RowFeature] = [*CATALOGUE.windows, *CATALOGUE.rows]
    few = rows.head(200)
    for feature in features:
        with translating() as translated:
            feature_table(
                few.lazy(), is_target=pl.lit(True), engine=GPU, catalogue=catalogue_of(feature)
            ).collect()
        assert translated, feature.name
        plans += len(translated)
        if any(translated):
            refused[feature.name] = [refusal for plan in translated for refusal in plan]
    assert refused == {}
    reported("features alone", f"{len(features)} of {len(features)} features, {plans} plans")


def test_the_whole_catalogue_in_memory(stored: pl.LazyFrame, reported: Report) -> None:
    with translating() as plans:
        table = feature_table(stored, is_target=pl.col("is_target"), engine=GPU).collect()
    assert table.height == 800
    assert len(plans) > 10
    assert not any(plans), plans
    reported("whole catalogue in memory", f"{len(plans)} plans")


def test_the_whole_catalogue_in_partitions(
    stored: pl.LazyFrame, tmp_path: Path, reported: Report
) -> None:
    chosen = needed_columns(stored, pl.col("is_target"), CATALOGUE)
    with translating() as plans:
        found = feature_table_on_gpu(chosen, CATALOGUE, GPU, tmp_path, partitions=3).collect()
    whole = feature_table(stored, is_target=pl.col("is_target"), engine=Engine()).collect()
    # What is known of rings is joined afterwards, as a small table.
    whole = whole.drop(one.name for one in CATALOGUE.rings)
    assert_frame_equal(found, whole, check_column_order=False)
    assert len(plans) > 30
    assert not any(plans), plans
    reported("whole catalogue in 3 partitions", f"{len(plans)} plans")


def scored(rows: pl.DataFrame) -> pl.LazyFrame:
    return rows.lazy().select(
        "occurred_at",
        "amount",
        feed=pl.lit("f"),
        payer="payer_id",
        payee="payee_id",
        fraud_probability=pl.lit(0.5, pl.Float32),
        anomaly_score=pl.lit(0.4, pl.Float32),
    )


@pytest.mark.parametrize("partitions", [1, 3])
def test_edges(rows: pl.DataFrame, reported: Report, partitions: int) -> None:
    with translating() as plans:
        edges = edge_table(scored(rows), GPU, partitions)
    assert (
        edges["n_transactions"].sum()
        == rows.filter(pl.col("payer_id") != pl.col("payee_id")).height
    )
    assert len(plans) == partitions
    assert not any(plans), plans
    reported(f"edges in {partitions} partitions", f"{len(plans)} plans")


EXPRESSIONS = {
    "rules, each": [rule.condition.alias(rule.code) for rule in RULES],
    "rule_hits": [rule_hits([name for rule in RULES for name in rule.columns])],
    "in_sample": [
        rows_in_sample(
            time_split(
                datetime(2026, 1, 1, tzinfo=UTC),
                datetime(2026, 3, 1, tzinfo=UTC),
                datetime(2026, 1, 8, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC),
            )
        ).alias("in_sample")
    ],
    "not_known_compromised": [not_known_compromised().alias("usable")],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_the_assets(rows: pl.DataFrame, reported: Report, name: str) -> None:
    needed = {column for rule in RULES for column in rule.columns} - set(rows.columns)
    table = rows.with_columns(pl.lit(1.0).alias(column) for column in needed)
    expressions = EXPRESSIONS[name]
    refused = [refusal for one in expressions for refusal in collected(table.lazy().select(one))[1]]
    assert refused == []
    reported(name, f"{len(expressions)} expressions")


FORBIDDEN: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "join_asof": lambda t: t.sort("k").join_asof(t.sort("k"), on="k"),
    "group_by_dynamic": lambda t: t.sort("at").group_by_dynamic("at", every="1d").agg(pl.len()),
    "rolling_sum_by": lambda t: t.select(pl.col("v").rolling_sum_by("at", "1d")),
    "categorical": lambda t: t.select(pl.col("s").cast(pl.Categorical)),
    "filter in an aggregation": lambda t: t.group_by("k").agg(
        pl.col("v").filter(pl.col("v") > 1).sum()
    ),
    "cut": lambda t: t.select(pl.col("v").cut([1.0])),
    "a Python function": lambda t: t.select(
        pl.col("v").map_elements(lambda v: v + 1, return_dtype=pl.Float64)
    ),
}


@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
@pytest.mark.parametrize("operation", FORBIDDEN)
def test_what_is_forbidden_is_refused(operation: str, reported: Report) -> None:
    """Else an empty list of refusals would prove nothing."""
    table = pl.LazyFrame(
        {
            "k": [1, 2],
            "v": [0.5, 1.5],
            "s": ["a", "b"],
            "at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
        }
    )
    with translating() as plans:
        GPU.collect(FORBIDDEN[operation](table))
    assert plans[0], f"{operation} translates now: it may leave the list of docs/gpu.md"
    reported("forbidden operations refused", f"{len(FORBIDDEN)} of {len(FORBIDDEN)}")
