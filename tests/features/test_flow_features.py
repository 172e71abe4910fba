"""Pass-through: hand-made cases, and the law against a slow re-implementation."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.engine import Engine
from gpu_ops.features import Catalogue, WindowFeature, feature_table, history_needed
from gpu_ops.flow_features import (
    FLOW_ENTITIES,
    FLOW_FEATURES,
    FLOW_STATISTICS,
    FlowFeature,
)
from gpu_ops.flow_rows import FLOW_ROWS
from tests.features.slow_structures import Row, close, slow_flow

Build = Callable[[Sequence[Row]], pl.DataFrame]
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
LOOKBACK = WEEK + DAY
TICK = timedelta(microseconds=1)

FEATURES = tuple(
    FlowFeature(entity, statistic, window)
    for entity in FLOW_ENTITIES
    for statistic in FLOW_STATISTICS
    for window in (HOUR, DAY, None)
)
SUMS = (
    WindowFeature("payer", "sum", DAY),
    WindowFeature("payer", "sum", WEEK),
    WindowFeature("payee", "sum", WEEK),
)
TESTED = Catalogue(()).plus(*FEATURES).with_lookback(LOOKBACK)


def computed(
    rows: pl.DataFrame, catalogue: Catalogue = TESTED, is_target: pl.Expr | None = None
) -> pl.DataFrame:
    wanted = pl.lit(True) if is_target is None else is_target
    return feature_table(
        rows.lazy(), is_target=wanted, engine=Engine(), catalogue=catalogue
    ).collect()


def paid(payer: str | None, payee: str | None, amount: float, after: timedelta) -> Row:
    return {"payer_id": payer, "payee_id": payee, "amount": amount, "after": after}


MULE = [
    paid("victim", "mule", 900.0, 0 * HOUR),
    paid("boss", "mule", 100.0, HOUR),
    paid("mule", "boss", 400.0, HOUR),
    paid("mule", "cash", 380.0, HOUR + TICK),
    paid("late", "mule", 5.0, DAY + TICK),
    paid("mule", "cash", 10.0, DAY + TICK),
]


def test_what_a_payer_received_is_seen_from_the_next_moment_to_the_edge(table: Build) -> None:
    found = computed(table(MULE))
    # The payment of hour 1 comes at the moment of the one to the boss, who then has two roles.
    assert found["payer_received_sum_1d"].to_list() == [0.0, 0.0, 900.0, 1000.0, 0.0, 100.0]
    assert found["payer_received_count_1d"].to_list() == [0, 0, 1, 2, 0, 1]
    hour = [None, None, 3600.0, pytest.approx(1e-6), None, None]
    assert found["payer_time_since_received_1h"].to_list() == hour
    assert found["payee_sent_sum_1d"].to_list() == [0.0, 0.0, 0.0, 0.0, 780.0, 0.0]


def test_a_payment_to_oneself_is_received_and_sent(table: Build) -> None:
    rows = [paid("ann", "ann", 7.0, 0 * HOUR), paid("ann", "ann", 1.0, HOUR)]
    found = computed(table(rows))
    assert found["payer_received_sum_1h"].to_list() == [0.0, 7.0]
    assert found["payee_sent_sum_1h"].to_list() == [0.0, 7.0]


def test_rows_without_a_party_have_no_past_and_give_none(table: Build) -> None:
    rows = [
        paid("bob", None, 3.0, 0 * HOUR),
        paid(None, "bob", 5.0, HOUR),
        paid(None, "bob", 5.0, 2 * HOUR),
        paid("bob", None, 3.0, 3 * HOUR),
    ]
    found = computed(table(rows))
    assert found["payer_received_sum_1d"].to_list() == [0.0, 0.0, 0.0, 10.0]
    assert found["payee_sent_sum_1d"].to_list() == [0.0, 3.0, 3.0, 0.0]


def test_how_much_passes_through(table: Build) -> None:
    catalogue = Catalogue(()).plus(*SUMS, *FLOW_FEATURES, *FLOW_ROWS)
    rows = table([*MULE, paid("boss", "mule", 1.0, 2 * DAY), paid("x", "y", 1.0, 2 * DAY)])
    found = computed(rows, catalogue)
    # The sixth: 100 received in the day before; 400 and 380 paid and now 10.
    through = [0.0, 0.0, 400 / 900, 780 / 1000, 0.0, 100 / 790, 0.0, 0.0]
    assert found["payer_pass_through_1d"].to_list() == pytest.approx(through)
    share = [None, None, 400 / 900, 380 / 1000, None, 10 / 100, None, None]
    assert found["amount_to_payer_received_1d"].to_list() == pytest.approx(share)
    # Before day 2 the mule received 1005 and sent 790; nobody knows y.
    assert found["payee_pass_through_7d"].to_list()[-2:] == [pytest.approx(790 / 1005), None]


def test_accounts_of_two_kinds_never_pass_anything_through(table: Build) -> None:
    catalogue = Catalogue(()).plus(*SUMS, *FLOW_FEATURES, *FLOW_ROWS)
    found = computed(table(MULE), catalogue.with_same_entities(same=False))
    for feature in (*FLOW_FEATURES, *FLOW_ROWS):
        assert found[feature.name].null_count() == len(MULE), feature.name
    assert found["payer_amount_sum_1d"].to_list() == [0.0, 0.0, 0.0, 400.0, 0.0, 780.0]


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: FlowFeature("pair", "sum"), "entity 'pair' is unknown"),  # type: ignore[arg-type]
        (lambda: FlowFeature("payer", "mean"), "statistic 'mean' is unknown"),  # type: ignore[arg-type]
        (lambda: FlowFeature("payer", "sum", 0 * DAY), "longer than nothing"),
    ],
)
def test_a_wrong_declaration_is_refused(declare: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


# Sums of these lie on, just before and just after the edges of windows.
steps = st.sampled_from([*(0 * DAY,) * 3, TICK, HOUR - TICK, HOUR, DAY, DAY + HOUR, LOOKBACK])
accounts = st.sampled_from(["a", "b", "c", None])
payments = st.tuples(accounts, accounts, st.sampled_from([0.01, 33.33, 100.0, 1e12]), steps)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Payments in time order among few accounts, some with themselves."""
    rows: list[Row] = []
    now = timedelta(0)
    for payer, payee, amount, step in draw(st.lists(payments, min_size=2, max_size=14)):
        now += step
        rows.append(paid(payer, payee, amount, now))
    return rows


