"""One landed file to canonical transactions: the function that the raw layer calls."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import (
    QUARANTINE_SCHEMA,
    RefusedError,
    no_faults,
    too_many_faults,
)
from fraud_assets.feeds.kept_rows import KeptRows, RowsInFiles, RowsInMemory
from fraud_assets.feeds.mapping import map_rows
from fraud_assets.feeds.model import Feed
from fraud_assets.feeds.reading import SOURCE_ROW, open_table
from gpu_ops.canonical import CANONICAL_SCHEMA

RAW_SCHEMA: Final[dict[str, pl.DataType]] = {
    **CANONICAL_SCHEMA,
    "source_file": pl.String(),
    SOURCE_ROW: pl.Int64(),
}
"""Canonical columns, and where each row came from; `source_row` 1 is the first data row."""

_CLOCK_TOLERANCE: Final = timedelta(days=1)


@dataclass(frozen=True)
class ReadResult:
    """What became of the rows of a file: received = accepted + duplicate + quarantined.

    Attributes:
        table: The accepted rows: schema `RAW_SCHEMA`, sorted by (occurred_at, transaction_id), ids
            unique.
        rows: How many they are.
        duplicate: Rows left out since an earlier one of the file has their transaction id.
        conflicting: Those of the duplicates whose content differs from the row that was kept.
        quarantined: Schema `QUARANTINE_SCHEMA`, one line a bad row, sorted by row.
        received: Data rows of the file; blank lines are none.
        extra_columns: Columns of the file that the feed does not read.
    """

    table: pl.LazyFrame
    rows: int
    duplicate: int
    conflicting: int
    quarantined: pl.DataFrame
    received: int
    extra_columns: tuple[str, ...]

    @property
    def accepted(self) -> pl.DataFrame:
        """The accepted rows in memory."""
        return self.table.collect()


def read_upload(
    path: Path, feed: Feed, *, source_file: str, now: datetime, scratch: Path | None = None
) -> ReadResult:
    """Reads a file by its feed: types, checks, names and orders its rows.

    Args:
        path: Where the bytes are.
        feed: How they map to the canonical transaction.
        source_file: Name as landed; its ending tells the format, and rows carry it.
        now: Time of the reading, with a time zone; later events, a day's tolerance apart, are
            faults.
        scratch: An empty folder that outlives the result, for files larger than memory; the rows
            then go through files in it.

    Raises:
        RefusedError: The file as a whole is unusable, or more of its rows than the feed's
            `bad_row_limit`; `reason` says why and what to do.
        OSError: The disk or its permissions, not the file, are the matter.
    """
    latest = feed.latest or now + _CLOCK_TOLERANCE
    received = 0
    kept: KeptRows = RowsInMemory() if scratch is None else RowsInFiles(scratch)
    faults: list[pl.DataFrame] = [no_faults()]
    with open_table(path, feed, source_file) as source:
        for batch in source.batches:
            table, misfits = map_rows(batch.rows, feed, latest=latest)
            kept.add(table)
            faults += [batch.faults, misfits]
            received += batch.received
        columns = source.columns
    if not received:
        raise RefusedError("the file has a header and no data rows")
    bad = pl.concat(faults).sort("row")
    refusal = too_many_faults(bad, received, feed.bad_row_limit)
    if refusal is not None:
        raise RefusedError(refusal)
    ordered = kept.ordered(has_ids=feed.columns.transaction_id is not None)
    accepted = ordered.table.select(
        *CANONICAL_SCHEMA, pl.lit(source_file).alias("source_file"), SOURCE_ROW
    )
    quarantined = bad.select(pl.lit(source_file).alias("file"), *bad.columns)
    result = ReadResult(
        table=accepted,
        rows=ordered.rows,
        duplicate=ordered.duplicate,
        conflicting=ordered.conflicting,
        quarantined=quarantined.cast(pl.Schema(QUARANTINE_SCHEMA)),
        received=received,
        extra_columns=_extra(columns, feed),
    )
    _assert_nothing_lost(result)
    return result


def _extra(columns: tuple[str, ...], feed: Feed) -> tuple[str, ...]:
    used = {name for names in feed.source_columns.values() for name in names}
    return tuple(name for name in columns if name not in used)


def _assert_nothing_lost(result: ReadResult) -> None:
    parts = result.rows + result.duplicate + result.quarantined.height
    if parts != result.received:
        raise AssertionError(
            f"{result.received} rows received, but {result.rows} accepted + "
            f"{result.duplicate} duplicate + {result.quarantined.height} quarantined = {parts}"
        )
