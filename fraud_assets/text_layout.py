"""Tables and paragraphs for a terminal."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

_LINES_A_TEXT: Final = 3


def printable(text: str) -> str:
    """One line of a file, without what would drive the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0
) -> Iterator[str]:
    """Aligned columns under a title, the last `numbers` to the right; nothing without rows."""
    if not rows:
        return
    widths = [
        max(len(header[column]), *(len(row[column]) for row in rows))
        for column in range(len(header))
    ]
    texts = len(header) - numbers
    yield ""
    yield title
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if column >= texts else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def paragraph(start: str, text: str, indent: str, lines: int | None = _LINES_A_TEXT) -> list[str]:
    """Text as wide as the terminal; what does not fit into so many lines is cut off."""
    width = max(shutil.get_terminal_size((100, 24)).columns, len(indent) + 40)
    return textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=indent,
        max_lines=lines,
        placeholder=" …",
        break_on_hyphens=False,
    )
