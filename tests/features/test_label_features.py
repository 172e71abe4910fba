"""The structure of known labels: hand-made cases, and the law against a slow re-implementation."""

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
from gpu_ops.feature_model import ENTITIES
from gpu_ops.features import Catalogue, feature_table, history_needed
from gpu_ops.label_features import LABEL_STRUCTURES, LabelFeature, LabelStatistic
from tests.features.slow_structures import Row, close, slow_label

Build = Callable[[Sequence[Row]], pl.DataFrame]
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
MONTH = timedelta(days=30)
TICK = timedelta(microseconds=1)

FRAUD: Row = {"is_fraud": True}
LEGITIMATE: Row = {"is_fraud": False}


def values(
    rows: pl.DataFrame, statistic: LabelStatistic, window: timedelta = WEEK
) -> list[float | None]:
    feature = LabelFeature("payee", statistic, window)
    catalogue = Catalogue(()).plus(feature)
    table = feature_table(
        rows.lazy(), is_target=pl.lit(True), engine=Engine(), catalogue=catalogue
    ).collect()
    found: list[float | None] = table[feature.name].to_list()
    return found


def last(rows: pl.DataFrame, statistic: LabelStatistic) -> float | None:
    return values(rows, statistic)[-1]


def at(after: timedelta, label: Row, known: timedelta | None = None, **columns: object) -> Row:
    """A labelled row, whose label is known as soon as it happens unless said otherwise."""
    return {**label, "after": after, "known": after if known is None else known, **columns}


def test_a_run_is_of_the_newest_frauds_and_skips_what_is_unknown(table: Build) -> None:
    rows = table(
        [
            at(0 * HOUR, FRAUD),
            at(1 * HOUR, LEGITIMATE),
            at(2 * HOUR, FRAUD),
            at(3 * HOUR, FRAUD),
            {"after": 4 * HOUR, "is_fraud": None, "known": 4 * HOUR},
            at(5 * HOUR, LEGITIMATE, known=6 * HOUR),
            {"after": 6 * HOUR},
            {"after": 6 * HOUR + TICK},
        ]
    )
    # The row of hour 5 is unknown until just after hour 6: skipped, and then it ends the run.
    assert values(rows, "known_fraud_run") == [0, 1, 0, 1, 2, 2, 2, 0]


def test_labels_may_become_known_in_any_order(table: Build) -> None:
    rows = table(
        [
            at(0 * HOUR, FRAUD, known=9 * HOUR),
            at(1 * HOUR, LEGITIMATE, known=20 * HOUR),
            at(2 * HOUR, FRAUD, known=3 * HOUR),
            {"after": 4 * HOUR},
            {"after": 10 * HOUR},
            {"after": 21 * HOUR},
        ]
    )
    assert values(rows, "known_fraud_run")[3:] == [1, 2, 1]
    assert values(rows, "known_fraud_run_age")[3:] == [7200.0, 36000.0, 68400.0]
    assert values(rows, "time_since_known_fraud")[3:] == [7200.0, 28800.0, 68400.0]
    assert values(rows, "known_fraud_share")[3:] == [1.0, 1.0, pytest.approx(2 / 3)]


def test_a_legitimate_row_of_the_same_moment_ends_the_run(table: Build) -> None:
    rows = [at(HOUR, FRAUD), at(HOUR, LEGITIMATE), at(HOUR, FRAUD), {"after": 2 * HOUR}]
    assert last(table(rows), "known_fraud_run") == 0
    assert last(table([*rows[:3], at(HOUR + TICK, FRAUD), rows[3]]), "known_fraud_run") == 1


@pytest.mark.parametrize(
    ("age", "run", "since", "share"), [(WEEK, 1, 604_800.0, 1.0), (WEEK + TICK, 0, None, None)]
)
def test_the_window_includes_its_early_edge_and_not_a_microsecond_more(
    table: Build, age: timedelta, run: int, since: float | None, share: float | None
) -> None:
    rows = table([at(0 * HOUR, FRAUD), {"after": age}])
    assert last(rows, "known_fraud_run") == run
    assert last(rows, "unexplained_frauds") == run
    assert last(rows, "time_since_known_fraud") == since
    assert last(rows, "known_fraud_share") == share


