"""The objects of a lake in S3."""

from pathlib import Path
from typing import Final, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, InvalidPathError
from obstore.store import S3Store

from resources.folders import ObjectInfo
from resources.s3_errors import is_missing_bucket
from resources.s3_listing import AnyKeyListing

PART_BYTES: Final = 16 * 1024 * 1024
"""Size of the parts of a large object: S3 takes 10,000 parts, so objects of up to 156 GiB."""

PARALLEL_PARTS: Final = 8
"""Parts of one object on their way at once; 128 MiB of memory at most."""


class S3Objects:
    """Reads, writes and lists objects below a prefix of a bucket.

    Objects above one part go up in parts. Until the last request of such an upload nothing is
    visible, and a failed one is aborted; the parts of a killed process stay, unseen but paid for,
    until the bucket's lifecycle rule for unfinished uploads removes them.

    Args:
        store: The store over the lake's prefix.
        any_key: Lists the same place where obstore cannot, because of a key that is none here.
    """

    def __init__(self, store: S3Store, any_key: AnyKeyListing) -> None:
        self._store = store
        self._any_key = any_key
        self._hidden: dict[str, list[str]] = {}

    def put(self, key: str, data: bytes, *, create: bool) -> bool:
        """Writes in one request; False if `create` was asked and the key is taken."""
        try:
            mode: Literal["create", "overwrite"] = "create" if create else "overwrite"
            obstore.put(self._store, key, data, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def put_file(self, key: str, path: Path) -> None:
        """Uploads a file, in parts if it is large."""
        obstore.put(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=PARALLEL_PARTS)

    def get(self, key: str) -> bytes:
        """The bytes of an object; FileNotFoundError if there is none."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError as error:
            raise _of_bucket(error) from error

    def download(self, key: str, path: Path) -> None:
        """Writes the bytes of an object to a file; FileNotFoundError if there is no object."""
        try:
            chunks = obstore.get(self._store, key).stream(PART_BYTES)
        except FileNotFoundError as error:
            raise _of_bucket(error) from error
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def head(self, key: str) -> ObjectInfo:
        """Describes an object; FileNotFoundError if there is none."""
        meta = obstore.head(self._store, key)
        return ObjectInfo(key, meta["size"], meta["e_tag"] or "", meta["last_modified"])

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """All objects below a folder that have a key of a lake, sorted by it."""
        try:
            found = [
                ObjectInfo(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"])
                for batch in obstore.list(self._store, prefix or None)
                for meta in batch
                # S3's console makes a marker for a folder, also for the lake's own.
                if meta["path"]
            ]
        except InvalidPathError:
            listed = self._any_key.below(prefix)
            self._hidden[prefix] = listed.hidden
            return listed.objects
        self._hidden[prefix] = []
        return sorted(found, key=lambda info: info.key)

    def hidden(self, prefix: str) -> list[str]:
        """Keys below a folder that the last listing of it passed over, printable, sorted."""
        if prefix not in self._hidden:
            self.objects(prefix)
        return self._hidden[prefix]

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below, sorted."""
        try:
            found = obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        except InvalidPathError:
            return self._any_key.below(prefix, delimiter="/").folders
        return sorted(path.rsplit("/", 1)[-1] for path in found)

    def delete(self, keys: list[str]) -> None:
        """Removes objects; keys without an object are passed over."""
        if keys:
            obstore.delete(self._store, keys)


class MissingBucketError(OSError):
    """The bucket is not there, so neither is the object; to be told as the lake's failure."""


def _of_bucket(error: FileNotFoundError) -> OSError:
    return MissingBucketError(str(error)) if is_missing_bucket(error) else error
