"""The labels of a feed as everybody reads them: those of its files and those that came later."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

import polars as pl
from pydantic import JsonValue

from fraud_assets import layers
from fraud_assets.feeds import Feed
from gpu_ops.labels import EVENT_SCHEMA, fraud_spans, labels_at, no_events
from resources.versions import Manifest, Versions

REACH: Final = "reach"
"""In a manifest of labels: UTC day of the judged transactions to when the first of their labels
became known and a digest of them. It tells which features a label can touch without reading it."""

MATURITY: Final = "label_maturity"
"""How features name the feed's label maturity among what they were made of."""


@dataclass(frozen=True)
class FeedLabels:
    """What became known of a feed's transactions apart from the files that brought them.

    Attributes:
        manifests: The visible versions of its files of labels by upload key.
        maturity: Age at which a transaction without a label is legitimate; None: never.
    """

    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    maturity: timedelta | None = None

    @classmethod
    def of(cls, versions: Versions, feed: Feed) -> Self:
        """The labels that are visible now; CorruptManifestError where one is damaged."""
        return cls(layers.visible_labels(versions, feed.name), feed.label_maturity)

    @classmethod
    def intact(cls, versions: Versions, feed: Feed) -> tuple[Self, bool]:
        """Those that can be read, and whether that is all of them."""
        found = versions.survey(f"{layers.LABELS}/feed={feed.name}")
        readable = {
            slot.upload_key: one.manifest
            for slot, one in found.items()
            if slot.upload_key is not None and one.manifest is not None and not one.problem
        }
        return cls(readable, feed.label_maturity), len(readable) == len(found)

    def events(self, versions: Versions) -> pl.LazyFrame:
        """All of them, `gpu_ops.labels.EVENT_SCHEMA`."""
        return self._scan(versions, [one for one in self.manifests.values() if one.rows])

    def events_for(self, versions: Versions, first: datetime, last: datetime) -> pl.LazyFrame:
        """Those that features of transactions until `last` may use, which look back to `first`."""
        manifests = [
            self.manifests[key] for key in self._touching(first, last) if self.manifests[key].rows
        ]
        return self._scan(versions, manifests).filter(
            pl.col("known_at") < pl.lit(last.astimezone(UTC), dtype=pl.Datetime("us", "UTC"))
        )

    def inputs_for(self, first: datetime | None, last: datetime | None) -> dict[str, str]:
        """How features name the labels that they read; a label that cannot touch them is none.

        Args:
            first: Earliest transaction that they look at; None without any.
            last: Latest transaction that has features.
        """
        found = {} if self.maturity is None else {MATURITY: str(self.maturity)}
        if first is None or last is None:
            return found
        for key, days in self._touching(first, last).items():
            digest = hashlib.sha256("\n".join(days).encode()).hexdigest()[:32]
            found[str(self.manifests[key].slot)] = digest
        return found

    def at(self, versions: Versions, rows: pl.LazyFrame, moment: datetime | None) -> pl.LazyFrame:
        """Transactions with the labels that they had at a moment, as `gpu_ops.labels.labels_at`."""
        if not self.has_any:
            # As they are in the files: `label_known_at` tells of each when it counts.
            return rows
        return labels_at(rows, self.events(versions), moment, self.maturity)

    def fraud_spans(self, versions: Versions, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Since when and until when each transaction counted as fraud, over all that was said."""
        return fraud_spans(rows, self.events(versions), self.maturity)

    @property
    def has_any(self) -> bool:
        """Whether the transactions' own labels are not all there is to know."""
        return bool(self.manifests) or self.maturity is not None

    @property
    def digest(self) -> str:
        """Changes with every label; empty where the files of transactions hold all of them."""
        if not self.has_any:
            return ""
        told = [f"{one.slot} {one.content_id}" for one in self.manifests.values()]
        return hashlib.sha256("\n".join([str(self.maturity), *sorted(told)]).encode()).hexdigest()[
            :16
        ]

    def _scan(self, versions: Versions, manifests: list[Manifest]) -> pl.LazyFrame:
        if not manifests:
            return no_events()
        return versions.scan_all(manifests).select(*EVENT_SCHEMA)

    def _touching(self, first: datetime, last: datetime) -> dict[str, list[str]]:
        """The uploads with labels that were known in time, and what their days hold."""
        found: dict[str, list[str]] = {}
        for key, manifest in sorted(self.manifests.items()):
            days = []
            for day, (known_at, digest) in _reach_of(manifest).items():
                is_seen = first.astimezone(UTC).date() <= day <= last.astimezone(UTC).date()
                if is_seen and known_at < last:
                    days.append(f"{day} {digest}")
            if days:
                found[key] = days
        return found


def reach_of_table(table: pl.DataFrame) -> dict[str, JsonValue]:
    """What a manifest keeps under `REACH` of labels whose transaction is known.

    Args:
        table: `transaction_id`, `is_fraud`, `known_at`, `source` and `occurred_at`, which is null
            where the transaction has not landed.
    """
    known = table.filter(pl.col("occurred_at").is_not_null()).select(
        day=pl.col("occurred_at").dt.date(), **{name: pl.col(name) for name in EVENT_SCHEMA}
    )
    found: dict[str, JsonValue] = {}
    for (day,), rows in known.sort("day", *EVENT_SCHEMA).group_by("day", maintain_order=True):
        content = rows.select(*EVENT_SCHEMA).write_csv(include_header=False)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        found[str(day)] = [str(rows["known_at"].min()), digest]
    return found


def _reach_of(manifest: Manifest) -> dict[date, tuple[datetime, str]]:
    """`REACH` of a manifest, read again.

    Raises:
        TypeError: It holds none.
    """
    stored = manifest.extra.get(REACH)
    if not isinstance(stored, dict):
        raise TypeError(f"{manifest.slot}@{manifest.number} does not tell which days it judges")
    found = {}
    for day, told in stored.items():
        if not isinstance(told, list):
            raise TypeError(f"{manifest.slot}@{manifest.number} holds no digest of {day}")
        known_at, digest = map(str, told)
        found[date.fromisoformat(day)] = (datetime.fromisoformat(known_at), digest)
    return found
