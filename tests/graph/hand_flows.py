"""Deeds as the compiled searches read them, written by hand on a feed of ten payments a day."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpu_ops.pattern_deeds import DAY, NEVER, side_of
from gpu_ops.read_only import read_only

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Flow, Scan, Side

Deed = tuple[float, int, int]
"""Day, payer, payee; in the order of time."""

N_ACCOUNTS = 900
WEIGHT = 500.0
"""Payments of the feed in which a payer or payee of its kind has one deed by chance."""

LAST: Deed = (49.0, 800, 801)
"""Of the last day: makes it 500 payments of the feed in all."""


def at(day: float) -> int:
    """Return microseconds since day 0."""
    return round(day * DAY)


def flow_of(
    deeds: Sequence[Deed],
    *,
    again: dict[int, float] | None = None,
    since: dict[int, float] | None = None,
    began: Sequence[int] = (),
    fresh: float = 1.0,
    weight: float = WEIGHT,
) -> "Flow":
    """Return deeds of a feed with ten payments a day, whose accounts differ as widely as may be.

    With a shape of 1 and nothing outside of a window, n deeds in it have the chance q^n, where q is
    its payments / (all payments + weight).

    Args:
        deeds: the deeds.
        again: by number, the day on which the pair's next deed follows.
        since: by number, the day from which on the deed is known to be ordinary.
        began: numbers of the deeds with which their payer only begins.
        fresh: share of deeds that do not just follow others.
        weight: see `WEIGHT`.
    """
    from gpu_ops.pattern_windows import Flow

    size = len(deeds)
    day = np.array([int(when) for when, _, _ in deeds])

    def moments(given: dict[int, float] | None) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([at(given[k]) if given and k in given else NEVER for k in range(size)])

    return Flow(
        number=read_only(np.arange(size)),
        source=np.array([payer for _, payer, _ in deeds], dtype=np.int32),
        target=np.array([payee for *_, payee in deeds], dtype=np.int32),
        at=np.array([at(when) for when, _, _ in deeds]),
        day=day,
        before=day * 10.0,
        through=(day + 1) * 10.0,
        again=moments(again),
        began=np.isin(np.arange(size), list(began)),
        since=read_only(moments(since)),
        shape=np.ones((2, size)),
        weight=np.full((2, size), weight),
        fresh=np.full((2, size), fresh),
        accounts=np.full(size, float(N_ACCOUNTS)),
    )


def paying(flow: "Flow") -> "Side":
    """Return the deeds by payer."""
    return side_of(flow.source, N_ACCOUNTS, 0)


def receiving(flow: "Flow") -> "Side":
    """Return the deeds by payee."""
    return side_of(flow.target, N_ACCOUNTS, 1)


def scan(
    *,
    fewest: int,
    known: bool = False,
    begin: float = 0.0,
    horizon: float = 30.0,
    hub: int = 100,
    least: float = 0.0,
) -> "Scan":
    """Return the bounds of a search, in days."""
    from gpu_ops.pattern_windows import Scan

    return Scan(known, at(begin), at(horizon), fewest, hub, least)