def test_what_broke_the_run_may_leave_the_window_before_it(table: Build) -> None:
    rows = table(
        [
            at(0 * HOUR, FRAUD),
            at(1 * HOUR, LEGITIMATE),
            at(2 * HOUR, FRAUD),
            at(3 * HOUR, FRAUD),
            {"after": 2 * HOUR + WEEK},
            {"after": 3 * HOUR + WEEK},
        ]
    )
    assert values(rows, "known_fraud_run")[4:] == [2, 1]
    assert values(rows, "known_fraud_run_age")[4:] == [604_800.0, 604_800.0]
    assert values(rows, "known_fraud_share")[4:] == [1.0, 1.0]


@pytest.mark.parametrize(("known", "seen"), [(2 * HOUR - TICK, True), (2 * HOUR, False)])
def test_a_label_counts_only_after_the_moment_at_which_it_became_known(
    table: Build, known: timedelta, *, seen: bool
) -> None:
    rows = table([at(HOUR, FRAUD, known=known), {"after": 2 * HOUR}])
    found = [last(rows, statistic) for statistic in LABEL_STRUCTURES]
    assert found == ([1.0, 1, 3600.0, 3600.0, 1, 1.0] if seen else [None, 0, None, None, 0, None])


def test_a_label_before_its_event_counts_after_the_event(table: Build) -> None:
    rows = table([at(HOUR, FRAUD, known=-DAY), {"after": HOUR}, {"after": HOUR + TICK}])
    assert values(rows, "known_fraud_run") == [0, 0, 1]
    assert values(rows, "time_since_known_fraud") == [None, None, pytest.approx(1e-6)]


def test_frauds_are_unexplained_unless_large_for_their_own_payer(table: Build) -> None:
    bob: Row = {"payer_id": "bob", "payee_id": "elsewhere"}
    rows = table(
        [
            {**bob, "amount": 10.0},
            {**bob, "amount": 30.0, "after": HOUR},
            # Bob pays 20 on average: twice that is not more than twice that.
            at(2 * HOUR, FRAUD, payer_id="bob", amount=40.0),
            # A payer without a past.
            at(3 * HOUR, FRAUD, payer_id="cy", amount=1e6),
            # By now he pays 26.67 on average.
            at(4 * HOUR, FRAUD, payer_id="bob", amount=53.34),
            {"after": 5 * HOUR},
        ]
    )
    assert values(rows, "unexplained_frauds") == [0, 0, 0, 1, 2, 2]
    shares = [None, None, None, 1.0, 1.0, pytest.approx(2 / 3)]
    assert values(rows, "unexplained_fraud_share") == shares


def test_the_usual_amount_is_that_of_thirty_days_before_the_fraud(table: Build) -> None:
    def unexplained(age: timedelta) -> float | None:
        small = {"payer_id": "bob", "payee_id": "elsewhere", "amount": 1.0}
        fraud = at(age, FRAUD, payer_id="bob", amount=100.0)
        later = {**small, "amount": 1e6, "after": age}
        return last(table([small, fraud, later, {"after": age + HOUR}]), "unexplained_frauds")

    assert unexplained(MONTH) == 0
    assert unexplained(MONTH + TICK) == 1


