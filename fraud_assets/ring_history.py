"""What was known of a feed's rings on each day, kept in the lake and carried on day by day.

What is kept is a cache. It says which rows it was made of; where these are not the visible ones any
more, as after a late upload, it is made anew from all of them.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import polars as pl

from gpu_ops.pattern_state import STATE_TABLES, RingState
from gpu_ops.patterns import SEARCH_VERSION, as_known
from gpu_ops.ring_features import ring_payments
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from resources.versions import CorruptManifestError, Manifest, Slot, Versions

RINGS: Final = "rings"
"""How features name the rows that their rings were made of."""

RING_ROWS: Final = "ring_rows"
"""In a raw version's figures: its rows that rings may be made of."""

ROWS_AT_ONCE: Final = 1_000_000
"""Rows of whole days that are taken in at once; a day with more is taken in whole."""

_THROUGH: Final = "through"
_CUT: Final = "cut"
_PARAMS: Final = RingParams()
_SEARCH: Final = hashlib.sha256(f"{SEARCH_VERSION} {_PARAMS}".encode()).hexdigest()[:16]
_LOOKED_AT: Final = 2
"""Kept versions tried, newest first: as many as cleaning leaves."""


@dataclass(frozen=True)
class RingHistory:
    """What was known of a feed's rings through the end of a UTC day.

    Attributes:
        state: From which later days go on.
        through: The last day taken in, null before the first.
        log: What `gpu_ops.patterns.as_known` told of all these days.
    """

    state: RingState
    through: date | None
    log: pl.DataFrame

    @classmethod
    def empty(cls, feed: str) -> "RingHistory":
        """Return that of a feed of which no day was taken in."""
        return cls(RingState.empty(feed), None, pl.DataFrame(schema=RING_SCHEMA))


def ring_rows(table: pl.LazyFrame) -> int:
    """How many of a feed's canonical rows rings may be made of."""
    found: int = table.select(pl.col("kind").is_in(_PARAMS.kinds).sum()).collect().item()
    return found


class RingSources:
    """A feed's visible raw versions that rings are made of, in the order of their first event."""

    def __init__(self, raw: Mapping[str, Manifest], *, same_entities: bool) -> None:
        """Takes the versions by upload key; those without payments between accounts play no part.

        A version of before such rows were counted may hold some. `same_entities` as in
        `gpu_ops.ring_features.ring_payments`.
        """
        self.same_entities = same_entities
        used = [one for one in raw.values() if one.event_from and one.extra.get(RING_ROWS, 1)]
        used.sort(key=lambda one: (one.event_from, one.slot))
        self.manifests = tuple(used)
        self._days = [_day(one.event_from) for one in used if one.event_from]
        self._digests = [""]
        running = hashlib.sha256(f"{_SEARCH} {same_entities}".encode())
        for one in used:
            running.update(f"{one.slot}\0{one.content_id}\n".encode())
            self._digests.append(running.hexdigest()[:32])

    def through(self, day: date) -> tuple[Manifest, ...]:
        """The versions with an event of this day or before."""
        return self.manifests[: self._count(day)]

    def digest(self, day: date) -> str:
        """Changes with the versions and the way of searching; empty without any."""
        return self._digests[self._count(day)]

    def inputs_for(self, target: Manifest) -> dict[str, str]:
        """How features of a version name the rows that their rings were made of.

        Rings of a transaction are those of the days before its own: what lands with later events
        changes none of them.
        """
        if target.event_to is None:
            return {}
        digest = self.digest(_day(target.event_to) - timedelta(days=1))
        return {RINGS: digest} if digest else {}

    def _count(self, day: date) -> int:
        return bisect_right(self._days, day)


