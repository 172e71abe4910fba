"""The good rows of a file, held until all of it is read: in memory, or in scratch files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from fraud_assets.feeds.identity import keep_first, number_identical_rows
from fraud_assets.feeds.reading import SOURCE_ROW
from gpu_ops.canonical import CANONICAL_SCHEMA

ROWS_AT_ONCE: Final = 125_000
"""Rows that are sorted at once through files; rows of one moment are never parted."""

ROWS_PER_GROUP: Final = 8_192
"""Rows of a Parquet row group: the least that a stretch of time reads of a batch in which it is."""

_ORDER: Final = ("occurred_at", "transaction_id")
_HASHED: Final = pl.col("transaction_id").hash().alias("hash")


@dataclass(frozen=True)
class Ordered:
    """The rows that are kept of a file.

    Attributes:
        table: Canonical columns and `source_row`, sorted by (occurred_at, transaction_id).
        rows: How many.
        duplicate: Rows left out since an earlier one has their transaction id.
        conflicting: Those of them whose content differs.
    """

    table: pl.LazyFrame
    rows: int
    duplicate: int
    conflicting: int


class KeptRows(Protocol):
    """Collects batches of mapped rows and gives them back, each transaction once, in order."""

    def add(self, rows: pl.DataFrame) -> None:
        """Takes a batch: canonical columns and `source_row`."""
        ...

    def ordered(self, *, has_ids: bool) -> Ordered:
        """All rows, once; without ids of their own, identical rows are numbered."""
        ...


class RowsInMemory:
    """Holds all batches; the fastest where memory is enough for several times the file."""

    def __init__(self) -> None:
        self._batches: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Keeps a batch."""
        self._batches.append(rows)

    def ordered(self, *, has_ids: bool) -> Ordered:
        """Deduplicates and sorts all rows at once."""
        rows = pl.concat(self._batches)
        kept, conflicting = keep_first(rows if has_ids else number_identical_rows(rows))
        table = kept.sort(_ORDER).select(*CANONICAL_SCHEMA, SOURCE_ROW).lazy()
        return Ordered(table, kept.height, rows.height - kept.height, conflicting)


class RowsInFiles:
    """Writes the batches to a folder; memory holds a batch, and a hash and a time of every row.

    Rows whose ids meet another's are compared in memory, so a file that mostly repeats itself
    takes as much as `RowsInMemory`.
    """

    def __init__(self, folder: Path) -> None:
        """Takes an empty folder, which must outlive the table that is given back."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._batches: list[Path] = []
        self._keys: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Writes a batch, by time, so that a stretch reads little of it in whatever order it is."""
        self._batches.append(self._folder / f"batch-{len(self._batches):05d}.parquet")
        by_time = rows.sort("occurred_at")
        _write(by_time, self._batches[-1])
        self._keys.append(by_time.select(_HASHED, "occurred_at"))

    def ordered(self, *, has_ids: bool) -> Ordered:
        """Deduplicates by the hashes of the ids, then sorts a stretch of time after the other."""
        keys = pl.concat(self._keys)
        stretches = _stretches(keys["occurred_at"])
        total = keys.height
        suspects = self._suspects(keys["hash"])
        suffix = pl.lit("" if has_ids else "-1")
        pieces = [pl.scan_parquet(self._batches).with_columns(pl.col("transaction_id") + suffix)]
        kept = conflicting = 0
        if suspects.height:
            first, conflicting = keep_first(
                suspects if has_ids else number_identical_rows(suspects)
            )
            kept = first.height
            pieces.append(first.lazy())
        duplicate = suspects.height - kept
        table = self._sorted(pieces, stretches)
        for spent in self._batches:
            spent.unlink()
        return Ordered(table, total - duplicate, duplicate, conflicting)

    def _suspects(self, hashes: pl.Series) -> pl.DataFrame:
        """Takes the rows whose ids' hashes meet another's out of the batches that have any."""
        is_suspect = hashes.is_duplicated()
        found = [pl.read_parquet(self._batches[0], n_rows=0)]
        start = 0
        for number, (batch, keys) in enumerate(zip(self._batches, self._keys, strict=True)):
            taken = is_suspect.slice(start, keys.height)
            start += keys.height
            if taken.any():
                rows = pl.read_parquet(batch)
                found.append(rows.filter(taken))
                # Not over the file that was just read: it may still be mapped into memory.
                self._batches[number] = batch.with_name(f"single-{number:05d}.parquet")
                _write(rows.filter(~taken), self._batches[number])
                batch.unlink()
        return pl.concat(found)

    def _sorted(self, pieces: list[pl.LazyFrame], stretches: Iterable[pl.Expr]) -> pl.LazyFrame:
        parts: list[Path] = []
        for stretch in stretches:
            parts.append(self._folder / f"sorted-{len(parts):05d}.parquet")
            some = [one.filter(stretch).select(*CANONICAL_SCHEMA, SOURCE_ROW) for one in pieces]
            pl.concat(some).collect(engine="streaming").sort(_ORDER).write_parquet(
                parts[-1], compression="lz4"
            )
        return pl.scan_parquet(parts)


def _write(rows: pl.DataFrame, path: Path) -> None:
    rows.write_parquet(path, compression="lz4", row_group_size=ROWS_PER_GROUP)


def _stretches(times: pl.Series) -> Iterator[pl.Expr]:
    """Conditions that cut the rows into stretches of time of about `ROWS_AT_ONCE` rows each."""
    edges = times.sort().gather_every(ROWS_AT_ONCE).unique(maintain_order=True).to_list()
    at = pl.col("occurred_at")
    for start, stop in pairwise(edges):
        yield at.is_between(start, stop, closed="left")
    yield at >= edges[-1] if edges else pl.lit(value=True)
