"""Hand-computed windows: edges to the microsecond, ties, labels, parties, nulls."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from gpu_ops.engine import Engine, EngineName
from gpu_ops.features import CATALOGUE, Catalogue, WindowFeature, feature_table

Build = Callable[[Sequence[dict[str, object]]], pl.DataFrame]
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
TICK = timedelta(microseconds=1)


def values(rows: pl.DataFrame, *features: WindowFeature) -> list[tuple[object, ...]]:
    found = feature_table(
        rows.lazy(), is_target=pl.lit(True), engine=Engine(), catalogue=Catalogue(features)
    ).collect()
    return found.drop("transaction_id", "occurred_at").rows()


def last(rows: pl.DataFrame, *features: WindowFeature) -> tuple[object, ...]:
    return values(rows, *features)[-1]


def amounts(window: timedelta) -> list[WindowFeature]:
    return [
        WindowFeature("payer", "count", window),
        WindowFeature("payer", "sum", window),
        WindowFeature("payer", "mean", window),
        WindowFeature("payer", "max", window),
    ]


def test_first_row_has_an_empty_past(table: Build) -> None:
    rows = table([{"amount": 5.0}, {"amount": 7.0, "after": HOUR}])
    assert values(rows, *amounts(DAY)) == [(0, 0.0, None, None), (1, 5.0, 5.0, 5.0)]


def test_window_includes_its_early_edge_and_not_a_microsecond_more(table: Build) -> None:
    rows = table([{"amount": 4.0}, {"amount": 8.0, "after": TICK}, {"after": HOUR + TICK}])
    assert last(rows, *amounts(HOUR)) == (1, 8.0, 8.0, 8.0)
    rows = table([{"amount": 4.0}, {"amount": 8.0, "after": TICK}, {"after": HOUR}])
    assert last(rows, *amounts(HOUR)) == (2, 12.0, 6.0, 8.0)


def test_rows_of_the_same_moment_do_not_see_each_other(table: Build) -> None:
    rows = table([{}, {"after": HOUR}, {"after": HOUR}, {"after": HOUR}, {"after": HOUR + TICK}])
    assert values(rows, WindowFeature("payer", "count", DAY)) == [(0,), (1,), (1,), (1,), (4,)]


def test_delay_shifts_both_edges(table: Build) -> None:
    feature = WindowFeature("payer", "count", HOUR, delay=DAY)
    for age, counted in [
        (DAY, 0),
        (DAY + TICK, 1),
        (DAY + HOUR, 1),
        (DAY + HOUR + TICK, 0),
        (HOUR, 0),
    ]:
        assert last(table([{}, {"after": age}]), feature) == (counted,), age


def test_entities_are_roles_and_a_self_transfer_has_both(table: Build) -> None:
    rows = table(
        [
            {"payer_id": "ann", "payee_id": "bob"},
            {"payer_id": "bob", "payee_id": "ann", "after": HOUR},
            {"payer_id": "ann", "payee_id": "ann", "after": 2 * HOUR},
            {"payer_id": "ann", "payee_id": "ann", "after": 3 * HOUR},
        ]
    )
    counts = [WindowFeature(entity, "count", DAY) for entity in ("payer", "payee", "pair")]
    assert values(rows, *counts) == [(0, 0, 0), (0, 0, 0), (1, 1, 0), (2, 2, 1)]


def test_pair_is_directed_and_needs_both_parties(table: Build) -> None:
    rows = table(
        [
            {"payer_id": "a", "payee_id": "b"},
            {"payer_id": "b", "payee_id": "a", "after": HOUR},
            {"payer_id": "a", "payee_id": "c", "after": HOUR},
            {"payer_id": "a", "payee_id": "b", "amount": 3.0, "after": 2 * HOUR},
            {"payer_id": "a", "payee_id": "b", "after": 3 * HOUR},
        ]
    )
    sums = values(rows, WindowFeature("pair", "sum", DAY))
    assert sums == [(0.0,), (0.0,), (0.0,), (10.0,), (13.0,)]


def test_rows_without_a_party_have_no_past_and_give_none(table: Build) -> None:
    rows = table(
        [
            {"payee_id": None},
            {"payee_id": None, "after": HOUR},
            {"payer_id": None, "after": HOUR},
            {"after": 2 * HOUR},
        ]
    )
    features = [
        WindowFeature("payer", "count", DAY),
        WindowFeature("payee", "count", DAY),
        WindowFeature("pair", "count", DAY),
        WindowFeature("payer", "distinct_counterparties", DAY),
        WindowFeature("payee", "distinct_counterparties", DAY),
    ]
    assert values(rows, *features) == [
        (0, 0, 0, 0, 0),
        (1, 0, 0, 0, 0),
        (0, 0, 0, 0, 0),
        (2, 1, 0, 0, 0),
    ]


def test_spread_and_extremes(table: Build) -> None:
    rows = table(
        [{"amount": amount, "after": HOUR * place} for place, amount in enumerate((2, 4, 9, 1))]
    )
    found = values(
        rows,
        WindowFeature("payer", "std", DAY),
        WindowFeature("payer", "min", DAY),
        WindowFeature("payer", "max", 2 * HOUR),
    )
    # Of 2 and 4 the mean is 3, the variance 2; of 2, 4 and 9 the mean is 5, the variance 13.
    assert found == [
        (None, None, None),
        (None, 2.0, 2.0),
        (pytest.approx(2**0.5), 2.0, 4.0),
        (pytest.approx(13**0.5), 2.0, 9.0),
    ]


@pytest.mark.parametrize("amount", [0.01, 0.1, 33.33, 1e12 / 3])
def test_equal_amounts_do_not_spread_and_a_huge_one_leaves_no_trace(
    table: Build, amount: float
) -> None:
    rows = table(
        [{"amount": 7e13}, *({"amount": amount, "after": DAY + HOUR * n} for n in (1, 2, 3))]
    )
    assert last(rows, WindowFeature("payer", "std", DAY)) == (0.0,)


def test_rank_counts_equal_amounts_half(table: Build) -> None:
    rows = table(
        [
            {"amount": 5.0},
            {"amount": 5.0, "after": HOUR},
            {"amount": 1.0, "after": 2 * HOUR},
            {"amount": 5.0, "after": 3 * HOUR},
            {"amount": 9.0, "after": 3 * HOUR},  # does not see its twin in time
            {"amount": 2.0, "after": DAY + HOUR},  # sees all but the first
        ]
    )
    ranks = values(rows, WindowFeature("payer", "rank", DAY))
    assert [one for (one,) in ranks] == [None, 0.5, 0.0, pytest.approx(2 / 3), 1.0, 0.25]


def test_shares_of_round_night_and_weekend_rows(table: Build) -> None:
    # Monday noon; then Tuesday 06:00, Saturday 07:00; asked on Sunday noon.
    rows = table(
        [
            {"amount": 100.0},
            {"amount": 300.0, "after": 18 * HOUR},
            {"amount": 50.0, "after": 4 * DAY + 19 * HOUR},
            {"amount": 100.0, "after": 6 * DAY},
        ]
    )
    shares = (
        WindowFeature("payer", "round_share", WEEK),
        WindowFeature("payer", "night_share", WEEK),
        WindowFeature("payer", "weekend_share", WEEK),
    )
    third = pytest.approx(1 / 3)
    assert last(rows, *shares) == (pytest.approx(2 / 3), third, third)
    assert values(rows, *shares)[0] == (None, None, None)


def test_time_since_the_last_and_the_first_look_no_further_than_the_look_back(
    table: Build,
) -> None:
    ages = (
        WindowFeature("pair", "time_since_last", None),
        WindowFeature("payer", "time_since_last", None),
        WindowFeature("payer", "account_age", None),
    )
    rows = table(
        [
            {},
            {"after": HOUR, "payee_id": "kiosk"},
            {"after": HOUR},
            {"after": 3 * HOUR},
            {"after": 30 * DAY},  # the first row lies just within
            {"after": 60 * DAY},  # the last lies just within
            {"after": 90 * DAY + TICK},  # the last lies just outside
        ]
    )
    catalogue = Catalogue(ages, lookback=30 * DAY)
    found = feature_table(
        rows.lazy(), is_target=pl.lit(True), engine=Engine(), catalogue=catalogue
    ).collect()
    month = 30 * 86_400.0
    assert found.sort("transaction_id").drop("transaction_id", "occurred_at").rows() == [
        (None, None, None),
        (None, 3600.0, 3600.0),
        (3600.0, 3600.0, 3600.0),
        (7200.0, 7200.0, 3 * 3600.0),
        (month - 3 * 3600, month - 3 * 3600, month),
        (month, month, month),
        (None, None, None),
    ]


def test_distinct_counterparties_come_and_go(table: Build) -> None:
    rows = table(
        [
            {"payee_id": "x"},
            {"payee_id": "x", "after": 2 * HOUR},
            {"payee_id": "y", "after": 3 * HOUR},
            {"payee_id": "y", "after": 3 * HOUR},
            {"payee_id": "z", "after": DAY},  # the first x is just inside
            {"payee_id": "z", "after": DAY + 2 * HOUR},  # the second x is just inside
            {"payee_id": "z", "after": DAY + 2 * HOUR + TICK},  # no x
            {"payee_id": "z", "after": DAY + 3 * HOUR + TICK},  # no y
            {"payee_id": "z", "after": 5 * DAY},  # nothing
        ]
    )
    distinct = values(rows, WindowFeature("payer", "distinct_counterparties", DAY))
    assert [one for (one,) in distinct] == [0, 1, 1, 1, 2, 3, 2, 1, 0]


def test_a_delayed_window_counts_a_repeat_once_both_of_its_rows_are_in_it(table: Build) -> None:
    rows = table(
        [
            {},
            {"after": HOUR},
            {"after": HOUR, "payee_id": "kiosk"},
            {"after": 2 * HOUR},
            {"after": DAY + TICK},  # the first is in
            {"after": DAY + HOUR + TICK},  # its repeat and the kiosk are
            {"after": 2 * DAY + TICK},  # the first has left, the two others and hour 2 are there
            {"after": 2 * DAY + 2 * HOUR + TICK},  # only the rows of the day after are
        ]
    )
    distinct = values(rows, WindowFeature("payer", "distinct_counterparties", DAY, delay=DAY))
    assert [one for (one,) in distinct] == [0, 0, 0, 0, 1, 2, 2, 1]


def test_distinct_payers_of_a_payee(table: Build) -> None:
    rows = table(
        [
            {"payer_id": "a"},
            {"payer_id": "b", "after": HOUR},
            {"payer_id": "a", "after": 2 * HOUR},
            {"payer_id": "c", "after": 3 * HOUR},
        ]
    )
    distinct = values(rows, WindowFeature("payee", "distinct_counterparties", WEEK))
    assert distinct == [(0,), (1,), (2,), (2,)]


def labels(window: timedelta, delay: timedelta = timedelta(0)) -> list[WindowFeature]:
    return [
        WindowFeature("payee", "known_frauds", window, delay=delay),
        WindowFeature("payee", "label_risk", window, delay=delay),
    ]


@pytest.mark.parametrize(
    ("known", "frauds", "risk"),
    [(2 * HOUR - TICK, 1, 0.5), (2 * HOUR, 0, 0.0), (-HOUR, 1, 0.5), (None, 0, 0.0)],
)
def test_label_counts_only_once_it_was_known(
    table: Build, known: timedelta | None, frauds: int, risk: float
) -> None:
    rows = table(
        [
            {"is_fraud": True, "known": known},
            {"is_fraud": False, "known": HOUR, "after": HOUR},
            {"after": 2 * HOUR},
        ]
    )
    assert last(rows, *labels(DAY)) == (frauds, risk)


def test_unlabelled_and_unknown_rows_stay_in_the_denominator(table: Build) -> None:
    rows = table(
        [
            {"is_fraud": True, "known": HOUR},
            {"is_fraud": True, "known": WEEK},
            {"is_fraud": None},
            {"is_fraud": None, "known": HOUR},
            {"after": 2 * HOUR},
        ]
    )
    assert last(rows, *labels(DAY)) == (1, 0.25)


@pytest.mark.parametrize(
    ("age", "frauds", "risk"),
    [
        (WEEK, 0, None),  # not yet in the window
        (WEEK + TICK, 1, 1.0),
        (WEEK + DAY, 1, 1.0),  # at its early edge
        (WEEK + DAY + TICK, 0, None),
    ],
)
def test_delayed_risk_at_both_edges(
    table: Build, age: timedelta, frauds: int, risk: float | None
) -> None:
    rows = table([{"is_fraud": True, "known": HOUR}, {"after": age}])
    assert last(rows, *labels(DAY, delay=WEEK)) == (frauds, risk)


@pytest.mark.parametrize(("known", "frauds"), [(3 * DAY, 1), (8 * DAY - 2 * TICK, 1), (8 * DAY, 0)])
def test_label_may_come_while_the_row_waits_or_is_in_the_window(
    table: Build, known: timedelta, frauds: int
) -> None:
    rows = table([{"is_fraud": True, "known": known}, {"after": 8 * DAY - TICK}])
    assert last(rows, *labels(DAY, delay=WEEK)) == (frauds, float(frauds))


def test_label_known_exactly_when_the_window_ends_never_counts(table: Build) -> None:
    rows = table([{"is_fraud": True, "known": WEEK + DAY}, {"after": WEEK + DAY}])
    assert last(rows, *labels(DAY, delay=WEEK)) == (0, 0.0)


def test_label_before_its_own_event_counts_with_the_event(table: Build) -> None:
    rows = table([{"is_fraud": True, "known": -DAY}, {"after": TICK}, {}])
    assert values(rows, *labels(DAY)) == [(0, None), (0, None), (1, 0.5)]


def test_own_label_is_never_seen(table: Build) -> None:
    rows = table([{}, {"is_fraud": True, "known": -DAY, "after": HOUR}])
    assert last(rows, *labels(DAY)) == (0, 0.0)


def test_nulls_of_a_balance_are_skipped(table: Build) -> None:
    rows = table(
        [
            {"payer_balance_before": None},
            {"payer_balance_before": -4.0, "after": HOUR},
            {"payer_balance_before": None, "after": 2 * HOUR},
            {"payer_balance_before": 1.0, "after": 3 * HOUR},
        ]
    )
    balance = [
        WindowFeature("payer", statistic, DAY, "payer_balance_before")
        for statistic in ("sum", "mean", "max")
    ]
    assert values(rows, *balance) == [
        (0.0, None, None),
        (0.0, None, None),
        (-4.0, -4.0, -4.0),
        (-4.0, -4.0, -4.0),
    ]


def test_huge_amounts_leave_no_residue(table: Build) -> None:
    # With floating-point rolling sums, cents are lost beside 1e12 and stay lost.
    small = [
        {"amount": 0.01 * (1 + number % 7), "after": HOUR * number / 50} for number in range(400)
    ]
    huge = [{"amount": 1e12 / 3, "after": HOUR * number} for number in (1, 2, 3)]
    rows = table([*small, *huge])
    found = feature_table(
        rows.lazy(),
        is_target=pl.lit(True),
        engine=Engine(),
        catalogue=Catalogue((WindowFeature("payer", "sum", HOUR),)),
    ).collect()
    at = rows.sort("occurred_at", "transaction_id")["occurred_at"].to_list()
    sent = rows.sort("occurred_at", "transaction_id")["amount"].to_list()
    for row, when in enumerate(at):
        cents = sum(
            round(100 * amount) for amount, then in zip(sent, at, strict=True)
            if when - HOUR <= then < when
        )  # fmt: skip
        assert found["payer_amount_sum_1h"][row] == pytest.approx(cents / 100, rel=1e-6)
    assert found["payer_amount_sum_1h"].min() == 0.0


@pytest.mark.parametrize("engine", ["cpu", "cpu-streaming"])
def test_history_is_needed_to_its_earliest_microsecond(
    table: Build, tmp_path: Path, engine: EngineName
) -> None:
    feature = WindowFeature("payer", "count", DAY, delay=WEEK)
    rows = table([{}, {"after": TICK}, {"after": 8 * DAY}])
    found = feature_table(
        rows.lazy(),
        is_target=pl.col("transaction_id") == "t002",
        engine=Engine(engine),
        catalogue=Catalogue((feature,)),
        scratch=tmp_path,
    )
    assert found.collect()[feature.name].to_list() == [2]


def test_only_targets_are_returned_in_order_of_time_and_id(table: Build) -> None:
    rows = table([{"after": DAY}, {"after": HOUR}, {"after": HOUR}, {}])
    found = feature_table(
        rows.lazy(),
        is_target=pl.col("transaction_id") != "t003",
        engine=Engine(),
        catalogue=Catalogue((WindowFeature("payer", "count", WEEK),)),
    ).collect()
    assert found["transaction_id"].to_list() == ["t001", "t002", "t000"]
    assert found["payer_count_7d"].to_list() == [1, 1, 3]


@pytest.mark.parametrize("targets", [True, False])
def test_no_rows_and_no_targets_give_an_empty_table(table: Build, targets: bool) -> None:  # noqa: FBT001 - a case of the test
    rows = table([{}, {}]).clear() if targets else table([{}, {}])
    found = feature_table(rows.lazy(), is_target=pl.lit(targets), engine=Engine()).collect()
    assert found.height == 0
    assert found.columns[2:] == [feature.name for feature in CATALOGUE]


def test_an_infinite_amount_is_an_error_not_a_wrong_sum(table: Build) -> None:
    rows = table([{"amount": float("inf")}, {}])
    with pytest.raises(pl.exceptions.InvalidOperationError):
        values(rows, WindowFeature("payer", "sum", DAY))
