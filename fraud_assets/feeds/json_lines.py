"""JSON lines (one object a line) as batches of source rows."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from fraud_assets.feeds.faults import RefusedError, line_faults
from fraud_assets.feeds.reading import (
    SOURCE_ROW,
    Batch,
    FileLayout,
    Table,
    check_columns,
    held,
)
from fraud_assets.feeds.stream import Utf8Stream

BLOCK_BYTES: Final = 16 * 2**20
_LONGEST_LINE: Final = 64 * 2**20
_LOOKED_AT: Final = 1000
_EXACT_INTEGERS: Final = 2**53
_DEEPEST: Final = 100
# Half a character: the quick reader would replace it, and so make two ids one.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BRACKET_STEPS: Final = np.zeros(256, dtype=np.int8)
_BRACKET_STEPS[[ord("{"), ord("[")]] = 1
_BRACKET_STEPS[[ord("}"), ord("]")]] = -1


def read_json_lines(stream: Utf8Stream, feed: FileLayout, block_bytes: int = BLOCK_BYTES) -> Table:
    """The keys of the first lines, and the rows in blocks of about `block_bytes` of text.

    A key may be absent in single lines; a needed one that no line has is a missing column, which
    shows only at the end of the file.

    Raises:
        RefusedError: No line at all; later, missing columns, or text that cannot be decoded or
            unpacked.
    """
    start = stream.read(block_bytes)
    lines = start.split(b"\n", _LOOKED_AT + 1)[:_LOOKED_AT]
    objects = [item for item in map(_parse, lines) if isinstance(item, dict)]
    columns = tuple(dict.fromkeys(key for item in objects for key in item))
    return Table(columns, _batches(stream, start, feed, columns, block_bytes))


def _batches(
    stream: Utf8Stream, rest: bytes, feed: FileLayout, columns: Sequence[str], size: int
) -> Iterator[Batch]:
    wanted = list(dict.fromkeys(n for names in feed.source_columns.values() for n in names))
    seen = set(columns)
    received = 0
    final = False
    while not final:
        more = stream.read(size)
        final = not more
        text = rest + more
        end = len(text) if final else text.rfind(b"\n") + 1
        whole, rest = text[:end], text[end:]
        if len(rest) > _LONGEST_LINE:
            raise RefusedError(f"a line is longer than {_LONGEST_LINE:,} bytes; is this text?")
        batch = _read_block(whole, wanted, received + 1)
        received += batch.received
        filled = (
            name for name in wanted if batch.rows[held(name)].null_count() < batch.rows.height
        )
        seen.update(filled)
        if batch.received:
            yield batch
    if seen:
        check_columns(feed, (*columns, *sorted(seen.difference(columns))))
    if not received:
        raise RefusedError("the file is empty: there are only blank lines")


def _read_block(text: bytes, wanted: Sequence[str], first: int) -> Batch:
    rows = _read_quickly(text, wanted)
    if rows is None:
        return _read_exactly(text, wanted, first)
    numbered = rows.rename({name: held(name) for name in wanted}).with_columns(
        pl.int_range(first, first + rows.height, dtype=pl.Int64).alias(SOURCE_ROW)
    )
    return Batch(numbered, line_faults(()), rows.height)


def _read_quickly(text: bytes, wanted: Sequence[str]) -> pl.DataFrame | None:
    """All lines, or None where any is no object, is blank, or is nested too deep to trust."""
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if not text.strip() or _SURROGATE.search(text) or _is_deep(text, lines):
        return None
    try:
        rows = pl.read_ndjson(text, schema=dict.fromkeys(wanted, pl.String))
    except pl.exceptions.PolarsError:
        return None
    return rows if rows.height == lines else None


def _is_deep(text: bytes, lines: int) -> bool:
    """Whether brackets may be nested so deep that the quick reader overflows its stack.

    Brackets inside strings count too, which at worst means the slower reader.
    """
    if text.count(b"{") <= lines and text.count(b"[") <= lines:
        return False
    steps = _BRACKET_STEPS[np.frombuffer(text, dtype=np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max()) > _DEEPEST


def _read_exactly(text: bytes, wanted: Sequence[str], first: int) -> Batch:
    faults: list[tuple[int, str]] = []
    values: dict[str, list[str | None]] = {name: [] for name in wanted}
    numbers: list[int] = []
    row = first - 1
    for line in text.split(b"\n"):
        if not line.strip():
            continue
        row += 1
        item = _parse(line)
        if isinstance(item, dict):
            numbers.append(row)
            for name in wanted:
                values[name].append(_text(item.get(name)))
        else:
            faults.append((row, item))
    rows = pl.DataFrame(
        {held(name): pl.Series(column, dtype=pl.String) for name, column in values.items()}
    ).with_columns(pl.Series(SOURCE_ROW, numbers, dtype=pl.Int64))
    return Batch(rows, line_faults(faults), row - first + 1)


def _parse(line: bytes) -> dict[str, object] | str:
    """The object of a line, or what is wrong with it."""
    try:
        item = json.loads(line, object_pairs_hook=_first_wins)
        # A lone surrogate is legal in JSON and has no UTF-8 form.
        json.dumps(item, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return "not a JSON object"
    return item if isinstance(item, dict) else "not a JSON object"


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of a key given twice, the quick reader keeps the first value as well."""
    item: dict[str, object] = {}
    for key, value in pairs:
        item.setdefault(key, value)
    return item


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