@settings(deadline=None, max_examples=25)
@given(history=histories(), order=st.randoms(use_true_random=False), data=st.data())
def test_equals_the_obvious_implementation_whatever_the_order_and_the_future(
    table: Build, history: list[Row], order: Random, data: st.DataObject
) -> None:
    rows = table(history)
    found = computed(rows.sample(fraction=1, shuffle=True, seed=order.randrange(1000)))
    plain = rows.to_dicts()
    for row, values in zip(plain, found.to_dicts(), strict=True):
        for feature in FEATURES:
            wanted = slow_flow(row, plain, feature, feature.window or LOOKBACK)
            value = values[feature.name]
            assert close(value, wanted), (feature.name, value, wanted)
    now = plain[data.draw(st.integers(0, len(plain) - 1))]["occurred_at"]
    oldest = now - history_needed(TESTED)
    needed = pl.col("occurred_at").is_between(oldest, now)
    own = pl.col("occurred_at") == now
    alone = computed(rows.filter(needed), is_target=own)
    assert alone.equals(found.filter(own))


def test_streaming_in_partitions_equals_in_memory(table: Build) -> None:
    random = Random(3)  # noqa: S311 - a table to compute with, no secret
    names = [f"a{number}" for number in range(12)]
    rows = table(
        [
            paid(random.choice(names), random.choice(names), random.choice([0.1, 7.0]), HOUR * n)
            for n in range(300)
        ]
    )
    with TemporaryDirectory() as folder:
        streamed = feature_table(
            rows.lazy(),
            is_target=pl.lit(True),
            engine=Engine("cpu-streaming"),
            catalogue=TESTED,
            partitions=3,
            scratch=Path(folder),
        ).collect()
    whole = computed(rows)
    assert streamed.equals(whole)
    assert whole["payer_received_sum"].n_unique() > 50
