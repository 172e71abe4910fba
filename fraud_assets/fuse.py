"""The fuse on a scored upload: blocks beyond the cap become alerts, and are counted.

The cap holds for a feed's interval, whichever uploads its payments come in. What an interval has
used is read from the visible scores of the feed's other uploads and kept nowhere else: an upload
that is scored again never counts against itself, and what a killed run wrote counts nothing, since
it is not visible. Who counts and publishes holds a lease, so that no two do at once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.case_due import head_of, last_readable
from fraud_assets.case_log import LOG, events_of
from fraud_assets.case_work import refuse_lost_store
from fraud_assets.feed_turns import refuse_succeeded
from gpu_ops.block_cap import blocks_by_interval, capped_blocks
from gpu_ops.case_fold import folded
from gpu_ops.case_lists import allowed_until
from gpu_ops.case_model import ListEntry
from gpu_ops.decisions import ALERT, BLOCK
from resources.case_store import CaseStoreError
from resources.lake import Lake
from resources.leases import lease
from resources.settings import Settings
from resources.versions import Manifest, Versions

_WAIT_SECONDS: Final = 600.0
_IS_BLOCK: Final = (pl.col("decision") == BLOCK) & ~pl.col("in_sample")


@dataclass(frozen=True)
class Allowances:
    """Whose payments are not blocked automatically.

    Attributes:
        until: Account to the moment of event time, UTC, before which it is allowed.
        problem: Why they may be out of date; empty if they are not.
    """

    until: Mapping[str, datetime] = field(default_factory=dict)
    problem: str = ""


@contextmanager
def block_turn(lake: Lake, settings: Settings, feed: str) -> Iterator[Callable[[], None]]:
    """The turn to count a feed's blocks and to publish more; no turn is needed without a cap.

    Returns:
        What to call just before publishing: it raises where the turn was lost.

    Raises:
        LeaseBusyError: Another upload of the feed still had the turn after ten minutes.
    """
    if settings.blocks_per_interval is None:
        yield lambda: None
        return
    with lease(lake, f"blocks-{feed}", wait_seconds=_WAIT_SECONDS) as held:
        yield lambda: refuse_succeeded(held, feed)


def fused(
    table: pl.LazyFrame, versions: Versions, settings: Settings, feed: str, key: str
) -> tuple[pl.LazyFrame, dict[str, float | str]]:
    """The table with no more blocks an interval than the settings allow, none of allowed accounts.

    Rows that helped to make the model are left as they are, as everywhere: nobody acts on them.

    Args:
        table: `transaction_id`, `occurred_at`, `payer`, `payee`, `decision`, `in_sample`.
        versions: The lake, with what other uploads use and the log of cases.
        settings: The cap and the interval, and where the cases are.
        feed: Whose payments.
        key: Of the upload; its earlier versions count nothing.

    Returns:
        The table, and what is to be shown: `blocks_lowered` where a cap is set or somebody is
        allowed, `allowances` where the allow-list may be out of date.
    """
    cap = settings.blocks_per_interval
    allowances = allowances_of(versions, settings, feed)
    shown: dict[str, float | str] = {}
    if allowances.problem:
        shown["allowances"] = allowances.problem
    if cap is None and not allowances.until:
        return table, shown
    blocks = (
        table.filter(_IS_BLOCK)
        .select("transaction_id", "occurred_at", "payer", "payee", "decision")
        .collect(engine="streaming")
    )
    interval = timedelta(minutes=settings.block_interval_minutes)
    capped = capped_blocks(
        blocks,
        cap=cap,
        interval=interval,
        used=None if cap is None else _used(versions, feed, key, blocks["occurred_at"], interval),
        allowed=allowances.until,
    )
    ids = blocks["transaction_id"].filter(capped.decision == ALERT)
    lowered = _IS_BLOCK & pl.col("transaction_id").is_in(ids.implode())
    decision = pl.when(lowered).then(pl.lit(ALERT)).otherwise("decision").alias("decision")
    shown["blocks_lowered"] = float(capped.lowered)
    return table.with_columns(decision), shown


def allowances_of(versions: Versions, settings: Settings, feed: str) -> Allowances:
    """Whom the case store allows in a feed; where it cannot be read, whom the last log allowed.

    A store that is away must not keep a feed from its scores, and an empty one in the place of a
    lost one must not forget who is trusted.
    """
    snapshot = last_readable(versions)
    store = settings.open_cases(settings.lake)
    problem = "" if store is not None else "this process reaches no case store"
    if store is not None:
        try:
            if snapshot is not None:
                refuse_lost_store(store, head_of(snapshot), f"{snapshot.slot}@{snapshot.number}")
            return Allowances(allowed_until(store.entries(), feed))
        except CaseStoreError as error:
            problem = str(error)
    if snapshot is None:
        # Without a store and without a table of cases there never was a list.
        return Allowances(problem=problem if store is not None else "")
    log = versions.scan(snapshot, LOG).filter(pl.col("stream").str.starts_with("list-")).collect()
    entries = [one for one in folded(events_of(log)).values() if isinstance(one, ListEntry)]
    told = f"as of {snapshot.slot}@{snapshot.number}: {problem}"
    return Allowances(allowed_until(entries, feed), told)


def _used(
    versions: Versions, feed: str, key: str, times: pl.Series, interval: timedelta
) -> dict[datetime, int]:
    """Blocks of the feed's other uploads in the intervals that some payments may fall into."""
    first, last = times.min(), times.max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return {}
    start, end = first - interval, last + interval
    folder = f"{layers.UPLOAD_LAYERS['augmented_transactions']}/feed={feed}"
    # A damaged version is left out: it is made anew, and then it is the one that has to fit in.
    others = [
        one.manifest
        for slot, one in versions.survey(folder).items()
        if slot.upload_key != key
        and not one.problem
        and one.manifest is not None
        and _reaches(one.manifest, start, end)
    ]
    if not others:
        return {}
    rows = versions.scan_all(others).filter(_IS_BLOCK, pl.col("occurred_at").is_between(start, end))
    return blocks_by_interval(rows, interval)


def _reaches(scored: Manifest, start: datetime, end: datetime) -> bool:
    # Versions of a release before there were levels recommend nothing.
    return (
        "decision" in scored.columns
        and scored.event_from is not None
        and scored.event_to is not None
        and scored.event_from <= end
        and scored.event_to >= start
    )
