"""Delimited text (CSV and its kin) as batches of source rows."""

import csv
from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import RefusedError, line_faults, names_shown
from fraud_assets.feeds.reading import (
    SOURCE_ROW,
    Batch,
    FileLayout,
    Table,
    held,
    missing_columns,
    needed_columns,
)
from fraud_assets.feeds.records import (
    Layout,
    Records,
    cut,
    explain,
    first_record,
    read_exactly,
    read_quickly,
)
from fraud_assets.feeds.stream import Utf8Stream

BLOCK_BYTES: Final = 16 * 2**20
_LONGEST_LINE: Final = 64 * 2**20
_HEADER_BYTES: Final = 2**20
_OTHER_DELIMITERS: Final = ",;\t|"


def read_delimited(stream: Utf8Stream, feed: FileLayout, block_bytes: int = BLOCK_BYTES) -> Table:
    """The columns of the header, and the rows in blocks of about `block_bytes` of text.

    Raises:
        RefusedError: No header, a column twice, a missing column; later, text that cannot be
            decoded or unpacked.
    """
    start = _read_header_block(stream, min(block_bytes, _HEADER_BYTES))
    if not start.strip():
        raise RefusedError("the file is empty: there are only blank lines")
    columns, rest = _header(start, feed.delimiter)
    needed = needed_columns(feed, columns, _hint(start, columns, feed))
    layout = Layout(
        width=len(columns),
        places=tuple(columns.index(name) for name in needed),
        names=tuple(held(name) for name in needed),
        delimiter=feed.delimiter,
    )
    return Table(tuple(columns), _batches(stream, rest, layout, block_bytes))


def _read_header_block(stream: Utf8Stream, size: int) -> bytes:
    text = b""
    while len(text) < _LONGEST_LINE:
        more = stream.read(size)
        text += more
        if not more or b"\n" in text.lstrip():
            break
    return text


def _header(text: bytes, delimiter: str) -> tuple[list[str], bytes]:
    try:
        fields, rest = first_record(text, delimiter)
    except csv.Error as error:
        raise RefusedError(
            f"the header line is not CSV ({explain(error)}); expected names separated by "
            f"{delimiter!r}, and lines that end with a line feed"
        ) from error
    columns = [field.strip() for field in fields]
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise RefusedError(f"the header has a column twice: {names_shown(twice)}")
    return columns, rest


def _hint(text: bytes, columns: Sequence[str], feed: FileLayout) -> str:
    """What may be the matter with a header that lacks columns."""
    missing = missing_columns(feed, columns)
    if not missing:
        return ""
    if b"\0" in text[:1000]:
        return "; there are zero bytes in the text, so set `encoding` of the feed, as utf-16-le"
    for other in _OTHER_DELIMITERS:
        try:
            fields, _ = first_record(text, other)
        except csv.Error:
            continue
        if not missing_columns(feed, [field.strip() for field in fields]):
            return f"; it looks separated by {other!r}, so set `delimiter` of the feed"
    capitals = {name.lower(): name for name in columns}
    alike = [f"{name} as {capitals[name.lower()]}" for name in missing if name.lower() in capitals]
    return f"; the file writes {', '.join(alike)}" if alike else ""


def _batches(stream: Utf8Stream, rest: bytes, layout: Layout, size: int) -> Iterator[Batch]:
    first = 1
    final = False
    while not final:
        more = stream.read(size)
        final = not more
        text = rest + more
        end = len(text) if final else cut(text)
        whole, rest = text[:end], text[end:]
        if len(rest) > _LONGEST_LINE:
            raise RefusedError(f"a line is longer than {_LONGEST_LINE:,} bytes; is this text?")
        records = read_quickly(whole, layout) or read_exactly(whole, layout, final=final)
        rest = records.rest + rest
        if records.received:
            yield _batch(records, first)
        first += records.received


def _batch(records: Records, first: int) -> Batch:
    numbers = (records.numbers.cast(pl.Int64) + first).alias(SOURCE_ROW)
    faults = [(number + first, reason) for number, reason in records.faults]
    return Batch(records.rows.with_columns(numbers), line_faults(faults), records.received)
