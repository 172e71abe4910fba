"""The fuse: at most so many automatic blocks an interval, whatever a model says.

A model that goes wrong, or a feed that does, must not stop all payments. Beyond the cap a payment
that is to be blocked becomes an alert, and is counted.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from gpu_ops.decisions import ALERT, BLOCK

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Capped(NamedTuple):
    """Decisions under the cap.

    Attributes:
        decision: String (rows,), as before but for the blocks that were lowered.
        lowered: How many blocks became alerts.
        blocks: Interval's first moment, UTC, to how many blocks it has now.
    """

    decision: pl.Series
    lowered: int
    blocks: dict[datetime, int]


def capped_blocks(
    rows: pl.DataFrame,
    *,
    cap: int | None,
    interval: timedelta,
    used: Mapping[datetime, int] | None = None,
    allowed: Mapping[str, datetime] | None = None,
) -> Capped:
    """Lower the decisions `block` that go beyond a cap, or meet an allowed account, to `alert`.

    Intervals are aligned to 1970-01-01 UTC. Within one, the earliest payments keep their block, as
    they would in a service that decides one payment after the other; ties go by id. An allowed
    account's payment uses up no block.

    Args:
        rows: `transaction_id`, `occurred_at`, `decision` (String, may be null), `payer`, `payee`.
        cap: Most blocks an interval; None: no cap.
        interval: Its length, a microsecond at least.
        used: Blocks of intervals that were given before, as `blocks_by_interval` counts them.
        allowed: Account to the moment of event time, UTC, before which its payments are not
            blocked automatically.

    Returns:
        Decisions in the order of the rows.

    Raises:
        ValueError: The cap is negative, or the interval not positive.
    """
    if cap is not None and cap < 0:
        raise ValueError(f"a cap of {cap} blocks makes no sense; expected 0 or more")
    start = _start(interval)
    until = dict(allowed or {})
    blocks = (
        rows.lazy()
        .with_row_index("row")
        .filter(pl.col("decision") == BLOCK)
        .select(
            "row",
            "occurred_at",
            "transaction_id",
            is_allowed=_is_allowed("payer", until) | _is_allowed("payee", until),
            interval=start,
        )
        .sort("occurred_at", "transaction_id")
        .with_columns(place=(~pl.col("is_allowed")).cast(pl.Int64).cum_sum().over("interval"))
        .collect()
    )
    before = {_microseconds(moment): count for moment, count in (used or {}).items()}
    taken = pl.Series([before.get(one, 0) for one in blocks["interval"]], dtype=pl.Int64)
    fits = ~blocks["is_allowed"]
    if cap is not None:
        fits &= blocks["place"] + taken <= cap
    lowered = blocks.filter(~fits)
    counts = dict(blocks.filter(fits).group_by("interval").len().iter_rows())
    total = {name: before.get(name, 0) + counts.get(name, 0) for name in {*before, *counts}}
    # `scatter` writes in place, and the caller keeps its own decisions.
    decision = rows["decision"].clone().scatter(lowered["row"], ALERT)
    return Capped(decision, lowered.height, {_moment(name): n for name, n in total.items()})


def blocks_by_interval(rows: pl.LazyFrame, interval: timedelta) -> dict[datetime, int]:
    """Interval's first moment, UTC, to how many rows with the decision `block` fall into it.

    Args:
        rows: `occurred_at`, `decision`.
        interval: As in `capped_blocks`.

    Raises:
        ValueError: The interval is not positive.
    """
    found = (
        rows.filter(pl.col("decision") == BLOCK)
        .group_by(interval=_start(interval))
        .len()
        .collect(engine="streaming")
    )
    return {_moment(start): count for start, count in found.iter_rows()}


def _start(interval: timedelta) -> pl.Expr:
    """The first moment of the interval that a row falls into, in microseconds since 1970."""
    if interval <= timedelta(0):
        raise ValueError(f"an interval of {interval} has no length")
    length = interval // _MICROSECOND
    return pl.col("occurred_at").dt.epoch("us") // length * length


def _is_allowed(party: str, until: Mapping[str, datetime]) -> pl.Expr:
    """Whether a party of the row is allowed at the row's own time."""
    if not until:
        return pl.lit(value=False)
    end = pl.col(party).replace_strict(until, default=None, return_dtype=pl.Datetime("us", "UTC"))
    return (pl.col("occurred_at") < end).fill_null(value=False)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
