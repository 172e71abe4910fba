"""Rings as they were known before a transaction's day: yesterday's graph feeds today's scores.

No Dagster dependency: rings are made of scored transactions, so it would be a cycle. The scored
version records the snapshot that every row used.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl

from fraud_assets import layers
from resources.versions import CorruptManifestError, Manifest, Versions

AS_OF: Final = "as_of"
"""In a graph version's figures: the latest event that it knows."""

AS_OF_FEEDS: Final = "as_of_feeds"
"""In the same figures: the latest event of each feed, since feeds have calendars of their own."""

LOOKED_AT: Final = 400
"""Snapshots read at most, newest first: more than a year of daily ones, but days where a refresh
follows every few minutes. A row from before the oldest of them gets no ring."""


@dataclass(frozen=True)
class KnownRings:
    """For each day the snapshot that was known before it, and each member's strongest ring.

    Attributes:
        days: `day` Date, `ring_snapshot` Int64; days without a snapshot are absent.
        members: `ring_snapshot` Int64, `account` String, `score` Float32.
    """

    days: pl.DataFrame
    members: pl.DataFrame

    def joined(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `payer_ring_score`, `payee_ring_score` and `ring_snapshot`.

        A row of UTC day D gets the newest snapshot whose latest event lies before D; no snapshot,
        or no ring of the account in it, is null.

        Args:
            rows: Has `occurred_at`, `payer`, `payee`; the order is kept.
        """
        if self.days.is_empty():
            return rows.with_columns(
                payer_ring_score=pl.lit(None, dtype=pl.Float32),
                payee_ring_score=pl.lit(None, dtype=pl.Float32),
                ring_snapshot=pl.lit(None, dtype=pl.Int64),
            )
        placed = rows.with_columns(day=pl.col("occurred_at").dt.date()).join(
            self.days, on="day", how="left", maintain_order="left"
        )
        for side in ("payer", "payee"):
            score = self.members.rename({"account": side, "score": f"{side}_ring_score"})
            placed = placed.join(
                score, on=["ring_snapshot", side], how="left", maintain_order="left"
            )
        return placed.select(*rows.columns, "payer_ring_score", "payee_ring_score", "ring_snapshot")


def known_rings(
    versions: Versions, feed: str, first: datetime | None, last: datetime | None
) -> KnownRings:
    """What was known of a feed's rings before each UTC day of a span of event time."""
    days = _days(first, last)
    snapshots = _snapshots(versions, feed, days[0]) if days else []
    chosen: dict[date, int] = {}
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        earlier = [one for one in snapshots if _as_of(one, feed) < midnight]
        if earlier:
            best = max(earlier, key=lambda one: (_as_of(one, feed), one.number))
            chosen[day] = best.number
    used = [one for one in snapshots if one.number in set(chosen.values())]
    empty = pl.DataFrame(
        schema={"ring_snapshot": pl.Int64, "account": pl.String, "score": pl.Float32}
    )
    return KnownRings(
        pl.DataFrame(
            {"day": list(chosen), "ring_snapshot": list(chosen.values())},
            schema={"day": pl.Date, "ring_snapshot": pl.Int64},
        ),
        pl.concat([empty, *(_members(versions, one) for one in used)]),
    )


def _days(first: datetime | None, last: datetime | None) -> list[date]:
    if first is None or last is None:
        return []
    start, end = first.astimezone(UTC).date(), last.astimezone(UTC).date()
    return [start + timedelta(days=day) for day in range((end - start).days + 1)]


def _as_of(snapshot: Manifest, feed: str) -> datetime:
    feeds = snapshot.extra.get(AS_OF_FEEDS)
    # Without the feed among them, nothing of it was known.
    stored = feeds.get(feed) if isinstance(feeds, dict) else snapshot.extra.get(AS_OF)
    # A snapshot that does not say what it knows is never taken for an early one.
    return (
        datetime.fromisoformat(stored)
        if isinstance(stored, str)
        else datetime.max.replace(tzinfo=UTC)
    )


def _snapshots(versions: Versions, feed: str, first_day: date) -> list[Manifest]:
    """Snapshots, newest first, until one was known before the first day."""
    slot = layers.snapshot_slot("fraud_rings")
    found: list[Manifest] = []
    midnight = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
    numbers = versions.all_numbers(slot)[-LOOKED_AT:]
    for number in reversed(numbers):
        try:
            found.append(versions.get(slot, number))
        except CorruptManifestError:
            if number == numbers[-1]:
                raise
            # A refresh repaired it: a later version knows the same days.
            continue
        if _as_of(found[-1], feed) < midnight:
            break
    return found


def _members(versions: Versions, snapshot: Manifest) -> pl.DataFrame:
    return (
        versions.scan(snapshot)
        .select("accounts", "score")
        .explode("accounts", empty_as_null=False)
        .group_by(account=pl.col("accounts"))
        .agg(pl.col("score").max().cast(pl.Float32))
        .select(pl.lit(snapshot.number, dtype=pl.Int64).alias("ring_snapshot"), "account", "score")
        .collect()
    )
