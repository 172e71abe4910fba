"""Listings of a lake that is a local folder, robust against any file name."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from resources.scratch import sweep_scratch

SCRATCH: Final = ".scratch"
"""The folder of temporary files inside a local lake; never listed."""

# obstore writes a local object to `<name>#<n>` first and refuses such names as keys.
_STAGED: Final = re.compile(r"#\d+$")
_UNADDRESSABLE: Final = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing says of an object.

    Attributes:
        key: The object's key in the lake.
        size: Bytes.
        etag: Changes with the content; to be compared for equality only, and only within
            one lake (in a folder: inode, time and size; in S3: the store's own).
        modified_at: UTC; whole seconds in S3.
    """

    key: str
    size: int
    etag: str
    modified_at: datetime


class FolderListing:
    """Lists, describes and removes the files of a local lake."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def head(self, key: str) -> ObjectInfo:
        """Size, ETag and time of a file; FileNotFoundError if it is none."""
        path = self._root / key
        if not path.is_file():
            raise FileNotFoundError(key)
        return _describe(key, path.stat())

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """All addressable files below a folder, sorted by key."""
        found = []
        for key, entry in self._walk(prefix):
            if not _is_hidden(entry):
                try:
                    found.append(_describe(key, entry.stat()))
                except FileNotFoundError:  # removed since the folder was read
                    continue
        return sorted(found, key=lambda info: info.key)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below, sorted."""
        start = self._root / prefix
        if not start.is_dir():
            return []
        with os.scandir(start) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir() and entry.name != SCRATCH and not _is_odd(entry.name)
            )

    def hidden(self, prefix: str) -> list[str]:
        """Paths of files that `objects` passes over, printable, sorted."""
        return sorted(
            key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            for key, entry in self._walk(prefix)
            if _is_hidden(entry)
        )

    def delete(self, keys: Iterable[str]) -> None:
        """Removes files, and then the folders that they leave empty."""
        emptied = set()
        for key in keys:
            path = self._root / key
            path.unlink(missing_ok=True)
            emptied.add(path.parent)
        for folder in emptied:
            self._remove_empty(folder)

    def sweep(self, now: float, older_than: timedelta) -> int:
        """Removes abandoned scratch folders and old half-written objects; how many."""
        limit = now - older_than.total_seconds()
        scratch = self._root / SCRATCH
        removed = sweep_scratch(scratch.iterdir(), older_than) if scratch.is_dir() else 0
        for key, entry in self._walk(""):
            # In landing/ such a name may be a user's own file.
            staged = _STAGED.search(entry.name) and not key.startswith("landing/")
            if staged and entry.stat(follow_symlinks=False).st_mtime < limit:
                (self._root / key).unlink(missing_ok=True)
                removed += 1
        return removed

    def _walk(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        start = self._root / prefix
        if start.is_dir():
            yield from _walk(start, prefix.strip("/"), ())

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._root and folder.is_relative_to(self._root):
            try:
                folder.rmdir()
            except OSError:  # not empty, or already gone
                return
            folder = folder.parent


def _walk(
    folder: Path, prefix: str, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All entries below a folder that are no folders; links that form a circle end there."""
    try:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as opened:
            entries = list(opened)
    except FileNotFoundError:  # removed since its parent was read
        return
    for entry in entries:
        key = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_dir():
            if key != SCRATCH:
                yield from _walk(Path(entry.path), key, (*above, identity))
        else:
            yield key, entry


def _is_odd(name: str) -> bool:
    if _STAGED.search(name) or _UNADDRESSABLE.search(name):
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    return _is_odd(entry.name) or not entry.is_file()


def _describe(key: str, status: os.stat_result) -> ObjectInfo:
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    modified_at = datetime.fromtimestamp(status.st_mtime, tz=UTC)
    return ObjectInfo(key, status.st_size, etag, modified_at)
