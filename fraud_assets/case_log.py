"""The log of cases as a table of the lake, so that a lost store can be brought back."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.case_events import Draft, Event, change_json, first_broken, parsed_change
from resources.case_store import CaseStore, CaseStoreError

LOG: Final = "log-00000"
"""The table beside the cases in every snapshot."""

_SCHEMA: Final[dict[str, pl.DataType]] = {
    "number": pl.Int64(),
    "stream": pl.String(),
    "at": UTC_MICROSECONDS,
    "done_by": pl.String(),
    "change": pl.String(),
    "before": pl.String(),
    "digest": pl.String(),
}


def log_table(events: Sequence[Event]) -> pl.DataFrame:
    """All events, in order, as the store keeps them."""
    rows = [
        (one.number, one.stream, one.at, one.by, change_json(one.change), one.before, one.digest)
        for one in events
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def events_of(log: pl.DataFrame) -> list[Event]:
    """The events of a log as `log_table` made it, or of some of its rows."""
    return [
        Event(
            stream=stream,
            at=at,
            by=by,
            change=parsed_change(change),
            number=number,
            before=before,
            digest=digest,
        )
        for number, stream, at, by, change, before, digest in log.iter_rows()
    ]


def restore(store: CaseStore, log: pl.DataFrame) -> int:
    """Append to a store what the log in the lake has and the store has not; how many events.

    Args:
        store: Empty, or an older copy of the one that the log is from.
        log: As `log_table` made it.

    Raises:
        CaseStoreError: The log is damaged, or the store went another way since.
    """
    events = events_of(log)
    broken = first_broken(events)
    if broken is not None:
        raise CaseStoreError(f"event {broken} of the log in the lake is not what was appended")
    number = store.book().number
    if number > len(events) or (number and store.digest_at(number) != events[number - 1].digest):
        raise CaseStoreError(
            f"the case store {store.place} has events of its own that the lake does not know; "
            "nothing was restored. Move it away to restore what the lake knows"
        )
    later = [
        Draft(stream=one.stream, at=one.at, by=one.by, change=one.change) for one in events[number:]
    ]
    if later:
        store.append(later, after=number)
    return len(later)
