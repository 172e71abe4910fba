from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from gpu_ops.backtest_protocol import (
    BacktestError,
    BacktestProtocol,
    in_order_of_ids,
    rows_to_test,
    training_rows,
)

PROTOCOL = BacktestProtocol(date(2018, 7, 25))


def moment(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2018, month, day, hour, tzinfo=UTC)


def table(*rows: tuple[str, datetime, bool | None, int]) -> pl.LazyFrame:
    """Payer, time, label, days until it is known."""
    return pl.LazyFrame(
        [
            (payer, at, fraud, None if fraud is None else at + timedelta(days=days))
            for payer, at, fraud, days in rows
        ],
        schema={
            "payer_id": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
            "is_fraud": pl.Boolean,
            "label_known_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )


def test_windows_by_date() -> None:
    first, second = PROTOCOL.folds(2, moment(4, 1), moment(8, 14))
    assert (first.train.start, first.train.end) == (moment(7, 25, 0), moment(8, 1, 0))
    assert (first.test.start, first.test.end) == (moment(8, 8, 0), moment(8, 15, 0))
    assert (second.number, second.train.start) == (1, moment(7, 18, 0))
    assert second.cutoff == moment(8, 1, 0)
    odd = BacktestProtocol(date(2018, 7, 25), train_days=3, delay_days=0, test_days=1).fold(2)
    assert (odd.train.start, odd.test.start) == (moment(7, 11, 0), moment(7, 14, 0))
    assert odd.test.end == moment(7, 15, 0)


def test_folds_outside_of_the_data_are_refused() -> None:
    told = r"fold 2 trains from 2018-07-11 on, .* on 2018-07-12; ask for 2 folds at most"
    with pytest.raises(BacktestError, match=told):
        PROTOCOL.folds(3, moment(7, 12), moment(8, 14))
    with pytest.raises(BacktestError, match=r"begin on 2018-07-26; start later"):
        PROTOCOL.folds(1, moment(7, 26), moment(8, 14))
    with pytest.raises(BacktestError, match=r"fold 0 begins on 2018-08-08, .* end on 2018-08-07"):
        PROTOCOL.folds(1, moment(4, 1), moment(8, 7))
    with pytest.raises(BacktestError, match="before the calendar"):
        PROTOCOL.fold(200_000)
    with pytest.raises(ValueError, match="a day at least"):
        BacktestProtocol(date(2018, 7, 25), test_days=0)


def test_training_needs_labels_known_before_the_test() -> None:
    rows = table(
        ("before", moment(7, 24, 23), True, 1),
        ("first", moment(7, 25, 0), True, 7),
        ("last", moment(7, 31, 23), False, 7),
        ("at the cut-off", moment(7, 31, 0), True, 8),
        ("a moment earlier", moment(7, 30, 23), True, 8),
        ("nobody knows", moment(7, 27), None, 0),
        ("after", moment(8, 1, 0), True, 1),
    )
    kept = training_rows(rows, PROTOCOL.fold(0)).collect()["payer_id"].to_list()
    assert kept == ["first", "last", "a moment earlier"]


def test_a_fraud_reported_after_maturity_is_trained_on_as_it_stood_then() -> None:
    """Silence meant legitimate after 5 days; the test begins on 8 August."""
    rows = table(
        ("reported in the test", moment(7, 25), True, 30),
        ("reported before it", moment(7, 25), True, 10),
        ("reported at once", moment(7, 25), True, 1),
        ("legitimate", moment(7, 25), False, 5),
    ).with_columns(transaction_id="payer_id")
    kept = training_rows(rows, PROTOCOL.fold(0), timedelta(days=5))
    assert dict(kept.select("payer_id", "is_fraud").collect().iter_rows()) == {
        "reported in the test": False,
        "reported before it": True,
        "reported at once": True,
        "legitimate": False,
    }


def test_who_leaves_the_test_by_either_rule() -> None:
    """Test days are 8 to 14 August; on day D the published rule looks at 25 July to D - 8."""
    frauds = {
        "before training": moment(7, 24),
        "first day": moment(7, 25, 0),
        "31 July": moment(7, 31, 23),
        "1 August": moment(8, 1, 0),
        "2 August": moment(8, 2, 0),
    }
    tested = [moment(8, 8), moment(8, 9), moment(8, 10)]
    rows = table(
        *((payer, at, True, 7) for payer, at in frauds.items()),
        ("found at once", moment(8, 1), True, 0),
        *((payer, at, False, 7) for payer in (*frauds, "found at once") for at in tested),
        ("31 July", moment(8, 8), None, 0),
    )
    found = rows_to_test(rows, PROTOCOL.fold(0)).collect()
    assert found.height == 18
    days = {
        rule: {
            payer: [at.day for at in found.filter(rule, payer_id=payer)["occurred_at"]]
            for payer in found["payer_id"].unique()
        }
        for rule in ("published", "known")
    }
    assert days["published"] == {
        "before training": [8, 9, 10],
        "first day": [],
        "31 July": [],
        "1 August": [8],
        "2 August": [8, 9],
        "found at once": [8],
    }
    # What was known at midnight of D counts from D + 1 on: known strictly before.
    assert days["known"] == {
        "before training": [],
        "first day": [],
        "31 July": [],
        "1 August": [8],
        "2 August": [8, 9],
        "found at once": [],
    }


def test_whole_numbers_are_ordered_as_such() -> None:
    assert in_order_of_ids(pl.Series(["10", "9"])).to_list() == [10, 9]
    assert in_order_of_ids(pl.Series(["10", "C9"])).to_list() == ["10", "C9"]
