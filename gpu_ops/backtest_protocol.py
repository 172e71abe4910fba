"""The folds of a backtest: what is trained on, what is tested, and who has left the test by then.

The protocol is that of the Fraud Detection Handbook (Le Borgne et al. 2022), chapters 3.4 and 5.2:
a training window, a delay in which its labels become known, a test window; each fold lies a week
before the one above it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Final, Literal

import polars as pl

from gpu_ops.labels import labels_at, no_events
from gpu_ops.splits import Window, not_known_compromised, rows_in

Removal = Literal["published", "known"]
Party = Literal["payer_id", "payee_id"]

STEP_DAYS: Final = 7
"""Days between a fold and the next."""

LEAST_GAP: Final = 2
"""A fold may choose by folds that lie this many before it: their labels are known by then."""


class BacktestError(ValueError):
    """The data do not allow the folds that were asked for; the message says what to do."""


@dataclass(frozen=True)
class Fold:
    """One round of training and testing.

    Attributes:
        number: 0 for the latest.
        train: Whose labelled rows are trained on.
        test: Whole UTC days whose rows are scored. Labels known at its start or later are out of
            training.
        delay_days: Days between the two.
    """

    number: int
    train: Window
    test: Window
    delay_days: int

    @property
    def cutoff(self) -> datetime:
        """Training may use what was known strictly before."""
        return self.test.start


@dataclass(frozen=True)
class BacktestProtocol:
    """Where the folds lie.

    Args:
        train_start: First training day of fold 0, UTC. Fold i starts 7 x i days earlier.
        train_days: Length of the training window.
        delay_days: Between the end of training and the first test day.
        test_days: Length of the test window.

    Raises:
        ValueError: A window is empty or the delay negative.
    """

    train_start: date
    train_days: int = 7
    delay_days: int = 7
    test_days: int = 7

    def __post_init__(self) -> None:
        if self.train_days < 1 or self.test_days < 1 or self.delay_days < 0:
            raise ValueError("windows need a day at least, and the delay must not be negative")

    def fold(self, number: int) -> Fold:
        """The fold that starts 7 x `number` days before the first.

        Raises:
            BacktestError: It starts before the calendar does.
        """
        try:
            first = self.train_start - timedelta(days=STEP_DAYS * number)
        except OverflowError as error:
            raise BacktestError(
                f"fold {number} starts before the calendar; ask for fewer"
            ) from error
        start = datetime.combine(first, clock(), UTC)
        end = start + timedelta(days=self.train_days)
        test = end + timedelta(days=self.delay_days)
        length = timedelta(days=self.test_days)
        return Fold(number, Window(start, end), Window(test, test + length), self.delay_days)

    def folds(self, count: int, first: datetime, last: datetime) -> tuple[Fold, ...]:
        """The first `count` folds.

        Args:
            count: How many.
            first: Earliest transaction of the data.
            last: Latest transaction of the data.

        Raises:
            BacktestError: A training window begins before the data, or a test begins after them.
        """
        found = tuple(self.fold(number) for number in range(count))
        begins = first.astimezone(UTC).date()
        early = [fold for fold in found if fold.train.start.date() < begins]
        if early:
            possible = early[0].number
            raise BacktestError(
                f"fold {possible} trains from {early[0].train.start:%Y-%m-%d} on, but the data "
                f"begin on {begins}; "
                + (f"ask for {possible} folds at most" if possible else "start later")
            )
        if found and found[0].test.start > last:
            raise BacktestError(
                f"the test of fold 0 begins on {found[0].test.start:%Y-%m-%d}, but the data end on "
                f"{last.astimezone(UTC).date()}; start earlier"
            )
        return found


def training_rows(
    rows: pl.LazyFrame, fold: Fold, maturity: timedelta | None = None
) -> pl.LazyFrame:
    """The rows of the training window whose label was known before the test began.

    Args:
        rows: `occurred_at`, `is_fraud` (null is unknown) and `label_known_at`.
        fold: Whose window.
        maturity: As in `rows_known`.
    """
    return rows_known(rows, fold.train, fold.cutoff, maturity)


def rows_known(
    rows: pl.LazyFrame, window: Window, moment: datetime, maturity: timedelta | None = None
) -> pl.LazyFrame:
    """The rows of a window whose label was known before a moment, with that label.

    Args:
        rows: As in `training_rows`, with the label that stands to this day.
        window: Which rows.
        moment: Of which labels are asked.
        maturity: Age from which silence meant legitimate. A fraud reported later than that stood
            as legitimate until then, which nobody could tell from the others; None: it was
            unknown. With it rows need `transaction_id`.
    """
    chosen = rows.filter(rows_in(window))
    if maturity is not None:
        chosen = labels_at(chosen, no_events(), moment, maturity)
    cutoff = pl.lit(moment, dtype=pl.Datetime("us", "UTC"))
    known = pl.col("is_fraud").is_not_null() & (pl.col("label_known_at") < cutoff)
    return chosen.filter(known)


def rows_to_test(rows: pl.LazyFrame, fold: Fold, party: Party = "payer_id") -> pl.LazyFrame:
    """The rows of the test window with a label, and which of them count.

    Args:
        rows: All rows of the data: `occurred_at`, the party, `is_fraud` and `label_known_at`.
        fold: Whose window.
        party: Who leaves the test once found out.

    Returns:
        The rows in their order, with two flags. `published`: false on day D for whoever has a
        fraud on a UTC day from the start of training to D - delay - 1 day; that is the Handbook's
        `get_train_test_set`. `known`: false for whoever had a fraud, however long ago, whose label
        was known before D.
    """
    day = pl.col("occurred_at").dt.date()
    start = fold.train.start.date()
    first = (
        rows.filter(pl.col("is_fraud") & (day >= start))
        .group_by(party)
        .agg(first_fraud_day=day.min())
    )
    latest_removed = day - pl.duration(days=fold.delay_days + 1)
    is_free = pl.col("first_fraud_day").is_null() | (pl.col("first_fraud_day") > latest_removed)
    return (
        rows.with_columns(known=not_known_compromised(party))
        .filter(rows_in(fold.test) & pl.col("is_fraud").is_not_null())
        .join(first, on=party, how="left", maintain_order="left")
        .with_columns(published=is_free)
        .drop("first_fraud_day")
    )


def in_order_of_ids(ids: pl.Series) -> pl.Series:
    """Ids such that ties between them fall as a person would order them: whole numbers as such.

    Text would put account 10 before account 9, which is not the order of the published protocol.
    """
    numbers = ids.cast(pl.Int64, strict=False)
    return ids if numbers.null_count() else numbers
