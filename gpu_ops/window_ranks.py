"""Ranks of amounts within an entity's past: the one statistic that is no lazy plan."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gpu_ops.read_only import read_only
from gpu_ops.window_features import WindowFeature
from gpu_ops.windows import Horizon


def with_ranks(
    table: pl.DataFrame,
    timeline: pl.DataFrame,
    features: Sequence[WindowFeature],
    exact: frozenset[str],
    horizon: Horizon,
) -> pl.DataFrame:
    """Add the rank features of a timeline to its other features.

    It runs on the CPU with every engine, by the same compiled code, so that all give the same.

    Args:
        table: features of the timeline's targets, in its order.
        timeline: as `gpu_ops.windows.window_plan` takes it.
        features: of the entity, all with the statistic ``rank``.
        exact: names that stay Float64.
        horizon: how far back they look on this timeline.
    """
    if not features:
        return table
    from gpu_ops.rank_kernel import window_ranks

    origin, key = (read_only(timeline[name].to_numpy()) for name in ("origin", "key"))
    target = timeline["target"].to_numpy()
    ranks = []
    for one in features:
        value = timeline[one.column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        found = window_ranks(origin, key, read_only(value), *horizon.window(one))
        dtype = pl.Float64() if one.name in exact else one.dtype
        column = pl.Series(one.name, found[target], nan_to_null=True)
        ranks.append(column.cast(dtype))
    return table.with_columns(ranks)
