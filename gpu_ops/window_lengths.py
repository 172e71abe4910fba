"""Windows no longer than an entity lives, so that more entities fit on one timeline."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

import polars as pl

from gpu_ops.windows import MICROSECOND


class Looking(Protocol):
    """A feature that looks back."""

    @property
    def name(self) -> str:
        """Column name."""

    def within(self, lookback: timedelta) -> timedelta:
        """How far it looks back in a catalogue of this look-back."""


def window_lengths(
    features: Iterable[Looking], lookback: timedelta, entities: pl.DataFrame
) -> dict[str, int]:
    """Tell the length of each feature's window, by name, in microseconds.

    Args:
        features: with or without a window of their own.
        lookback: of the catalogue, for those without.
        entities: ``first_at`` and ``last_at`` (`gpu_ops.timelines`). None has rows further apart
            than the longest of them; a window that reaches further sees no more.
    """
    if entities.is_empty():
        longest = 0
    else:
        longest = int(entities.select((pl.col("last_at") - pl.col("first_at")).max()).item())
    return {one.name: min(one.within(lookback) // MICROSECOND, longest + 1) for one in features}
