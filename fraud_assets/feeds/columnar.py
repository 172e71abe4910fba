"""Parquet as batches of source rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import RefusedError, no_faults
from fraud_assets.feeds.reading import (
    SOURCE_ROW,
    Batch,
    FileLayout,
    Table,
    held,
    needed_columns,
)

BATCH_ROWS: Final = 250_000
_MAGIC: Final = b"PAR1"
_SHORTEST: Final = 12


def read_parquet(path: Path, feed: FileLayout, batch_rows: int = BATCH_ROWS) -> Table:
    """The columns of the file, and the rows in batches.

    Raises:
        RefusedError: Empty, not Parquet, damaged, or with a missing column; a damaged page shows
            only while batches are read.
        OSError: The disk or its permissions are the matter.
    """
    _check_ends(path)
    # The path is taken literally: no patterns, no partition columns from folders called a=b.
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    with _damage_refused():
        columns = tuple(scan.collect_schema().names())
    needed = needed_columns(feed, columns)
    names = scan.select(pl.col(name).alias(held(name)) for name in needed)
    return Table(columns, _batches(scan, names, batch_rows))


def _batches(scan: pl.LazyFrame, selected: pl.LazyFrame, size: int) -> Iterator[Batch]:
    with _damage_refused():
        total = scan.select(pl.len()).collect().item()
    for offset in range(0, total, size):
        with _damage_refused():
            rows = selected.slice(offset, size).collect()
        numbers = pl.int_range(offset + 1, offset + rows.height + 1, dtype=pl.Int64)
        yield Batch(rows.with_columns(numbers.alias(SOURCE_ROW)), no_faults(), rows.height)


def _check_ends(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_MAGIC)))
        tail = file.read()
    if not size:
        raise RefusedError("the file is empty (0 bytes)")
    if head != _MAGIC:
        raise RefusedError(
            "this is not a Parquet file: it does not begin with PAR1; name it by its format"
        )
    if tail != _MAGIC or size < _SHORTEST:
        raise RefusedError(
            "the Parquet file is truncated: it does not end with PAR1; send it again"
        )


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise RefusedError(f"the Parquet file is damaged ({lines[0]}); send it again") from error
