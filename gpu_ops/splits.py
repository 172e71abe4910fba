"""Windows of time for training, validation and test, with a gap for labels between them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_SPARE_DAYS: Final = 4
"""One day a window, and one lost by starting the test at midnight."""


class SplitImpossibleError(ValueError):
    """The transactions do not span enough time; the message says how much is needed."""


@dataclass(frozen=True)
class Window:
    """A half-open interval of event time, start <= occurred_at < end, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise ValueError("a window needs times with a time zone")
        if self.start >= self.end:
            raise ValueError(f"an empty window: {self.start} to {self.end}")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class TimeSplit:
    """Three windows in order, apart by at least the time that labels take.

    Whoever trains at the start of the test window knows the labels of the two other windows by
    then, and whoever trains at the start of the validation window those of the first.

    Attributes:
        train: Fits the forest and the booster.
        validation: Stops training early and calibrates.
        test: Measures; a whole number of UTC days from a midnight on, and the rest.
        label_delay: The least gap: the age at which nearly all labels are known, however soon
            the feed expects them.
    """

    train: Window
    validation: Window
    test: Window
    label_delay: timedelta

    def __post_init__(self) -> None:
        gaps = (self.validation.start - self.train.end, self.test.start - self.validation.end)
        if self.label_delay < timedelta(0) or min(gaps) < self.label_delay:
            raise ValueError(f"gaps of {gaps[0]} and {gaps[1]}, label delay {self.label_delay}")


def time_split(
    event_from: datetime,
    event_to: datetime,
    label_delay: timedelta,
    train_share: float = 0.6,
    validation_share: float = 0.15,
) -> TimeSplit:
    """Splits a span of event time.

    What is left of the span without two label delays is shared out: validation and test get
    their share in whole days, at least one each, training the rest. The test window starts at a
    UTC midnight, since alert capacity is counted by UTC day, and ends with the span.

    Args:
        event_from: Earliest transaction.
        event_to: Latest transaction, inclusive.
        label_delay: Least gap before validation and before test.
        train_share: Of the span without the gaps.
        validation_share: Of the same; the test window gets what is left.

    Raises:
        SplitImpossibleError: The span is too short; the message says needed and found.
        ValueError: A share is not positive, or they leave nothing for the test.
    """
    if train_share <= 0 or validation_share <= 0 or train_share + validation_share >= 1:
        raise ValueError(f"shares {train_share} and {validation_share} leave a window empty")
    end = event_to.astimezone(UTC) + _MICROSECOND
    start = event_from.astimezone(UTC)
    # Compared before it is subtracted: a delay of centuries leads out of the calendar.
    if label_delay > (end - start) / 2:
        raise _too_short(end - start, label_delay)
    shared = end - start - 2 * label_delay
    days = shared / DAY
    validation_days = max(1, round(days * validation_share))
    test_days = max(1, round(days * (1 - train_share - validation_share)))
    test_start = _midnight(end - test_days * DAY)
    validation_end = test_start - label_delay
    validation_start = validation_end - validation_days * DAY
    train_end = validation_start - label_delay
    if days < 1 or train_end - start < DAY:
        raise _too_short(end - start, label_delay)
    return TimeSplit(
        train=Window(start, train_end),
        validation=Window(validation_start, validation_end),
        test=Window(test_start, end),
        label_delay=label_delay,
    )


def matured_by(now: datetime, label_delay: timedelta, event_from: datetime) -> datetime:
    """The last moment of the last UTC day whose labels had `label_delay` to become known by now.

    A test window that ends later holds the frauds of its last days and few of the other rows,
    since frauds are known sooner. Whole days keep the windows where they are until tomorrow.

    Returns:
        Inclusive, as `event_to` of `time_split`. At most a day before `event_from` where the
        delay is longer than the time since: there is no such day then, and no split.
    """
    delay = min(label_delay, now - event_from)
    return _midnight((now - delay).astimezone(UTC)) - _MICROSECOND


def rows_in(window: Window) -> pl.Expr:
    """True for rows whose `occurred_at` lies in the window."""
    at = pl.col("occurred_at")
    return (at >= _literal(window.start)) & (at < _literal(window.end))


def in_sample(split: TimeSplit) -> pl.Expr:
    """True for rows that a model of this split was fitted, stopped or calibrated on."""
    return rows_in(split.train) | rows_in(split.validation)


def usable_labels(cutoff: datetime) -> pl.Expr:
    """`is_fraud` where it was known before `cutoff`, else null: what a trainer could see then."""
    known = pl.col("label_known_at") < _literal(cutoff)
    return pl.when(known).then(pl.col("is_fraud")).otherwise(None).alias("is_fraud")


def not_known_compromised(payer: str = "payer_id") -> pl.Expr:
    """False for rows of a payer whose fraud was known before the row's UTC day began.

    Such a card or account is blocked by then, so finding it again earns nothing: it leaves the
    test set (Fraud-Detection-Handbook, chapter 4.4). The frame must hold the payer's earlier
    rows too, so filter by window after this.
    """
    known_at = pl.when(pl.col("is_fraud")).then(pl.col("label_known_at")).otherwise(None)
    first_known = known_at.min().over(payer)
    return first_known.is_null() | (first_known >= pl.col("occurred_at").dt.truncate("1d"))


def enough_labels(
    frame: pl.LazyFrame | pl.DataFrame, split: TimeSplit, min_fraud: int
) -> list[str]:
    """Why the labels do not suffice to train, one reason a line; empty if they do.

    Training needs at least `min_fraud` frauds and as many legitimate rows, validation one of
    each. Only labels known before the test window starts count.

    Args:
        frame: Has `occurred_at`, `is_fraud`, `label_known_at`.
        split: The windows.
        min_fraud: Least number of known frauds.
    """
    label = usable_labels(split.test.start)
    windows = {"training": (split.train, min_fraud), "validation": (split.validation, 1)}
    counts = (
        frame.lazy()
        .select(
            (rows_in(window) & (label == is_fraud)).sum().alias(f"{name} {is_fraud}")
            for name, (window, _) in windows.items()
            for is_fraud in (True, False)
        )
        .collect()
        .row(0, named=True)
    )
    return [
        f"the {name} window ({window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}) has "
        f"{found} known {'frauds' if is_fraud else 'legitimate transactions'}; {needed} needed"
        for name, (window, needed) in windows.items()
        for is_fraud in (True, False)
        if (found := counts[f"{name} {is_fraud}"]) < needed
    ]


def _too_short(span: timedelta, label_delay: timedelta) -> SplitImpossibleError:
    found, gap = max(span, timedelta(0)) / DAY, label_delay / DAY
    return SplitImpossibleError(
        f"too short to train and test: {found:.1f} days of transactions found, "
        f"{2 * gap + _SPARE_DAYS:.1f} needed (two gaps of {gap:.1f} days and {_SPARE_DAYS} days)"
    )


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _literal(moment: datetime) -> pl.Expr:
    return pl.lit(moment.astimezone(UTC), dtype=pl.Datetime("us", "UTC"))
