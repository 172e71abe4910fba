from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.splits import (
    SplitImpossibleError,
    TimeSplit,
    Window,
    enough_labels,
    in_sample,
    matured_by,
    not_known_compromised,
    rows_in,
    time_split,
    usable_labels,
)

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def day(number: float) -> datetime:
    return START + number * DAY


SPLIT = TimeSplit(
    train=Window(day(0), day(10)),
    validation=Window(day(12), day(14)),
    test=Window(day(16), day(20)),
    label_delay=2 * DAY,
)


def rows(*values: tuple[float, bool | None, float | None]) -> pl.DataFrame:
    """Rows of (day of the event, label, day on which the label was known)."""
    return pl.DataFrame(
        {
            "occurred_at": pl.Series([day(event) for event, _, _ in values], dtype=TIME),
            "is_fraud": pl.Series([label for _, label, _ in values], dtype=pl.Boolean),
            "label_known_at": pl.Series(
                [None if known is None else day(known) for _, _, known in values], dtype=TIME
            ),
        }
    )


def test_a_split_by_hand() -> None:
    # 34 days without a microsecond; 34 - 2 * 7 = 20 are shared: 3 for validation, 5 for test.
    split = time_split(day(0), day(34) - timedelta(microseconds=1), 7 * DAY)
    assert split.test == Window(day(29), day(34))
    assert split.validation == Window(day(19), day(22))
    assert split.train == Window(day(0), day(12))


def test_the_test_window_starts_at_midnight_and_ends_with_the_last_transaction() -> None:
    last = day(30) + timedelta(hours=13)
    split = time_split(day(0.3), last, timedelta(hours=5))
    assert split.test.start == split.test.start.replace(hour=0, minute=0)
    assert split.test.end == last + timedelta(microseconds=1)
    assert split.train.start == day(0.3)


def test_other_time_zones_mean_the_same_moments() -> None:
    east = timezone(timedelta(hours=9))
    there = time_split(day(0).astimezone(east), day(40).astimezone(east), DAY)
    assert there == time_split(day(0), day(40), DAY)


def test_too_short_a_span_says_what_was_needed_and_found() -> None:
    with pytest.raises(SplitImpossibleError) as caught:
        time_split(day(0), day(10), 7 * DAY)
    assert str(caught.value) == (
        "too short to train and test: 10.0 days of transactions found, 18.0 needed (two gaps of "
        "7.0 days and 4 days)"
    )


@pytest.mark.parametrize("delay", [timedelta(days=2_912_442), timedelta.max])
def test_a_delay_that_leads_out_of_the_calendar_is_too_long(delay: timedelta) -> None:
    with pytest.raises(SplitImpossibleError, match="1000"):
        time_split(day(0), day(1_000) - timedelta(microseconds=1), delay)


def test_labels_have_matured_up_to_the_midnight_before_now_less_the_delay() -> None:
    just_before = timedelta(microseconds=1)
    assert matured_by(day(30), 7 * DAY, day(0)) == day(23) - just_before
    assert matured_by(day(30.9), 7 * DAY, day(0)) == day(23) - just_before
    # A delay that began before the first transaction leaves none.
    assert matured_by(day(30), timedelta.max, day(4.5)) == day(4) - just_before


def test_one_transaction_is_too_short() -> None:
    with pytest.raises(SplitImpossibleError):
        time_split(day(0), day(0), timedelta(0))


@pytest.mark.parametrize(("train", "validation"), [(0.0, 0.5), (0.5, 0.0), (0.8, 0.2)])
def test_shares_that_leave_a_window_empty_are_refused(train: float, validation: float) -> None:
    with pytest.raises(ValueError, match="leave a window empty"):
        time_split(day(0), day(100), DAY, train, validation)


def test_windows_that_are_empty_or_have_no_time_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="empty window"):
        Window(day(1), day(1))
    with pytest.raises(ValueError, match="time zone"):
        Window(datetime(2024, 1, 1), datetime(2024, 1, 2))  # noqa: DTZ001 - the mistake itself


def test_a_split_with_too_small_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="label delay"):
        TimeSplit(SPLIT.train, SPLIT.validation, SPLIT.test, 3 * DAY)


