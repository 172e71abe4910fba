from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from fraud_assets.training import label_maturity

AT = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def labelled(*rows: tuple[bool | None, float | None]) -> pl.LazyFrame:
    """Rows of (label, days until it was known)."""
    return pl.LazyFrame(
        {
            "occurred_at": [AT] * len(rows),
            "is_fraud": [label for label, _ in rows],
            "label_known_at": [None if days is None else AT + days * DAY for _, days in rows],
        },
        schema={
            "occurred_at": pl.Datetime("us", "UTC"),
            "is_fraud": pl.Boolean,
            "label_known_at": pl.Datetime("us", "UTC"),
        },
    )


def test_frauds_that_are_known_soon_do_not_shorten_the_gap() -> None:
    rows = labelled((True, 0.5), (True, 1.0), (False, 7.0), (False, 7.0), (None, None))
    assert label_maturity(rows, DAY) == 7 * DAY


def test_a_late_fraud_does_not_lengthen_it() -> None:
    assert label_maturity(labelled((True, 31.0), (False, 7.0)), DAY) == 7 * DAY


def test_one_late_label_in_two_hundred_does_not_count() -> None:
    rows = labelled(*[(False, 2.0)] * 199, (False, 90.0))
    assert label_maturity(rows, DAY) == 2 * DAY
    assert label_maturity(labelled(*[(False, 2.0)] * 9, (False, 90.0)), DAY) == 90 * DAY


@pytest.mark.parametrize(("declared", "expected"), [(10 * DAY, 10 * DAY), (None, 7 * DAY)])
def test_the_declared_delay_is_the_least(declared: timedelta | None, expected: timedelta) -> None:
    assert label_maturity(labelled((False, 1.0)), declared) == expected
    assert label_maturity(labelled((True, 1.0)), declared) == expected
