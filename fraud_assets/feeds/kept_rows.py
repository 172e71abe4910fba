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
        """Writes a batch."""
        self._batches.append(self._folder / f"batch-{len(self._batches):05d}.parquet")
        rows.write_parquet(self._batches[-1], compression="lz4")
        self._keys.append(rows.select(_HASHED, "occurred_at"))

    def ordered(self, *, has_ids: bool) -> Ordered:
        """Deduplicates by the hashes of the ids, then sorts a stretch of time after the other."""
        keys = pl.concat(self._keys)
        rows = pl.scan_parquet(self._batches)
        met = keys["hash"].filter(keys["hash"].is_duplicated()).unique()
        stretches = _stretches(keys["occurred_at"])
        total = keys.height
        suffix = pl.lit("" if has_ids else "-1")
        single = rows.filter(~_HASHED.is_in(met.implode())) if met.len() else rows
        pieces = [single.with_columns(pl.col("transaction_id") + suffix)]
        kept = conflicting = several = 0
        if met.len():
            suspects = rows.filter(_HASHED.is_in(met.implode())).collect(engine="streaming")
            several = suspects.height
            first, conflicting = keep_first(
                suspects if has_ids else number_identical_rows(suspects)
            )
            kept = first.height
            pieces.append(first.lazy())
        duplicate = several - kept
        table = self._sorted(pieces, stretches)
        for spent in self._batches:
            spent.unlink()
        return Ordered(table, total - duplicate, duplicate, conflicting)

    def _sorted(self, pieces: list[pl.LazyFrame], stretches: Iterable[pl.Expr]) -> pl.LazyFrame:
        parts: list[Path] = []
        for stretch in stretches:
            parts.append(self._folder / f"sorted-{len(parts):05d}.parquet")
            some = [one.filter(stretch).select(*CANONICAL_SCHEMA, SOURCE_ROW) for one in pieces]
            pl.concat(some).collect(engine="streaming").sort(_ORDER).write_parquet(
                parts[-1], compression="lz4"
            )
        return pl.scan_parquet(parts)


def _stretches(times: pl.Series) -> Iterator[pl.Expr]:
    """Conditions that cut the rows into stretches of time of about `ROWS_AT_ONCE` rows each."""
    edges = times.sort().gather_every(ROWS_AT_ONCE).unique(maintain_order=True).to_list()
    at = pl.col("occurred_at")
    for start, stop in pairwise(edges):
        yield at.is_between(start, stop, closed="left")
    yield at >= edges[-1] if edges else pl.lit(value=True)