def ring_history(
    versions: Versions, feed: str, sources: RingSources, through: date, run_id: str = ""
) -> RingHistory:
    """What was known of rings through a day at least.

    Args:
        versions: The lake's.
        feed: The feed.
        sources: Its visible raw versions.
        through: The last whole UTC day that is needed.
        run_id: Who keeps it. Without one nothing is kept, as of a day that is not over yet.
    """
    slot = _slot(feed)
    kept = _kept(versions, slot, sources) or RingHistory.empty(feed)
    if kept.through is not None and kept.through >= through:
        return kept
    manifests = [
        one
        for one in sources.through(through)
        if one.event_to and (kept.through is None or _day(one.event_to) > kept.through)
    ]
    if not manifests:
        return kept
    rows = ring_payments(
        versions.scan_all(manifests), feed=feed, same_entities=sources.same_entities
    )
    history = carried_on(kept, rows, through)
    if run_id:
        _keep(versions, slot, sources, history, run_id)
    return history


def carried_on(kept: RingHistory, payments: pl.LazyFrame, through: date) -> RingHistory:
    """Take in the whole days after those that were taken in.

    Args:
        kept: What was known.
        payments: `gpu_ops.ring_features.ring_payments` of the feed; other days are left out.
        through: The last day to take in.
    """
    end = _midnight(through + timedelta(days=1))
    wanted = (pl.col("occurred_at") < end) & pl.col("kind").is_in(_PARAMS.kinds)
    if kept.through is not None:
        wanted &= pl.col("occurred_at") >= _midnight(kept.through + timedelta(days=1))
    new = payments.filter(wanted)
    state, log = kept.state, [kept.log]
    for first, last in _spans(new):
        days = new.filter(pl.col("occurred_at").dt.date().is_between(first, last))
        state, told = as_known(state, days, params=_PARAMS)
        log.append(told)
    return replace(kept, state=state, through=through, log=pl.concat(log))


def _spans(payments: pl.LazyFrame) -> Iterator[tuple[date, date]]:
    """Split the days of payments into spans of about `ROWS_AT_ONCE`, in order."""
    days = (
        payments.group_by(day=pl.col("occurred_at").dt.date())
        .agg(n=pl.len())
        .sort("day")
        .collect(engine="streaming")
    )
    span = (days["n"].cum_sum() - 1) // ROWS_AT_ONCE
    ends = days["day"].filter(span != span.shift(-1, fill_value=-1)).to_list()
    starts = days["day"].filter(span != span.shift(1, fill_value=-1)).to_list()
    yield from zip(starts, ends, strict=True)


def _kept(versions: Versions, slot: Slot, sources: RingSources) -> RingHistory | None:
    """The newest kept version that was made of rows that are still the visible ones."""
    for number in reversed(versions.all_numbers(slot)[-_LOOKED_AT:]):
        try:
            manifest = versions.get(slot, number)
        except CorruptManifestError:
            continue
        through = manifest.extra.get(_THROUGH)
        if not isinstance(through, str) or versions.damage(manifest):
            continue
        day = date.fromisoformat(through)
        if manifest.inputs.get(RINGS) != sources.digest(day):
            continue
        last = manifest.extra.get("state_through")
        state = RingState.of(
            slot.prefix.rsplit("feed=", 1)[-1],
            date.fromisoformat(last) if isinstance(last, str) else None,
            {name: versions.scan(manifest, name).collect() for name in STATE_TABLES},
            _counts(manifest.extra.get(_CUT)),
        )
        return RingHistory(state, day, versions.scan(manifest).collect())
    return None


def _keep(
    versions: Versions, slot: Slot, sources: RingSources, history: RingHistory, run_id: str
) -> None:
    if history.through is None:
        return
    attempt = versions.begin(slot, run_id)
    attempt.write_table(history.log)
    for name in STATE_TABLES:
        attempt.write_table(getattr(history.state, name), name)
    last = history.state.through
    versions.publish(
        attempt,
        inputs={RINGS: sources.digest(history.through), _THROUGH: str(history.through)},
        extra={
            _THROUGH: str(history.through),
            "state_through": None if last is None else str(last),
            _CUT: dict(history.state.cut),
        },
    )


def _counts(told: object) -> dict[str, int]:
    counts = told if isinstance(told, dict) else {}
    return {str(name): int(times) for name, times in counts.items()}


def _slot(feed: str) -> Slot:
    return Slot.snapshot(f"graphs/ring_history/feed={feed}")


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _midnight(day: date) -> pl.Expr:
    return pl.lit(datetime.combine(day, time(), UTC), dtype=pl.Datetime("us", "UTC"))
