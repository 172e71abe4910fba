"""The lake: objects, listings and tables in a folder or in S3, with one behaviour.

Objects go through obstore, tables through Polars. Two things of a local folder do not:

* Listings walk the folder, since one file with an odd name (a line break, bytes that are no
  UTF-8) would make obstore's local listing fail for all of its neighbours.
* Large files are written to `.scratch/` of the same folder and renamed, so that a killed
  writer never leaves a torn file under a real name and nothing is copied twice.
"""

import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

import obstore
import polars as pl
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, S3Store

from resources.errors import (
    LakeError,
    LakeUnavailableError,
    MissingObjectError,
    translated,
)
from resources.folders import SCRATCH, FolderListing, ObjectInfo
from resources.s3 import S3Options, open_s3

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

_CHUNK_BYTES: Final = 16 * 1024 * 1024
_PARALLEL_READS: Final = 16
_BAD_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class LakeLocation:
    """Where a lake is: a folder, or a bucket with a prefix.

    Attributes:
        folder: The absolute folder of a local lake, else None.
        bucket: The bucket of a lake in S3, else None.
        prefix: The prefix in the bucket, without slashes at its ends; may be empty.
    """

    folder: Path | None
    bucket: str | None = None
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads a path, `file://path` or `s3://bucket/prefix`.

        Raises:
            ValueError: The text is none of these.
        """
        scheme, separator, rest = url.partition("://")
        expected = "expected a folder, file:///folder or s3://bucket/prefix"
        if not separator and url.strip() and not re.match(r"^(s3|file):", url):
            return cls(Path(url).expanduser().absolute())
        if scheme == "file" and rest.startswith("/"):
            return cls(Path(rest))
        if scheme == "s3":
            bucket, _, prefix = rest.partition("/")
            prefix = prefix.strip("/")
            parts = prefix.split("/") if prefix else []
            if re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket) and not any(
                part in {"", ".", ".."} for part in parts
            ):
                return cls(None, bucket, prefix)
        raise ValueError(f"{url!r} names no lake: {expected}")

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class Lake:
    """Objects under keys such as `raw/feed=card/data.parquet`, in a folder or in S3.

    Keys have `/` between their parts, and no empty, `.` or `..` part. Opening a lake
    creates nothing and contacts nobody; the folder appears with the first write.

    Every method raises LakeUnavailableError where the place itself fails (no space, no
    permission, no bucket, no network); its message says what to do.
    """

    def __init__(self, location: LakeLocation, options: S3Options) -> None:
        self.location = location
        self._options = options

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
            try:
                mode: Literal["create", "overwrite"] = "create" if create else "overwrite"
                obstore.put(self._writable_store, key, data, mode=mode, use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """Stores a local file under a key, all or nothing, without reading it into memory.

        Args:
            key: Where to; an object already there is replaced.
            path: The local file.
            move: The file may be consumed. From `scratch()` of a local lake this is a rename.
        """
        _check_key(key)
        with translated(self.url, f"write {key}"):
            if self.folder is None:
                obstore.put(self._store, key, path, chunk_size=_CHUNK_BYTES)
                return
            target = self.folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            if move and _same_device(path, target.parent):
                path.replace(target)
                return
            with self.scratch() as scratch:
                copied = scratch / "copy"
                shutil.copyfile(path, copied)
                copied.replace(target)

    def get(self, key: str) -> bytes:
        """The bytes under a key; MissingObjectError if there is none."""
        _check_key(key)
        with translated(self.url, f"read {key}"):
            try:
                if self.folder is not None:
                    return (self.folder / key).read_bytes()
                return bytes(obstore.get(self._store, key).bytes())
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
                if self._files is not None:
                    return self._files.head(key)
                meta = obstore.head(self._store, key)
                return ObjectInfo(key, meta["size"], meta["e_tag"] or "", meta["last_modified"])
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
            if self._files is not None:
                return self._files.objects(prefix)
            found = [
                ObjectInfo(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"])
                for batch in obstore.list(self._store, prefix or None)
                for meta in batch
            ]
        return sorted(found, key=lambda info: info.key)

    def folders(self, prefix: str) -> Names:
        """The names (not paths) of the folders directly below a folder, sorted."""
        with translated(self.url, f"list {prefix or 'everything'}"):
            if self._files is not None:
                return self._files.folders(prefix)
            found = obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        return sorted(path.rsplit("/", 1)[-1] for path in found)

    def hidden_files(self, prefix: str) -> Names:
        r"""Paths below a folder of a local lake that no listing shows, sorted.

        Names that end in `#` and digits, that are no UTF-8 or hold control characters or a
        backslash, and links that lead nowhere. Undecodable bytes are shown as `\xNN`.
        """
        with translated(self.url, f"list {prefix or 'everything'}"):
            return [] if self._files is None else self._files.hidden(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; keys without an object are passed over."""
        wanted = list(keys)
        for key in wanted:
            _check_key(key)
        with translated(self.url, "delete"):
            if self._files is not None:
                self._files.delete(wanted)
            elif wanted:
                obstore.delete(self._store, wanted)

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
                    with target.open("wb") as file:
                        for chunk in obstore.get(self._store, key).stream(_CHUNK_BYTES):
                            file.write(chunk)
                except FileNotFoundError as error:
                    raise self._missing(key) from error
            yield target

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A fresh local folder for temporary files, removed afterwards.

        In a local lake it is on the lake's own device, so that `put_file(move=True)` renames.
        """
        with translated(self.url, "make a temporary folder"):
            if self.folder is None:
                path = Path(tempfile.mkdtemp(prefix="fraud-lake-"))
            else:
                path = self.folder / SCRATCH / uuid.uuid4().hex
                path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def sweep(self, older_than: timedelta) -> int:
        """Removes what killed writers left in a local lake; the number of files removed."""
        with translated(self.url, "sweep"):
            return 0 if self._files is None else self._files.sweep(time.time(), older_than)

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
            storage_options=self._options.for_polars(),
        )

    @cached_property
    def _files(self) -> FolderListing | None:
        return None if self.folder is None else FolderListing(self.folder)

    @cached_property
    def _store(self) -> LocalStore | S3Store:
        if self.folder is not None:
            return LocalStore(self.folder, mkdir=True)
        if self.location.bucket is None:  # pragma: no cover - parse sets one of both
            raise ValueError("a lake is a folder or a bucket")
        return open_s3(self.location.bucket, self.location.prefix, self._options)

    @property
    def _writable_store(self) -> LocalStore | S3Store:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self._store

    def _missing(self, key: str) -> MissingObjectError:
        return MissingObjectError(f"there is no {key} in the lake {self.url}")


def utc_now() -> datetime:
    """The present moment, with time zone."""
    return datetime.now(UTC)


def _check_key(key: str) -> None:
    """Raises ValueError for a key that one of the two stores could not hold."""
    parts = key.split("/")
    if any(part in {"", ".", ".."} for part in parts) or _BAD_CHARACTERS.search(key):
        raise ValueError(f"{key!r} is no key: its parts must not be empty, '.' or '..'")


def _same_device(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev
