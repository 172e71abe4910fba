"""Delimited text cut into records: quickly where it is regular, exactly where it is not."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

_QUOTE: Final = ord('"')
_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")
_MAX_LINES_A_RECORD: Final = 1000
_CUTS_TRIED: Final = 1000


@dataclass
class Records:
    """Records of a stretch of text.

    Attributes:
        rows: Fields of the good records as String, one column a field asked for.
        numbers: Which record of the stretch each of the rows is, 0 for the first.
        faults: Number and reason of the records that are not readable.
        received: All records; blank lines are none.
        rest: Text at the end whose record goes on after the stretch.
    """

    rows: pl.DataFrame
    numbers: pl.Series
    faults: list[tuple[int, str]] = field(default_factory=list)
    received: int = 0
    rest: bytes = b""


@dataclass(frozen=True)
class Layout:
    """What the header fixes: the number of fields, and the place and name of those read."""

    width: int
    places: tuple[int, ...]
    names: tuple[str, ...]
    delimiter: str


def cut(text: bytes) -> int:
    """Length of the longest start of the text that ends with a line and outside quotes.

    0 where there is no whole line. Where stray quotes make every line end look quoted, the last
    line end counts: `read_exactly` then sorts it out.
    """
    last = text.rfind(b"\n") + 1
    if last == 0 or b'"' not in text:
        return last
    end = last
    quotes = text.count(b'"', 0, end)
    for _ in range(_CUTS_TRIED):
        if quotes % 2 == 0:
            return end
        before = text.rfind(b"\n", 0, end - 1) + 1
        if before == 0:
            break
        quotes -= text.count(b'"', before, end)
        end = before
    return last


def read_quickly(text: bytes, layout: Layout) -> Records | None:
    """All records of a regular stretch, or None where it is not regular.

    Regular means: every record has the header's number of fields, quotes only around whole fields,
    no blank line in between and no lone carriage return. Only then does it matter not which of the
    many readings of CSV a parser follows.
    """
    text = text.rstrip(b"\r\n") + b"\n"
    if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
        return None
    structure = _structure(text, layout.delimiter.encode())
    count = structure.count(b"\n") if structure is not None else 0
    pattern = layout.delimiter.encode() * (layout.width - 1) + b"\n"
    if structure is None or structure != pattern * count:
        return None
    try:
        rows = pl.read_csv(
            text,
            has_header=False,
            separator=layout.delimiter,
            columns=list(layout.places),
            new_columns=list(layout.names),
            infer_schema=False,
            quote_char='"' if b'"' in text else None,
        )
    except pl.exceptions.PolarsError:
        return None
    if rows.height != count:
        return None
    return Records(rows, pl.int_range(count, eager=True), received=count)


_EVERY_BYTE: Final = bytes(range(256))


def _structure(text: bytes, delimiter: bytes) -> bytes | None:
    """Delimiters and line ends outside quotes, in order; None where quotes are not regular."""
    if b'"' not in text:
        return text.translate(None, _EVERY_BYTE.translate(None, delimiter + b"\n"))
    data = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if quotes.size % 2:
        return None
    opening, closing = quotes[0::2], quotes[1::2]
    # The text ends with a line end, so a closing quote always has a next byte; the byte before the
    # first one wraps round to that line end, which is right: a record starts there.
    may_precede = [delimiter[0], _NEWLINE, _QUOTE]
    may_follow = [delimiter[0], _NEWLINE, _RETURN, _QUOTE]
    if not (
        np.isin(data[opening - 1], may_precede).all()
        and np.isin(data[closing + 1], may_follow).all()
    ):
        return None
    marks = np.flatnonzero((data == delimiter[0]) | (data == _NEWLINE))
    outside = np.searchsorted(quotes, marks) % 2 == 0
    return bytes(data[marks[outside]])


def read_exactly(text: bytes, layout: Layout, *, final: bool) -> Records:
    """All records of any stretch, one by one, by the rules of the `csv` module made strict.

    A quote that opens and is not closed within 1000 lines, or whose record has a wrong number of
    fields, spoils its own line alone: the next line is read as a new record. So one stray quote
    cannot swallow the rows after it.

    Args:
        text: Whole lines.
        layout: From the header.
        final: Whether the file ends here; else an open record at the end is left in `rest`.
    """
    lines = _Lines(text)
    found = Records(pl.DataFrame(), pl.Series())
    good: list[list[str]] = []
    numbers: list[int] = []
    while not lines.is_done:
        try:
            for fields in csv.reader(lines, delimiter=layout.delimiter, strict=True):
                if len(fields) <= 1 and not "".join(fields).strip() and lines.used == 1:
                    lines.accept()
                    continue
                if len(fields) == layout.width:
                    good.append(fields)
                    numbers.append(found.received)
                    lines.accept()
                else:
                    reason = f"{len(fields)} fields where the header has {layout.width}"
                    found.faults.append((found.received, reason))
                    lines.skip_one()
                found.received += 1
        except csv.Error as error:
            is_open = "unexpected end of data" in str(error)
            if is_open and lines.at_end and not final:
                break
            spans_lines = is_open or lines.used > 1
            reason = "a quote opens and does not close" if spans_lines else explain(error)
            found.faults.append((found.received, reason))
            found.received += 1
            lines.skip_one()
    found.rows = pl.DataFrame(
        {
            name: pl.Series([fields[at] or None for fields in good], dtype=pl.String)
            for at, name in zip(layout.places, layout.names, strict=True)
        }
    )
    found.numbers = pl.Series(numbers, dtype=pl.Int64)
    found.rest = lines.rest()
    return found


def explain(error: csv.Error) -> str:
    """What strict CSV did not find, in plain words."""
    text = str(error)
    if "new-line" in text:
        return "a carriage return inside a line"
    return "text after a closing quote" if "expected after" in text else text


def first_record(text: bytes, delimiter: str) -> tuple[list[str], bytes]:
    """Fields of the first record that is not blank, and the text after it.

    Raises:
        csv.Error: It is no CSV record.
    """
    lines = _Lines(text)
    for fields in csv.reader(lines, delimiter=delimiter, strict=True):
        lines.accept()
        if any(field.strip() for field in fields):
            return fields, lines.rest()
    return [], b""


class _Lines:
    """Lines for a `csv.reader`, which may be taken back to the record that it did not finish."""

    def __init__(self, text: bytes) -> None:
        self._lines = text.split(b"\n")
        self._end = b"\n" if text.endswith(b"\n") else b""
        if not self._lines[-1]:
            self._lines.pop()
        self._start = self._next = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at_end or self.used == _MAX_LINES_A_RECORD:
            raise StopIteration
        self._next += 1
        return self._lines[self._next - 1].decode() + "\n"

    @property
    def used(self) -> int:
        """Lines read for the record in hand."""
        return self._next - self._start

    @property
    def at_end(self) -> bool:
        return self._next >= len(self._lines)

    @property
    def is_done(self) -> bool:
        return self._start >= len(self._lines)

    def accept(self) -> None:
        self._start = self._next

    def skip_one(self) -> None:
        """Goes on with the line after the first one of the record in hand."""
        self._start += 1
        self._next = self._start

    def rest(self) -> bytes:
        """What belongs to no record yet."""
        lines = self._lines[self._start :]
        return b"\n".join(lines) + self._end if lines else b""