spans = st.floats(0.1, 500).map(lambda days: timedelta(seconds=round(days * 86_400)))
delays = st.integers(0, 60 * 24).map(lambda hours: timedelta(hours=hours))


@settings(deadline=None, max_examples=50)
@given(
    offset=st.integers(0, 86_400),
    span=spans,
    delay=delays,
    extra=st.integers(0, 5_000),
    data=st.data(),
)
def test_no_label_used_was_known_after_the_test_window_starts(
    offset: int, span: timedelta, delay: timedelta, extra: int, data: st.DataObject
) -> None:
    first = START + timedelta(seconds=offset)
    last = first + span
    try:
        split = time_split(first, last, delay)
    except SplitImpossibleError:
        assert span < 2 * delay + 4 * DAY
        return
    order = [split.train, split.validation, split.test]
    assert [window.start for window in order] == sorted(window.start for window in order)
    assert split.validation.start - split.train.end >= delay
    assert split.test.start - split.validation.end >= delay
    assert min(window.length for window in order) >= DAY
    assert (split.train.start, split.test.end) == (first, last + timedelta(microseconds=1))

    seconds = st.integers(0, int(span.total_seconds()))
    events = data.draw(st.lists(seconds, min_size=1, max_size=30))
    frame = pl.DataFrame(
        {
            "occurred_at": pl.Series([first + timedelta(seconds=s) for s in events], dtype=TIME),
            "is_fraud": [True] * len(events),
        }
    ).with_columns(label_known_at=pl.col("occurred_at") + delay + pl.duration(minutes=extra))
    used = frame.filter(in_sample(split) & usable_labels(split.test.start).is_not_null())
    assert (used["label_known_at"] < split.test.start).all()
    if extra == 0:
        # With the usual delay, the gaps are wide enough that no label is lost.
        assert used.height == frame.filter(in_sample(split)).height
    windows = [frame.filter(rows_in(window)).height for window in order]
    assert sum(windows) <= frame.height
    assert frame.filter(in_sample(split) & rows_in(split.test)).is_empty()


def test_windows_are_half_open() -> None:
    frame = rows((0, None, None), (9.999, None, None), (10, None, None), (-0.001, None, None))
    assert frame.select(rows_in(SPLIT.train)).to_series().to_list() == [True, True, False, False]


def test_in_sample_rows_are_those_of_training_and_validation() -> None:
    frame = rows(*((event, None, None) for event in (5, 11, 13, 15, 17, 25)))
    found = frame.select(in_sample(SPLIT)).to_series().to_list()
    assert found == [True, False, True, False, False, False]


def test_a_label_is_usable_strictly_after_it_was_known() -> None:
    frame = rows((1, True, 2), (1, False, 2.999), (1, True, 3), (1, True, None), (1, None, 2))
    found = frame.select(usable_labels(day(3))).to_series()
    assert found.to_list() == [True, False, None, None, None]
    assert found.name == "is_fraud"


def test_known_compromised_payers_leave_on_the_next_day() -> None:
    frame = rows((1, True, 3.5), (3.9, False, 9), (4.1, False, 9), (4.1, True, 9)).with_columns(
        payer_id=pl.Series(["a", "a", "a", "b"])
    )
    found = frame.select(not_known_compromised()).to_series().to_list()
    assert found == [True, True, False, True]


def test_enough_labels_name_window_found_and_needed() -> None:
    good = rows(
        (1, True, 2), (2, True, 3), (1, False, 2), (2, False, 3), (13, True, 15), (13, False, 15)
    )
    assert enough_labels(good, SPLIT, 2) == []
    window = "the training window (2024-01-01 00:00 to 2024-01-11 00:00)"
    assert enough_labels(good.lazy(), SPLIT, 3) == [
        f"{window} has 2 known frauds; 3 needed",
        f"{window} has 2 known legitimate transactions; 3 needed",
    ]


def test_a_label_known_too_late_does_not_count() -> None:
    late = rows((1, True, 17), (1, False, 2), (13, True, 16), (13, False, 15))
    assert enough_labels(late, SPLIT, 1) == [
        "the training window (2024-01-01 00:00 to 2024-01-11 00:00) has 0 known frauds; 1 needed",
        "the validation window (2024-01-13 00:00 to 2024-01-15 00:00) has 0 known frauds; 1 needed",
    ]
