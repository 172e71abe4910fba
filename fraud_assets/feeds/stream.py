"""Bytes of a text file as UTF-8: decompressed, decoded, and every fault of them named."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from fraud_assets.feeds.faults import RefusedError

_BYTE_ORDER_MARKS: Final = (
    # The marks of UTF-32 begin with those of UTF-16, so they are looked for first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP: Final = b"\x1f\x8b"
_OTHER_FORMATS: Final = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an XZ archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator["Utf8Stream"]:
    """The text of a file, gzip-compressed or not, whatever its name says about that.

    Raises:
        RefusedError: The file is empty, of a binary format, or damaged.
        OSError: The disk or its permissions, not the file, are the matter.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if not head:
            raise RefusedError("the file is empty (0 bytes)")
        for magic, name in _OTHER_FORMATS:
            if head.startswith(magic):
                raise RefusedError(f"this is {name}, not text; accepted: CSV, JSON lines, Parquet")
        if head.startswith(_GZIP):
            with gzip.open(file) as unpacked:
                yield Utf8Stream(unpacked, encoding)
        else:
            yield Utf8Stream(file, encoding)


class Utf8Stream:
    """Reads a binary stream as UTF-8 bytes without byte order mark.

    Args:
        source: Compressed ones are decompressed already.
        encoding: Of the text; a byte order mark in it goes first.
    """

    def __init__(self, source: "IO[bytes] | gzip.GzipFile", encoding: str) -> None:
        self._source = source
        self._offset = 0
        self._lines = 0
        self.encoding = codecs.lookup(encoding).name
        self._head = self._read(4)
        for mark, name in _BYTE_ORDER_MARKS:
            if self._head.startswith(mark):
                self.encoding = name
                self._head = self._head[len(mark) :]
                self._offset = len(mark)
                break
        self._decoder = codecs.getincrementaldecoder(self.encoding)()

    def read(self, size: int) -> bytes:
        """About this many bytes; none at the end of the file.

        Raises:
            RefusedError: Bytes that are not in the encoding, or a damaged gzip stream.
        """
        while True:
            raw = self._head + self._read(size)
            self._head = b""
            text = self._decode(raw)
            self._offset += len(raw)
            self._lines += text.count(b"\n")
            if text or not raw:
                return text

    def _decode(self, raw: bytes) -> bytes:
        pending = len(self._decoder.getstate()[0])
        if self.encoding == "utf-8" and not pending and raw.isascii():
            return raw
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            place = self._offset - pending + error.start
            line = self._lines + 1 + error.object[: error.start].count(b"\n")
            likely = "utf-16-le or utf-16-be" if b"\0" in error.object else "latin-1 or cp1252"
            raise RefusedError(
                f"the text is not {self.encoding}: byte offset {place}, line {line} "
                f"({error.reason}); set `encoding` of the feed, perhaps to {likely}, or send UTF-8"
            ) from error
        return text.encode("utf-8", "surrogatepass")

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except EOFError as error:
            raise RefusedError(
                "the gzip file is truncated: it ends before its end mark; send it again"
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise RefusedError(f"the gzip file is damaged ({error}); send it again") from error
