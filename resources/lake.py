"""The lake: objects, listings and tables in a folder or in S3, with one behaviour.

Objects go through obstore, tables through Polars. Listings of a local folder do not: one file
with an odd name (a line break, bytes that are no UTF-8) would make obstore's local listing fail
for all of its neighbours.
"""

import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, Self, TypeAlias

import polars as pl

from resources.errors import (
    LakeError,
    LakeUnavailableError,
    MissingObjectError,
    translated,
)
from resources.folder_objects import FolderObjects
from resources.folders import SCRATCH, ObjectInfo
from resources.locations import LakeLocation
from resources.s3 import S3Options, open_s3
from resources.s3_listing import AnyKeyListing, is_key
from resources.s3_objects import S3Objects
from resources.scratch import make_scratch, scratch_in, sweep_scratch

__all__ = [
    "Lake",
    "LakeError",
    "LakeLocation",
    "LakeUnavailableError",
    "MissingObjectError",
    "ObjectInfo",
]

# Inside Lake the name `list` is its method.
Objects: TypeAlias = list[ObjectInfo]
Names: TypeAlias = list[str]
ByteStrings: TypeAlias = list[bytes]

_PARALLEL_READS: Final = 16


class Lake:
    """Objects under keys such as `raw/feed=card/data.parquet`, in a folder or in S3.

    Keys have `/` between their parts, and no empty, `.` or `..` part. Opening a lake
    creates nothing and contacts nobody; the folder appears with the first write.

    Every method raises LakeUnavailableError where the place itself fails (no space, no
    permission, no bucket, no network); its message says what to do.

    Attributes:
        location: Where it is.
        options: How S3 is reached and written to, retries and encryption among it.
        scratch_parent: The folder below which `scratch` makes its folders.
    """

    def __init__(
        self, location: LakeLocation, options: S3Options, scratch_parent: Path | None = None
    ) -> None:
        """Takes, for S3 alone, a folder for temporary files; by default the system's."""
        self.location = location
        self.options = options
        if location.folder is not None:
            self.scratch_parent = location.folder / SCRATCH
        else:
            self.scratch_parent = scratch_parent or Path(tempfile.gettempdir())

    @classmethod
    def open(
        cls,
        url: str,
        *,
        endpoint: str | None = None,
        allow_http: bool = False,
        region: str | None = None,
    ) -> Self:
        """The lake at a folder, `file://` or `s3://` address; ValueError for anything else."""
        return cls(LakeLocation.parse(url), S3Options(endpoint, allow_http, region))

    def __repr__(self) -> str:
        return f"Lake({str(self.location)!r})"

    @property
    def url(self) -> str:
        """The address, as accepted by `open`."""
        return str(self.location)

    @property
    def folder(self) -> Path | None:
        """The folder of a local lake; None in S3."""
        return self.location.folder

    def put(self, key: str, data: bytes, *, create: bool = False) -> bool:
        """Stores bytes under a key, all or nothing.

        Args:
            key: Where to.
            data: What.
            create: Write only if nothing is there. Exactly one of several writers wins.

        Returns:
            False if `create` was asked and the key was taken, else True. In S3 a False may
            hide a success: a request repeated after a lost answer finds its own object. Who
            must know looks whether the object is his.
        """
        _check_key(key)
        with translated(self.url, f"write {key}"):
            return self._objects.put(key, data, create=create)

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """Stores a local file under a key, all or nothing, without reading it into memory.

        Args:
            key: Where to; an object already there is replaced.
            path: The local file.
            move: The file may be consumed. From `scratch()` of a local lake this is a rename.
        """
        _check_key(key)
        with translated(self.url, f"write {key}"):
            if isinstance(self._objects, S3Objects):
                self._objects.put_file(key, path)
            else:
                self._objects.put_file(key, path, move=move)

    def get(self, key: str) -> bytes:
        """The bytes under a key; MissingObjectError if there is none."""
        _check_key(key)
        with translated(self.url, f"read {key}"):
            try:
                return self._objects.get(key)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise self._missing(key) from error

    def get_many(self, keys: Sequence[str]) -> ByteStrings:
        """The bytes under each key, in order, read side by side; MissingObjectError if none."""
        with ThreadPoolExecutor(max_workers=_PARALLEL_READS) as pool:
            return [*pool.map(self.get, keys)]

    def head(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object; MissingObjectError if there is none."""
        _check_key(key)
        with translated(self.url, f"read {key}"):
            try:
                return self._objects.head(key)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise self._missing(key) from error

    def exists(self, key: str) -> bool:
        """Whether there is an object under this very key."""
        try:
            self.head(key)
        except MissingObjectError:
            return False
        return True

    def list(self, prefix: str) -> Objects:
        """All objects below a folder (`""`: everywhere), sorted by key; empty if none.

        A prefix is a whole path part: `raw/feed=a` does not list `raw/feed=ab/x`.
        """
        with translated(self.url, f"list {prefix or 'everything'}"):
            return self._objects.objects(prefix)

    def folders(self, prefix: str) -> Names:
        """The names (not paths) of the folders directly below a folder, sorted."""
        with translated(self.url, f"list {prefix or 'everything'}"):
            return self._objects.folders(prefix)

    def hidden_files(self, prefix: str) -> Names:
        r"""Paths below a folder that no listing shows, sorted.

        In a folder: names that end in `#` and digits, that are no UTF-8 or hold control characters
        or a backslash, and links that lead nowhere. In S3: keys with control characters or an
        empty, `.` or `..` part, as the last listing found them. Odd bytes are shown as `\xNN`.
        """
        with translated(self.url, f"list {prefix or 'everything'}"):
            return self._objects.hidden(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; keys without an object are passed over."""
        wanted = list(keys)
        for key in wanted:
            _check_key(key)
        with translated(self.url, "delete"):
            self._objects.delete(wanted)

    def fetch(self, key: str, path: Path) -> None:
        """Downloads an object to a local file, all or nothing; MissingObjectError if none."""
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with self.local_copy(key) as source, translated(str(path.parent), "write"):
                shutil.copyfile(source, partial)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """A local file with an object's bytes: the object itself in a folder; never write to it.

        Raises:
            MissingObjectError: There is no such object.
        """
        _check_key(key)
        if self.folder is not None:
            self.head(key)
            yield self.folder / key
            return
        with self.scratch() as scratch:
            target = scratch / key.rsplit("/", 1)[-1]
            with translated(self.url, f"read {key}"):
                try:
                    self._s3.download(key, target)
                except FileNotFoundError as error:
                    raise self._missing(key) from error
            yield target

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A fresh local folder for temporary files, removed afterwards.

        In a local lake it is on the lake's own device, so that `put_file(move=True)` renames. It is
        named after this process: what a killed one leaves is told from what is in use, and swept.
        """
        with translated(self.url, "make a temporary folder"):
            path = make_scratch(self.scratch_parent)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def sweep(self, older_than: timedelta) -> int:
        """Removes what killed processes left: temporary folders, half-written files; how many.

        Temporary folders of this machine's processes go when their process is gone, whatever their
        age; in a local lake old ones of other machines go too.
        """
        with translated(self.url, "sweep"):
            if self.folder is None:
                return self.sweep_scratch()
            return FolderObjects(self.folder).sweep(time.time(), older_than)

    def sweep_scratch(self) -> int:
        """Removes temporary folders of this machine's processes that are gone; how many."""
        return sweep_scratch(scratch_in(self.scratch_parent))

    def scan_parquet(self, keys: Sequence[str]) -> pl.LazyFrame:
        """A lazy table over Parquet objects of one schema, in the order given."""
        if not keys:
            raise ValueError("no Parquet objects to scan")
        for key in keys:
            _check_key(key)
        if self.folder is not None:
            paths = [str(self.folder / key) for key in keys]
            return pl.scan_parquet(paths, glob=False, hive_partitioning=False)
        return pl.scan_parquet(
            [f"{self.url}/{key}" for key in keys],
            glob=False,
            hive_partitioning=False,
            storage_options=self.options.for_polars(),
        )

    @cached_property
    def _objects(self) -> FolderObjects | S3Objects:
        return self._s3 if self.folder is None else FolderObjects(self.folder)

    @cached_property
    def _s3(self) -> S3Objects:
        if self.location.bucket is None:  # pragma: no cover - parse sets one of both
            raise ValueError("a lake is a folder or a bucket")
        store = open_s3(self.location.bucket, self.location.prefix, self.options)
        return S3Objects(store, AnyKeyListing(self.location, self.options))

    def _missing(self, key: str) -> MissingObjectError:
        return MissingObjectError(f"there is no {key} in the lake {self.url}")


def utc_now() -> datetime:
    """The present moment, with time zone."""
    return datetime.now(UTC)


def _check_key(key: str) -> None:
    """Raises ValueError for a key that one of the two stores could not hold."""
    if not is_key(key):
        raise ValueError(f"{key!r} is no key: its parts must not be empty, '.' or '..'")
