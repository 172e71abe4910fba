"""One search over the deeds of a view, for every shape of ring."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.pattern_candidate import Found
from gpu_ops.pattern_fans import fans_in, fans_out
from gpu_ops.pattern_flows import gather_scatters, scatter_gathers
from gpu_ops.pattern_ordinary import View
from gpu_ops.pattern_paths import chains, cycles
from gpu_ops.ring_building import Ring
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from gpu_ops.threads import side_by_side

_SEARCHES: Final = (fans_in, fans_out, gather_scatters, scatter_gathers, cycles, chains)


def candidates_of(view: View, params: RingParams, begin: int) -> Found:
    """Return the possible rings whose last deed is not earlier than a moment.

    Args:
        view: the deeds.
        params: see `RingParams`.
        begin: microseconds.
    """
    found = Found()
    if view.deeds.at.size:
        for part in side_by_side([partial(one, view, params, begin) for one in _SEARCHES]):
            found.add(part)
    return found


def ring_table(rings: Iterable[Ring], schema: dict[str, pl.DataType] = RING_SCHEMA) -> pl.DataFrame:
    """Return rings as a table of `RING_SCHEMA`, or with more of their fields."""
    kept = list(rings)
    if not kept:
        return pl.DataFrame(schema=schema)
    columns = {name: [getattr(ring, name) for ring in kept] for name in schema}
    lists = {name: _lists(columns.pop(name)) for name in ("accounts", "transaction_ids")}
    return pl.DataFrame(
        {name: lists[name] if name in lists else columns[name] for name in schema}, schema=schema
    )


def _lists(values: list[tuple[str, ...]]) -> pl.Series:
    """Return tuples of one item or more as lists: made of one column, several times faster."""
    row = np.repeat(np.arange(len(values)), [len(one) for one in values])
    items = pl.Series(list(chain.from_iterable(values)), dtype=pl.String)
    table = pl.DataFrame({"row": row, "items": items})
    return table.group_by("row", maintain_order=True).agg("items")["items"]


def end_of(day: int) -> datetime:
    """Return the last microsecond of a UTC day, counted since 1970."""
    midnight = datetime.combine(date(1970, 1, 1), time(), UTC) + timedelta(days=day + 1)
    return midnight - timedelta(microseconds=1)
