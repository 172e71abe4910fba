from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import polars as pl
import pytest

from gpu_ops.label_maturity import label_maturity

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)
# Age of the transaction in days, label, days from it until the label was known.
Row: TypeAlias = tuple[float, bool | None, float | None]


def maturity(*rows: Row, declared: timedelta | None = DAY, now_day: float = 300) -> timedelta:
    """The maturity of rows of a feed that began 300 days before `now`, if not told otherwise."""
    now = FIRST + now_day * DAY
    at = [now - age * DAY for age, _, _ in rows]
    known = [
        None if days is None else min(one, NEVER - days * DAY) + days * DAY
        for one, (_, _, days) in zip(at, rows, strict=True)
    ]
    raw = pl.LazyFrame(
        {"occurred_at": at, "is_fraud": [label for _, label, _ in rows], "label_known_at": known},
        schema={
            "occurred_at": pl.Datetime("us", "UTC"),
            "is_fraud": pl.Boolean,
            "label_known_at": pl.Datetime("us", "UTC"),
        },
    )
    return label_maturity(raw, declared, first=FIRST, now=now)


def old(*labels: tuple[bool | None, float | None]) -> list[Row]:
    return [(200.0, label, days) for label, days in labels]


def test_frauds_that_are_known_soon_do_not_shorten_the_gap() -> None:
    rows = old((True, 0.5), (True, 1.0), (False, 7.0), (False, 7.0), (None, None))
    assert maturity(*rows) == 7 * DAY


def test_a_late_fraud_does_not_lengthen_it() -> None:
    assert maturity(*old((True, 31.0), (False, 7.0))) == 7 * DAY


def test_one_late_label_in_two_hundred_does_not_count() -> None:
    assert maturity(*old(*[(False, 2.0)] * 199, (False, 90.0))) == 2 * DAY
    assert maturity(*old(*[(False, 2.0)] * 9, (False, 90.0))) == 90 * DAY


@pytest.mark.parametrize(("declared", "expected"), [(10 * DAY, 10 * DAY), (None, 7 * DAY)])
def test_the_declared_delay_is_the_least(declared: timedelta | None, expected: timedelta) -> None:
    assert maturity(*old((False, 1.0)), declared=declared) == expected
    assert maturity(*old((True, 1.0)), declared=declared) == expected


def test_it_is_in_whole_days_rounded_up() -> None:
    assert maturity(*old((False, 7.0))) == 7 * DAY
    assert maturity(*old((False, 7.001))) == 8 * DAY
    assert maturity(*old((False, 7.999))) == 8 * DAY


def test_labels_that_never_come_do_not_count() -> None:
    rows = old(*[(False, 3.0)] * 95)
    assert maturity(*rows, *old(*[(False, 3_000_000.0)] * 5)) == 3 * DAY


def test_a_label_that_becomes_known_tomorrow_or_now_changes_nothing() -> None:
    known = old(*[(False, 3.0)] * 50)
    for days in (200.0, 201.0):
        assert maturity(*known, *old((False, days))) == 3 * DAY
    assert maturity(*known, *old((False, 199.5))) == 200 * DAY


def test_many_young_rows_of_which_only_quick_labels_are_known_do_not_shorten_it() -> None:
    # Half of the labels take 2 days and half 20, in the young rows too; of these, the slow
    # halves are not known yet.
    seasoned: list[Row] = [(120.0, False, 2.0), (120.0, False, 20.0)] * 5
    young: list[Row] = [(3.0, False, 2.0), (3.0, False, 20.0)] * 2_000
    assert maturity(*seasoned, *young) == 20 * DAY


def test_rows_of_a_third_of_the_age_of_the_first_are_old_enough() -> None:
    assert maturity((100.0, False, 30.0)) == 30 * DAY
    assert maturity((99.9, False, 30.0)) == DAY
