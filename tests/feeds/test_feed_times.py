from datetime import UTC, date, datetime

import polars as pl
import pytest

from fraud_assets.feeds.model import TimeStep
from fraud_assets.feeds.times import read_times, step_times


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", utc(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02 03:04:05", utc(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04", utc(2026, 1, 2, 3, 4)),
        ("2026-01-02", utc(2026, 1, 2)),
        ("2026-01-02T03:04:05.5Z", utc(2026, 1, 2, 3, 4, 5, 500_000)),
        ("2026-01-02T03:04:05.123456", utc(2026, 1, 2, 3, 4, 5, 123_456)),
        ("2026-01-02T03:04:05.123456789Z", utc(2026, 1, 2, 3, 4, 5, 123_456)),
        ("2026-01-02T03:04:05.500000+00:00", utc(2026, 1, 2, 3, 4, 5, 500_000)),
        ("2026-01-02T03:04Z", utc(2026, 1, 2, 3, 4)),
        ("2026-01-02T03:04:05+05:30", utc(2026, 1, 1, 21, 34, 5)),
        ("2026-01-02 03:04:05.25-0100", utc(2026, 1, 2, 4, 4, 5, 250_000)),
        (" 2026-01-02 ", utc(2026, 1, 2)),
        ("2026-01-02T25:00:00Z", None),
        ("2026-01-02T03:04:05Zx", None),
        ("02.01.2026", None),
        ("", None),
        ("1767322800", None),
    ],
)
def test_iso_texts(text: str, expected: datetime | None) -> None:
    # The first value decides which format is tried first; it must not decide the answer.
    zoned = "2026-05-05T05:05:05.000000+00:00"
    for texts in (
        [text],
        ["2026-05-05T05:05:05Z", text],
        [zoned, text],
        ["2026-05-05", None, text],
    ):
        assert read_times(pl.Series("at", texts), ["iso"], "UTC").to_list()[-1] == expected


def test_epochs_as_numbers_and_texts() -> None:
    at = utc(2026, 1, 2, 3, 4, 5)
    seconds = 1_767_323_045
    for unit, factor in (("epoch_s", 1), ("epoch_ms", 1000), ("epoch_us", 1_000_000)):
        for values in ([seconds * factor], [str(seconds * factor)], [float(seconds * factor)]):
            assert read_times(pl.Series("at", values), [unit], "UTC").to_list() == [at]
    odd = pl.Series("at", ["1767323045.25", "NaN", "inf", "x", "1767323045000000", "-1e30"])
    assert read_times(odd, ["epoch_s"], "UTC").to_list() == [
        utc(2026, 1, 2, 3, 4, 5, 250_000), None, None, None, utc(9999, 12, 31), utc(1, 1, 1),
    ]  # fmt: skip


def test_formats_are_tried_in_order() -> None:
    values = pl.Series("at", ["12/25/2026", "03/04/2026", "25/12/2026", "13/13/2026"])
    assert read_times(values, ["%d/%m/%Y", "%m/%d/%Y"], "UTC").to_list() == [
        utc(2026, 12, 25), utc(2026, 4, 3), utc(2026, 12, 25), None,
    ]  # fmt: skip


def test_local_times_and_the_hours_that_clocks_repeat_or_skip() -> None:
    values = pl.Series("at", ["2026-10-25 02:30:00", "2026-03-29 02:30:00", "2026-07-01 12:00:00"])
    assert read_times(values, ["iso"], "Europe/Brussels").to_list() == [
        utc(2026, 10, 25, 0, 30), None, utc(2026, 7, 1, 10),
    ]  # fmt: skip
    assert read_times(
        pl.Series("at", ["2026-07-01T12:00:00Z"]), ["iso"], "Europe/Brussels"
    ).to_list() == [utc(2026, 7, 1, 12)]


def test_stored_times_are_taken_as_they_are() -> None:
    naive = pl.Series("at", [datetime(2026, 7, 1, 12)], dtype=pl.Datetime("ns"))  # noqa: DTZ001 the case
    assert read_times(naive, ["iso"], "UTC").to_list() == [utc(2026, 7, 1, 12)]
    assert read_times(naive, ["iso"], "Europe/Brussels").to_list() == [utc(2026, 7, 1, 10)]
    zoned = pl.Series("at", [utc(2026, 7, 1, 12)]).dt.convert_time_zone("America/New_York")
    assert read_times(zoned, ["iso"], "Europe/Brussels").to_list() == [utc(2026, 7, 1, 12)]
    assert read_times(pl.Series("at", [date(2026, 7, 1)]), ["iso"], "UTC").to_list() == [
        utc(2026, 7, 1)
    ]


def test_steps() -> None:
    hours = TimeStep(step="s", unit="hour", start=utc(2026, 1, 1), first_step=1)
    days = TimeStep(step="s", unit="day", start=utc(2026, 1, 1))
    assert step_times(pl.Series("s", [1, 2, 744]), hours).to_list() == [
        utc(2026, 1, 1), utc(2026, 1, 1, 1), utc(2026, 1, 31, 23),
    ]  # fmt: skip
    texts = pl.Series("s", ["0", "31", "1.5", "x", "", "NaN", "1e30"])
    assert step_times(texts, days).to_list() == [
        utc(2026, 1, 1), utc(2026, 2, 1), None, None, None, None, utc(9999, 12, 31),
    ]  # fmt: skip
