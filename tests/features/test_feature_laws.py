"""The law of the catalogue, held against a slow and obvious re-implementation."""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.engine import Engine
from gpu_ops.feature_model import PastFeature
from gpu_ops.features import CATALOGUE, Catalogue, WindowFeature, feature_table, history_needed
from gpu_ops.flow_features import FLOW_FEATURES, FlowFeature
from gpu_ops.label_features import LABEL_FEATURES, LabelFeature
from tests.features.slow_structures import slow_flow, slow_label
from tests.features.slow_windows import slow_history, slow_window

Row = dict[str, Any]
Build = Callable[[Sequence[Row]], pl.DataFrame]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK, MONTH = timedelta(days=7), timedelta(days=30)
TICK = timedelta(microseconds=1)

EXTRA = (
    WindowFeature("payer", "known_frauds", WEEK),
    WindowFeature("pair", "label_risk", MONTH, delay=DAY),
    WindowFeature("payer", "distinct_counterparties", WEEK, delay=DAY),
    WindowFeature("payee", "mean", WEEK, "payee_balance_before", delay=HOUR),
    WindowFeature("payee", "std", WEEK, "payee_balance_before"),
    WindowFeature("payer", "std", None, delay=WEEK),
    WindowFeature("payer", "min", WEEK),
    WindowFeature("pair", "rank", MONTH, delay=DAY),
    WindowFeature("payee", "rank", None, "payee_balance_before"),
    WindowFeature("pair", "night_share", None),
    WindowFeature("payer", "sum", None, delay=DAY),
    WindowFeature("pair", "account_age", None),
    WindowFeature("payer", "account_age", WEEK),
    WindowFeature("payee", "time_since_last", DAY),
)
TESTED = CATALOGUE.plus(*EXTRA).with_lookback(2 * MONTH)
SMALL = Catalogue(
    (
        WindowFeature("payer", "sum", DAY),
        WindowFeature("payer", "distinct_counterparties", WEEK),
        WindowFeature("payee", "max", WEEK),
        WindowFeature("payee", "distinct_counterparties", DAY, delay=DAY),
        WindowFeature("payee", "known_frauds", WEEK),
        WindowFeature("payee", "label_risk", WEEK, delay=WEEK),
        WindowFeature("pair", "mean", WEEK),
        WindowFeature("pair", "std", None),
        WindowFeature("payer", "rank", WEEK),
        WindowFeature("payer", "account_age", None),
        WindowFeature("payee", "time_since_last", None),
        *(one for one in LABEL_FEATURES if isinstance(one, LabelFeature)),
        *FLOW_FEATURES,
    ),
    lookback=MONTH,
)
LIMITS = settings(deadline=None, max_examples=15)