def test_history_goes_back_to_what_the_payer_paid_before_the_oldest_fraud(table: Build) -> None:
    feature = LabelFeature("payee", "unexplained_frauds", WEEK)
    rows = table(
        [
            {"payer_id": "bob", "payee_id": "elsewhere", "amount": 1.0},
            at(MONTH, FRAUD, payer_id="bob", amount=100.0),
            {"after": MONTH + WEEK},
        ]
    )
    last_row = pl.col("transaction_id") == "t002"
    catalogue = Catalogue(()).plus(feature)
    found = feature_table(rows.lazy(), is_target=last_row, engine=Engine(), catalogue=catalogue)
    assert found.collect()[feature.name].to_list() == [0]


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: LabelFeature("shop", "known_fraud_run"), "entity 'shop' is unknown"),  # type: ignore[arg-type]
        (lambda: LabelFeature("payee", "run"), "statistic 'run' is unknown"),  # type: ignore[arg-type]
        (lambda: LabelFeature("payee", "known_fraud_run", 0 * DAY), "longer than nothing"),
    ],
)
def test_a_wrong_declaration_is_refused(declare: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


LOOKBACK = MONTH + DAY
FEATURES = tuple(
    LabelFeature(entity, statistic, window)
    for statistic in LABEL_STRUCTURES
    for entity, window in zip(ENTITIES, (WEEK, None, DAY), strict=True)
)
TESTED = Catalogue(()).plus(*FEATURES).with_lookback(LOOKBACK)

# Sums of these lie on, just before and just after the edges of windows.
steps = st.sampled_from([*(0 * DAY,) * 3, TICK, HOUR, DAY - TICK, DAY, WEEK, MONTH, LOOKBACK])
lags = st.sampled_from([None, -DAY, 0 * DAY, TICK, HOUR, DAY, WEEK, WEEK + TICK, LOOKBACK])
payments = st.fixed_dictionaries(
    {
        "payer_id": st.sampled_from(["a", "a", "b", None]),
        "payee_id": st.sampled_from(["x", "x", "a", None]),
        "amount": st.sampled_from([0.01, 33.33, 100.0, 1e12]),
        "is_fraud": st.sampled_from([None, False, False, True, True, True]),
        "step": steps,
        "lag": lags,
    }
)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Payments in time order: ties, gaps, missing parties, labels early, late or never."""
    rows: list[Row] = []
    now = timedelta(0)
    drawn: list[Row] = draw(st.lists(payments, min_size=2, max_size=16))
    for payment in drawn:
        step, lag = payment.pop("step"), payment.pop("lag")
        now += step
        rows.append({**payment, "after": now, "known": None if lag is None else now + lag})
    return rows


def computed(rows: pl.DataFrame, is_target: pl.Expr | None = None) -> dict[str, Row]:
    wanted = pl.lit(True) if is_target is None else is_target
    found = feature_table(rows.lazy(), is_target=wanted, engine=Engine(), catalogue=TESTED)
    return {str(row["transaction_id"]): row for row in found.collect().to_dicts()}


@settings(deadline=None, max_examples=30)
@given(history=histories(), order=st.randoms(use_true_random=False))
def test_equals_the_obvious_implementation_in_any_row_order(
    table: Build, history: list[Row], order: Random
) -> None:
    rows = table(history)
    found = computed(rows.sample(fraction=1, shuffle=True, seed=order.randrange(1000)))
    plain = rows.to_dicts()
    for row in plain:
        for feature in FEATURES:
            wanted = slow_label(row, plain, feature, feature.window or LOOKBACK)
            value = found[row["transaction_id"]][feature.name]
            assert close(value, wanted), (feature.name, value, wanted)


@settings(deadline=None, max_examples=12)
@given(history=histories(), data=st.data())
def test_what_is_not_yet_known_changes_nothing(
    table: Build, history: list[Row], data: st.DataObject
) -> None:
    rows = table(history)
    name = f"t{data.draw(st.integers(0, len(history) - 1)):03d}"
    now = rows.filter(pl.col("transaction_id") == name)["occurred_at"][0]
    later = pl.col("occurred_at") >= now
    unknown = (pl.col("label_known_at") < now).fill_null(value=False).not_() | later
    altered = rows.with_columns(
        pl.when(unknown).then(pl.col("is_fraud").not_()).otherwise("is_fraud").alias("is_fraud"),
        pl.when(later).then(pl.col("amount") * 3).otherwise("amount").alias("amount"),
    )
    whole = computed(rows)[name]
    assert computed(altered)[name] == whole
    needed = pl.col("occurred_at") >= now - history_needed(TESTED)
    own = pl.col("transaction_id") == name
    assert computed(rows.filter(needed & (own | ~later)), own)[name] == whole


def test_streaming_in_partitions_equals_in_memory(table: Build) -> None:
    random = Random(3)  # noqa: S311 - a table to compute with, no secret
    rows = table(
        [
            {
                "payer_id": f"p{random.randrange(9)}",
                "payee_id": f"s{random.randrange(4)}",
                "amount": random.choice([5.0, 6.0, 50.0]),
                "is_fraud": random.random() < 0.4,
                "after": HOUR * (9 * number // 10),
                "known": HOUR * (number + random.randrange(60)),
            }
            for number in range(300)
        ]
    )
    later = pl.col("transaction_id") >= "t100"
    with TemporaryDirectory() as folder:
        streamed = feature_table(
            rows.lazy(),
            is_target=later,
            engine=Engine("cpu-streaming"),
            catalogue=TESTED,
            partitions=3,
            scratch=Path(folder),
        ).collect()
    whole = feature_table(rows.lazy(), is_target=later, engine=Engine(), catalogue=TESTED).collect()
    assert streamed.equals(whole)
    assert whole["payee_unexplained_frauds"].n_unique() > 10
