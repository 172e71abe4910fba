"""How old a transaction must be before its label can be expected to be known."""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from gpu_ops.splits import usable_labels

DEFAULT_LABEL_DELAY: Final = timedelta(days=7)
"""Where a feed says no label delay: chargebacks take about a week."""

SHARE: Final = 0.99
"""Of the legitimate labels, known at the age of maturity; the rest may take as long as it likes."""


def label_maturity(
    raw: pl.LazyFrame, declared: timedelta | None, *, first: datetime, now: datetime
) -> timedelta:
    """The age at which 99 % of the legitimate labels of a feed are known, seen or declared.

    Frauds are often known sooner than the rest: in a window that ends too late only they have
    labels, so frauds look several times as frequent as they are, and every calibration on it is
    wrong. Hence the gaps between the windows must not be shorter than this.

    Only labels known before `now` count. One that is announced for later is the future, and one
    for the year 9999 means that it will never come: neither says how long labels take. But of
    young rows only the quick labels are known by now (they are right-truncated), and among all
    rows these would make the quantile too short. So rows count that are at least a third as old
    as the first. That is enough: a split needs three maturities between the first transaction
    and now, two gaps and the young end that is left out. A maturity of more than that third
    allows no split, and a shorter one is seen whole in rows of that age. It is not too much
    either: all rows that may become the training window are old enough.

    Args:
        raw: `occurred_at`, `is_fraud` and `label_known_at` of a feed.
        declared: The feed's own label delay.
        first: Earliest transaction that a window may hold.
        now: Nothing that becomes known at this moment or later is looked at.

    Returns:
        The greater of the declared delay (a week without one) and what 99 % of the legitimate
        labels took, in whole days rounded up, so that a few more rows do not move the windows.
    """
    at = pl.col("occurred_at")
    is_old_enough = at <= pl.lit((now - (now - first) / 3).astimezone(UTC))
    # Unknown as of now is null, and a filter takes null as false.
    is_legitimate = ~usable_labels(now)
    taken = (pl.col("label_known_at") - at).dt.total_microseconds()
    longest = (
        raw.filter(is_old_enough & is_legitimate)
        .select(taken.quantile(SHARE, interpolation="higher"))
        .collect()
        .item()
    )
    asked = DEFAULT_LABEL_DELAY if declared is None else declared
    return asked if longest is None else max(asked, _whole_days(int(longest)))


def _whole_days(microseconds: int) -> timedelta:
    day = timedelta(days=1)
    return -(-timedelta(microseconds=microseconds) // day) * day