# Sums of these lie on, just before and just after the edges of windows and delays.
steps = st.sampled_from(
    [*(timedelta(0),) * 3, TICK, HOUR, 13 * HOUR, DAY - TICK, DAY, DAY + HOUR, WEEK, MONTH]
)
lags = st.sampled_from([-DAY, timedelta(0), TICK, HOUR, DAY, WEEK, WEEK + TICK, WEEK + DAY, MONTH])
# Few parties, so that most histories repeat a pair: with more, hardly any law saw one come back.
payments = st.fixed_dictionaries(
    {
        "payer_id": st.sampled_from(["a", "a", "a", "b", None]),
        "payee_id": st.sampled_from(["x", "x", "a", "y", None]),
        "amount": st.sampled_from([0.01, 33.33, 100.0, 1e12, 123456.789]),
        "payee_balance_before": st.sampled_from([None, -5.5, 0.0, 70.25]),
        "is_fraud": st.sampled_from([None, False, True, True]),
        "step": steps,
        "lag": st.one_of(st.none(), lags),
    }
)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Payments in time order: ties, gaps, edges, missing parties, labels early, late or never."""
    rows: list[Row] = []
    now = timedelta(0)
    drawn: list[Row] = draw(st.lists(payments, min_size=4, max_size=14))
    for payment in drawn:
        step, lag = payment.pop("step"), payment.pop("lag")
        now += step
        rows.append({**payment, "after": now, "known": None if lag is None else now + lag})
    return rows


def computed(
    rows: pl.DataFrame, catalogue: Catalogue = SMALL, is_target: pl.Expr | None = None
) -> dict[str, Row]:
    wanted = pl.lit(True) if is_target is None else is_target
    found = feature_table(rows.lazy(), is_target=wanted, engine=Engine(), catalogue=catalogue)
    return {str(row["transaction_id"]): row for row in found.collect().to_dicts()}


def expected(row: Row, rows: Sequence[Row], feature: PastFeature) -> float | None:
    window = TESTED.lookback if feature.window is None else feature.window
    if isinstance(feature, LabelFeature):
        return slow_label(row, rows, feature, window)
    if isinstance(feature, FlowFeature):
        return slow_flow(row, rows, feature, window)
    assert isinstance(feature, WindowFeature)
    return slow_window(row, rows, feature, window)


def close(value: float | None, wanted: float | None) -> bool:
    if value is None or wanted is None:
        return value is wanted
    return math.isclose(value, wanted, rel_tol=2e-6, abs_tol=1e-9)


@settings(deadline=None, max_examples=25)
@given(history=histories(), order=st.randoms(use_true_random=False))
def test_equals_the_obvious_implementation_in_any_row_order(
    table: Build, history: list[Row], order: Random
) -> None:
    rows = table(history)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=order.randrange(1000))
    found = computed(shuffled, TESTED)
    assert list(found) == rows["transaction_id"].to_list()
    plain = rows.to_dicts()
    for row in plain:
        values = found[row["transaction_id"]]
        past = {one.name: expected(row, plain, one) for one in TESTED.windows}
        for name, value in past.items():
            assert close(values[name], value), (name, values[name], value)
        for name, value in slow_history(row["amount"], past).items():
            assert close(values[name], value), (name, values[name], value)


@LIMITS
@given(history=histories(), data=st.data())
def test_the_future_and_the_same_moment_change_nothing(
    table: Build, history: list[Row], data: st.DataObject
) -> None:
    rows = table(history)
    chosen = data.draw(st.integers(0, len(history) - 1))
    name, now = f"t{chosen:03d}", rows["occurred_at"][chosen]
    own = pl.col("transaction_id") == name
    not_past = (pl.col("occurred_at") >= now) & ~own
    whole = computed(rows)[name]
    assert computed(rows.filter(~not_past))[name] == whole
    altered = rows.with_columns(
        pl.when(not_past).then(pl.col("amount") + 1).otherwise(pl.col("amount")).alias("amount"),
        pl.when(not_past).then(pl.lit("a")).otherwise(pl.col("payer_id")).alias("payer_id"),
    )
    assert computed(altered)[name] == whole


@LIMITS
@given(history=histories(), data=st.data())
def test_labels_not_yet_known_change_nothing(
    table: Build, history: list[Row], data: st.DataObject
) -> None:
    rows = table(history)
    chosen = data.draw(st.integers(0, len(history) - 1))
    name, now = f"t{chosen:03d}", rows["occurred_at"][chosen]
    unknown = pl.col("label_known_at").is_null() | (pl.col("label_known_at") >= now)
    unseen = unknown | (pl.col("transaction_id") == name)
    for label in (True, False, None):
        changed = pl.when(unseen).then(pl.lit(label, pl.Boolean)).otherwise(pl.col("is_fraud"))
        altered = rows.with_columns(changed.alias("is_fraud"))
        assert computed(altered)[name] == computed(rows)[name]


@LIMITS
@given(history=histories(), data=st.data())
def test_two_pieces_give_what_one_gives_and_old_history_is_not_needed(
    table: Build, history: list[Row], data: st.DataObject
) -> None:
    rows = table(history)
    split = rows["occurred_at"][data.draw(st.integers(0, len(history) - 1))]
    second = pl.col("occurred_at") >= split
    whole = computed(rows)
    first_piece = computed(rows.filter(~second))
    needed = pl.col("occurred_at") >= split - history_needed(SMALL)
    second_piece = computed(rows.filter(needed), is_target=second)
    assert {**first_piece, **second_piece} == whole


@settings(deadline=None, max_examples=10)
@given(history=histories(), partitions=st.integers(1, 4))
def test_streaming_in_partitions_equals_in_memory(
    table: Build, history: list[Row], partitions: int
) -> None:
    rows = table(history)
    later = pl.col("occurred_at") > rows["occurred_at"][0]
    with TemporaryDirectory() as folder:
        streamed = feature_table(
            rows.lazy(),
            is_target=later,
            engine=Engine("cpu-streaming"),
            partitions=partitions,
            scratch=Path(folder),
        ).collect()
    in_memory = feature_table(rows.lazy(), is_target=later, engine=Engine()).collect()
    assert streamed.schema == in_memory.schema
    assert streamed.equals(in_memory)
