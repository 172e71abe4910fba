"""What graph and alerts are made of: one set of scored uploads, named by one digest."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from resources.versions import Manifest, Slot, Versions

DIGEST: Final = "refresh"
"""The name of the digest among the inputs of every graph and alert version."""

SCORED: Final = "scored"
"""Where the account graph's manifest keeps the numbers of the versions that it read."""


def digest_of(scored: Mapping[str, Manifest]) -> str | None:
    """A digest of scored uploads; none where nothing was scored yet.

    A new champion changes it as soon as it has scored something: alerts rest on stored scores, so
    a model that scored nothing yet changes no alert.
    """
    if not scored:
        return None
    digest = hashlib.sha256()
    for key in sorted(scored):
        digest.update(f"{key}\0{scored[key].content_id}\n".encode())
    return digest.hexdigest()[:32]


def scored_uploads(versions: Versions) -> dict[str, Manifest]:
    """The visible scored version of every upload, by upload key."""
    return layers.visible(versions, "augmented_transactions")


def published_digest(versions: Versions) -> str | None:
    """The digest that the visible alerts were made of."""
    latest = versions.latest(layers.snapshot_slot("published_alerts"))
    return None if latest is None else latest.inputs.get(DIGEST)


def is_due(versions: Versions) -> bool:
    """Whether something was scored since the alerts were last published."""
    digest = digest_of(scored_uploads(versions))
    return digest is not None and digest != published_digest(versions)


def snapshot(versions: Versions, asset: str) -> Manifest:
    """The visible snapshot of an upstream asset.

    Raises:
        dagster.Failure: There is none yet.
    """
    manifest = versions.latest(layers.snapshot_slot(asset))
    if manifest is None:
        raise dg.Failure(
            description=f"{asset} has no version yet; materialize it first.", allow_retries=False
        )
    return manifest


def scored_with(versions: Versions, graph: Manifest) -> list[Manifest]:
    """The scored versions that a graph snapshot was made of, so that all downstream agree."""
    numbers = graph.extra[SCORED]
    if not isinstance(numbers, dict):
        raise TypeError(f"{graph.slot}@{graph.number} names no scored versions")
    return [versions.get(Slot(slot), int(str(n))) for slot, n in sorted(numbers.items())]


def within(scored: list[Manifest], days: int) -> list[Manifest]:
    """The scored versions that reach into the last days of their feed."""
    return [
        one
        for mine in by_feed(scored)
        for one in mine
        if (start := _window_start(mine, days)) is not None
        and one.event_to is not None
        and one.event_to >= start
    ]


def scan_window(versions: Versions, scored: list[Manifest], days: int) -> pl.LazyFrame:
    """The scored transactions of the last days of each feed.

    The days count back from the latest event of the feed itself: feeds have calendars of their
    own, and the newest one must not push the others out of sight.
    """
    windows = [
        versions.scan_all(within(mine, days)).filter(pl.col("occurred_at") >= start)
        for mine in by_feed(scored)
        if (start := _window_start(mine, days)) is not None
    ]
    return pl.concat(windows) if windows else versions.scan_all(scored)


def latest_events(scored: list[Manifest]) -> dict[str, datetime]:
    """The latest event time of each feed's scored transactions."""
    found = {layers.feed_of(mine[0]): latest_event(mine) for mine in by_feed(scored)}
    return {feed: latest for feed, latest in found.items() if latest is not None}


def latest_event(scored: list[Manifest]) -> datetime | None:
    """The latest event time of all scored transactions."""
    return max((one.event_to for one in scored if one.event_to is not None), default=None)


def by_feed(scored: list[Manifest]) -> list[list[Manifest]]:
    """The scored versions of each feed, in the order of their names."""
    ordered = sorted(scored, key=layers.feed_of)
    return [list(mine) for _, mine in groupby(ordered, key=layers.feed_of)]


def _window_start(mine: list[Manifest], days: int) -> datetime | None:
    latest = latest_event(mine)
    return None if latest is None else latest - timedelta(days=days)
