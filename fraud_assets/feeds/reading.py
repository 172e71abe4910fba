"""A file as batches of source rows, whatever its format: CSV, JSON lines or Parquet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, Protocol

import polars as pl

from fraud_assets.feeds.faults import RefusedError, names_shown

SOURCE_ROW: Final = "source_row"
_PREFIX: Final = "source: "

DELIMITED: Final = (".csv", ".tsv", ".txt")
JSON_LINES: Final = (".jsonl", ".ndjson")
PARQUET: Final = (".parquet", ".pq")


class FileLayout(Protocol):
    """What reading needs to know of a kind of file; a `Feed` is one."""

    @property
    def delimiter(self) -> str:
        """Between the fields of delimited text."""
        ...

    @property
    def encoding(self) -> str:
        """Of text files."""
        ...

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        """Canonical column to the file's columns that it is made of."""
        ...

    def is_optional(self, canonical: str) -> bool:
        """Whether a file may lack the source of this canonical column."""
        ...


def held(column: str) -> str:
    """Name under which batches hold a source column, which may itself be called source_row."""
    return _PREFIX + column


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        rows: The source columns that the feed needs, named by `held`, text or as stored, and
            `source_row` (Int64, 1 = first data row).
        faults: Rows that are not readable as such, schema `FAULT_SCHEMA`.
        received: Readable and unreadable rows together.
    """

    rows: pl.DataFrame
    faults: pl.DataFrame
    received: int


@dataclass(frozen=True)
class Table:
    """An opened file: its columns, and its rows in batches that are read once, in order."""

    columns: tuple[str, ...]
    batches: Iterator[Batch]


@contextmanager
def open_table(path: Path, feed: FileLayout, source_file: str) -> Iterator[Table]:
    """Opens a file by the ending of its name.

    Args:
        path: Where the bytes are.
        feed: What the columns are.
        source_file: Name as landed; its ending tells the format.

    Raises:
        RefusedError: The whole file is unusable; also while batches are read.
        OSError: The disk or its permissions are the matter.
    """
    from fraud_assets.feeds.columnar import read_parquet
    from fraud_assets.feeds.delimited import read_delimited
    from fraud_assets.feeds.json_lines import read_json_lines
    from fraud_assets.feeds.stream import open_text

    suffix = file_suffix(source_file)
    if suffix in PARQUET:
        yield read_parquet(path, feed)
    elif suffix in DELIMITED:
        with open_text(path, feed.encoding) as stream:
            yield read_delimited(stream, feed)
    elif suffix in JSON_LINES:
        with open_text(path, feed.encoding) as stream:
            yield read_json_lines(stream, feed)
    else:
        accepted = ", ".join((*DELIMITED, *JSON_LINES))
        raise RefusedError(
            f"the file name ends with {suffix or 'nothing'!r}; accepted: {accepted}, each also "
            f"with .gz after it, and {', '.join(PARQUET)}"
        )


def file_suffix(source_file: str) -> str:
    """Ending that tells the format, in small letters, a `.gz` after it left out."""
    name = PurePath(source_file.lower())
    return PurePath(name.stem).suffix if name.suffix == ".gz" else name.suffix


def needed_columns(feed: FileLayout, columns: Sequence[str], hint: str = "") -> tuple[str, ...]:
    """Source columns to read, each once, in the order of the file.

    Raises:
        RefusedError: Columns that the feed needs are missing; says which, which are there, and
            the hint.
    """
    check_columns(feed, columns, hint)
    wanted = {name for names in feed.source_columns.values() for name in names}
    return tuple(name for name in columns if name in wanted)


def check_columns(feed: FileLayout, columns: Sequence[str], hint: str = "") -> None:
    """Asserts that a file has every column that its feed cannot do without.

    Raises:
        RefusedError: It has not.
    """
    missing = missing_columns(feed, columns)
    if missing:
        raise RefusedError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"found: {names_shown(columns)}{hint}"
        )


def missing_columns(feed: FileLayout, columns: Sequence[str]) -> list[str]:
    """Source columns that the feed needs and the file lacks."""
    needed = [
        name
        for canonical, names in feed.source_columns.items()
        if not feed.is_optional(canonical)
        for name in names
    ]
    return [name for name in dict.fromkeys(needed) if name not in columns]
