"""What was known of the deeds of hand-written payments."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

import polars as pl

from gpu_ops import rings_known
from gpu_ops.pattern_known import known_view
from gpu_ops.pattern_ordinary import View
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known
from gpu_ops.ring_params import RingParams


def views_of(rows: pl.DataFrame, params: RingParams | None = None) -> tuple[RingState, View]:
    """Take all days in at once; return the state, and what was known of all deeds."""
    return _taken_in(RingState.empty("f"), rows, params)


def view_of_day(rows: pl.DataFrame, day: datetime) -> tuple[View, int]:
    """Take in the days before one, then that one.

    Returns:
        What was known of the deeds that rings of the last day may hold, and when the day began, in
        microseconds.
    """
    state, _ = as_known(RingState.empty("f"), rows.filter(pl.col("occurred_at") < day).lazy())
    _, view = _taken_in(state, rows.filter(pl.col("occurred_at") >= day), None)
    return view, int(day.timestamp()) * 1_000_000


def _taken_in(
    state: RingState, rows: pl.DataFrame, params: RingParams | None
) -> tuple[RingState, View]:
    with _views() as seen:
        state, _ = as_known(state, rows.lazy(), params=params)
    return state, seen[-1]


@contextmanager
def _views() -> Iterator[list[View]]:
    seen: list[View] = []

    def watched(
        kept: pl.DataFrame, totals: pl.DataFrame, begin: int, n_accounts: int, params: RingParams
    ) -> View:
        seen.append(known_view(kept, totals, begin, n_accounts, params))
        return seen[-1]

    with patch.object(rings_known, "known_view", watched):
        yield seen
