"""Windows of drift, and what is to be thought of each: a data fault, drift, or nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from gpu_ops.drift import LEAST_ROWS, Distances
from gpu_ops.splits import DAY, Window

FIRST_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
"""Windows are counted from here, whatever a feed's first transaction is: weeks begin on Monday."""

IN_A_ROW: Final = 2
"""One bad window may be a holiday; two in a row are asked about."""

_NAMED: Final = 10
"""How many columns a reason names."""


class Condition(StrEnum):
    """What a window, or one column in it, is found to be."""

    STABLE = "stable"
    MOVED = "moved"
    DRIFT = "drift"
    DATA_FAULT = "data fault"
    TOO_FEW = "too few rows"


@dataclass(frozen=True)
class DriftBounds:
    """From where on a difference counts.

    Attributes:
        psi: Stability index from which a column or the score has moved.
        feature_share: Share of the features, moved, from which the window is bad.
        metric_loss: How far a figure on labels may fall below that at registration.
        score_ratio: Mean score over fraud rate, lowest and highest.
        min_positives: Frauds below which figures on labels say nothing.
        null_jump: Rise of a column's share of absent values that is a data fault.
        volume_share: Rows a day, as a share of the reference's, below which data are missing.
        rejected_rise: Rise of the share of duplicate and quarantined rows that is a data fault.
    """

    psi: float = 0.2
    feature_share: float = 0.5
    metric_loss: float = 0.03
    score_ratio: tuple[float, float] = (0.8, 1.25)
    min_positives: int = 50
    null_jump: float = 0.2
    volume_share: float = 0.5
    rejected_rise: float = 0.05


@dataclass(frozen=True)
class Arrivals:
    """What arrived in a window.

    Attributes:
        rows: Accepted transactions.
        days: Length of the window.
        received: Rows of the files that reach into it.
        rejected: Duplicate and quarantined ones among them.
    """

    rows: int
    days: float
    received: int = 0
    rejected: int = 0

    @property
    def a_day(self) -> float:
        """Accepted transactions a day."""
        return self.rows / self.days

    @property
    def rejected_share(self) -> float:
        """Of the received rows, 0..1."""
        return self.rejected / self.received if self.received else 0.0


@dataclass(frozen=True)
class WindowFinding:
    """What sensors and checks need to know of one window.

    Attributes:
        window: Which.
        condition: Data fault before drift before stable.
        reasons: Why, one sentence each; they name the columns.
        is_bad: Features or score have moved, and no data fault explains it.
        labels_fell: Whether figures on labels fell; None while labels are not mature, say nothing,
            or data are at fault.
    """

    window: Window
    condition: Condition
    reasons: tuple[str, ...] = ()
    is_bad: bool = False
    labels_fell: bool | None = None


def whole_windows(since: datetime, until: datetime, length: timedelta, most: int) -> list[Window]:
    """The last whole windows between two moments, oldest first.

    They lie on a fixed grid of event time, so what is found of one does not depend on when, how
    often or in what order files were looked at.

    Args:
        since: No window begins before.
        until: The latest transaction; the window that it lies in is not whole yet.
        length: Of each.
        most: How many at most.
    """
    last = (until - FIRST_MONDAY) // length
    first = max(-((FIRST_MONDAY - since) // length), last - most)
    return [
        Window(FIRST_MONDAY + number * length, FIRST_MONDAY + (number + 1) * length)
        for number in range(first, last)
    ]


def volume_faults(reference: Arrivals, current: Arrivals, bounds: DriftBounds) -> list[str]:
    """Faults of what arrived: too little, or too much of it refused."""
    faults = []
    if current.a_day < bounds.volume_share * reference.a_day:
        faults.append(f"{current.a_day:.4g} rows a day instead of {reference.a_day:.4g}")
    rise = current.rejected_share - reference.rejected_share
    if rise >= bounds.rejected_rise:
        faults.append(
            f"{current.rejected_share:.1%} of the rows are duplicates or quarantined "
            f"instead of {reference.rejected_share:.1%}"
        )
    return faults


def column_condition(
    found: Distances | None, *, is_constant: bool, bounds: DriftBounds
) -> Condition:
    """What one column is found to be; faults of the data come first."""
    if found is None:
        return Condition.TOO_FEW
    if is_constant or found.null_share - found.reference_null_share >= bounds.null_jump:
        return Condition.DATA_FAULT
    return Condition.MOVED if found.psi >= bounds.psi else Condition.STABLE


def window_finding(
    window: Window,
    faults: Sequence[str],
    columns: Mapping[str, Condition],
    settled: Collection[str],
    score: str,
    *,
    labels_fell: Sequence[str] | None,
    bounds: DriftBounds,
) -> WindowFinding:
    """What a window is found to be.

    Args:
        window: Which.
        faults: Of what arrived.
        columns: What each column is found to be, the score among them; reasons name them in order.
        settled: Columns whose share of moved ones counts. One that looks back beyond the first
            transaction was still filling up in training: it moves although the world does not.
        score: Its name.
        labels_fell: Figures on labels that fell, a sentence each; None where there are none yet.
        bounds: From where on.
    """
    broken = [name for name, one in columns.items() if one is Condition.DATA_FAULT]
    if broken:
        faults = [*faults, f"absent or constant: {_listed(broken)}"]
    if faults:
        return WindowFinding(window, Condition.DATA_FAULT, tuple(faults))
    fell = None if labels_fell is None else bool(labels_fell)
    told = list(labels_fell or ())
    moved = [name for name, one in columns.items() if one is Condition.MOVED]
    counted = [name for name in moved if name in settled]
    is_bad = score in moved or (
        bool(counted) and len(counted) >= bounds.feature_share * len(settled)
    )
    if moved:
        told.append(f"moved: {_listed(moved)}")
    if is_bad or fell:
        condition = Condition.DRIFT
    elif all(one is Condition.TOO_FEW for one in columns.values()):
        condition, told = Condition.TOO_FEW, [f"fewer than {LEAST_ROWS} rows on one side"]
    else:
        condition = Condition.MOVED if moved else Condition.STABLE
    return WindowFinding(window, condition, tuple(told), is_bad, fell)


def retraining_due(findings: Sequence[WindowFinding]) -> Window | None:
    """The last of two bad windows in a row, if the latest are; None if nothing is to be asked.

    Labels come later than transactions, so there are two latest: that of the whole windows, for
    features and score, and that of the windows with mature labels.

    Args:
        findings: Of one feed and model, in order of time.
    """
    labelled = [one for one in findings if one.labels_fell is not None]
    for series, bad in (
        (list(findings), [one.is_bad for one in findings]),
        (labelled, [bool(one.labels_fell) for one in labelled]),
    ):
        last = [one.window for one in series[-IN_A_ROW:]]
        if len(last) == IN_A_ROW and all(bad[-IN_A_ROW:]) and last[0].end == last[1].start:
            return last[1]
    return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def days(window: Window) -> float:
    """Length of a window in days."""
    return window.length / DAY
