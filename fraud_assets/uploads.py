"""Uploads: how a file that anyone dropped in `landing/` becomes a fixed, numbered input."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from fraud_assets.landing import Arrival, Discovery, Landing
from fraud_assets.refusals import Refusal, Refusals
from fraud_assets.upload_names import (
    candidate_keys,
    feed_of_labels,
    labels_folder,
    why_not_landable,
)
from fraud_assets.upload_records import (
    ReceivedListing,
    Upload,
    UploadError,
    UploadRecords,
    mark_of,
)
from resources.errors import translated
from resources.lake import Lake, MissingObjectError, utc_now

__all__ = ["Discovery", "Refusal", "Upload", "UploadError", "Uploads"]

_CHUNK_BYTES: Final = 1024 * 1024
_GIBIBYTE: Final = 1024**3


class _StillChangingError(Exception):
    """A file is not what it was when it was listed."""


class Uploads:
    """Registers landed files and tells of the registered ones.

    There is no cursor over landing times. Every full look lists all of `landing/` and passes
    over the files whose path, size and ETag are recorded; so a file that appears late, with an
    old time stamp, or in the same second as another, is found all the same.
    """

    def __init__(self, lake: Lake, feeds: Collection[str]) -> None:
        """Works on a lake.

        Args:
            lake: Where.
            feeds: The names of the known feeds, each a folder of `landing/`.
        """
        self._lake = lake
        self._feeds = frozenset(feeds)
        self._records = UploadRecords(lake)
        self._refusals = Refusals(lake)

    def all(self, feed: str | None = None) -> list[Upload]:
        """All registered files of transactions, or those of a feed, in landing order."""
        return [
            one
            for one in self._records.all()
            if (feed_of_labels(one.feed) is None if feed is None else one.feed == feed)
        ]

    def labels(self, feed: str | None = None) -> list[Upload]:
        """All registered files of labels, or those of a feed's transactions, in landing order."""
        return [
            one
            for one in self._records.all()
            if (labelled := feed_of_labels(one.feed)) is not None and feed in {None, labelled}
        ]

    def get(self, key: str) -> Upload:
        """A registered upload; UploadError if there is none of that key."""
        return self._records.get(key)

    def damage(self) -> list[str]:
        """A line for each upload whose received bytes are missing or of another size."""
        listing = ReceivedListing.of(self._lake)
        return [
            f"{one.data_key} is missing or not of its {one.size} bytes; land {one.file} again"
            for one in self._records.of_keys(listing.registered)
            if not listing.is_intact(one)
        ]

    def data_key(self, upload: Upload) -> str:
        """The key in the lake of an upload's bytes."""
        return upload.data_key

    def record_refusal(
        self, key: str, reason: str, feed_digest: str, at: datetime | None = None
    ) -> Refusal:
        """Stores why an upload as a whole was refused."""
        return self._refusals.record(key, reason, feed_digest, at)

    def refusal(self, key: str) -> Refusal | None:
        """Why an upload was refused; None if it was not."""
        return self._refusals.get(key)

    def refusals(self) -> dict[str, Refusal]:
        """All refusals by upload key."""
        return self._refusals.all()

    def clear_refusal(self, key: str) -> None:
        """Forgets a refusal, for an upload that was accepted since."""
        self._refusals.clear(key)

    def land(self, file: Path, feed: str, *, labels: bool = False) -> str:
        """Copies a file to `landing/<feed>/`, all or nothing, and returns its key there.

        A file of the same name is replaced; what was registered of it stays received.

        Args:
            file: What.
            feed: Whose.
            labels: Whether it holds labels of the feed's transactions; those land beside them,
                in `landing/<feed>-labels/`.

        Raises:
            UploadError: The feed is unknown, or the file is none, is being written, or has a
                name that could not be found again; the message says what to do.
        """
        if feed not in self._feeds:
            known = ", ".join(sorted(self._feeds))
            raise UploadError(f"there is no feed {feed!r}; known feeds: {known}")
        if not file.exists():
            raise UploadError(f"there is no file {str(file)!r}")
        if not file.is_file():
            raise UploadError(f"{str(file)!r} is no regular file")
        wrong = why_not_landable(file.name)
        if wrong is not None:
            raise UploadError(f"{str(file)!r} cannot be landed: {wrong}")
        key = f"landing/{labels_folder(feed) if labels else feed}/{file.name}"
        before = file.stat()
        try:
            with file.open("rb"):
                pass
        except OSError as error:
            raise UploadError(f"{str(file)!r} cannot be read: {error.strerror}") from error
        if self._lake.folder is None or not _is_same_file(file, self._lake.folder / key):
            self._lake.put_file(key, file)
        after = file.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UploadError(f"{str(file)!r} changed while it was copied; land it again")
        return key

    def discover(
        self,
        limit: int = 100,
        hash_bytes: int = 2 * _GIBIBYTE,
        settle: timedelta = timedelta(0),
        only: Collection[str] | None = None,
    ) -> Discovery:
        """Registers what landed, oldest first (time of change, then path).

        Registering copies the bytes to `received/<key>/`, claims the next landing order and
        writes `upload.json` last. Killed in between, the next call finishes the work.

        Args:
            limit: New uploads at most.
            hash_bytes: Bytes read at most; one file is read in any case.
            settle: Files changed less than this ago wait, for writers that pause.
            only: Keys below `landing/` to look at, as somebody told of them; None: all. Keys
                without an object are passed over.
        """
        landing = Landing(self._lake, self._feeds)
        found = Discovery(hidden=landing.hidden() if only is None else [])
        listing = ReceivedListing.of(self._lake)
        settled = self._records.settle_claims(listing)
        found.new += settled.finished
        found.damaged += settled.problems
        desk = _Desk(self._lake, self._records, listing, settled.open)
        spent = 0
        now = utc_now()
        for arrival in landing.arrivals(listing, found, only):
            size = arrival.info.size
            # A time stamp of the future says nothing about a writer that pauses.
            if settle and now - settle < arrival.info.modified_at <= now:
                found.waiting[arrival.path] = "it changed a moment ago"
            elif len(found.new) >= limit or (spent and spent + size > hash_bytes):
                found.postponed.append(arrival.path)
            else:
                spent += max(size, 1)
                try:
                    new = desk.register(arrival)
                except _StillChangingError as error:
                    found.waiting[arrival.path] = str(error)
                    continue
                if new is None:
                    found.seen += 1
                else:
                    found.new.append(new)
        return found


class _Desk:
    """Registers arrivals, one at a time."""

    def __init__(
        self,
        lake: Lake,
        records: UploadRecords,
        listing: ReceivedListing,
        open_claims: dict[str, Upload],
    ) -> None:
        self._lake = lake
        self._records = records
        self._listing = listing
        self._open_claims = open_claims
        self._next_order = max(listing.claims, default=0) + 1

    def register(self, arrival: Arrival) -> Upload | None:
        """The new upload; None if these bytes are known under the same name."""
        with self._lake.scratch() as scratch:
            copy = scratch / "data"
            digest = self._copy_and_hash(arrival, copy)
            draft = self._draft(arrival, digest)
            known = self._records.find(draft.key)
            if known is None or not self._listing.is_intact(known):
                self._lake.put_file(draft.data_key, copy, move=True)
                self._listing.sizes[draft.key, draft.suffix] = draft.size
        new = None if known is not None else self._number(draft)
        self._records.mark(draft.key, mark_of(arrival.info))
        return new

    def _copy_and_hash(self, arrival: Arrival, copy: Path) -> str:
        """Copies a landed file; _StillChangingError if it is not what was listed."""
        info = arrival.info
        try:
            with self._lake.local_copy(info.key) as source:
                try:
                    opened = source.open("rb")
                except OSError as error:
                    raise _StillChangingError(f"it cannot be read: {error.strerror}") from error
                with (
                    opened,
                    translated(self._lake.url, f"receive {info.key}"),
                    copy.open("wb") as target,
                ):
                    size, digest = _copy(opened, target)
            now = self._lake.head(info.key)
        except MissingObjectError as error:
            raise _StillChangingError("it was removed or renamed") from error
        if (now.size, now.etag, size) != (info.size, info.etag, info.size):
            raise _StillChangingError("it is still being written")
        return digest

    def _draft(self, arrival: Arrival, digest: str) -> Upload:
        """The upload to be, under the first key that is free or holds these very bytes."""
        for key in candidate_keys(arrival.feed, arrival.file, digest):
            holder = self._records.find(key) or self._open_claims.get(key)
            mine = (arrival.feed, digest, arrival.suffix)
            if holder is None or (holder.feed, holder.sha256, holder.suffix) == mine:
                return Upload(
                    key=key,
                    feed=arrival.feed,
                    file=arrival.file,
                    suffix=arrival.suffix,
                    size=arrival.info.size,
                    sha256=digest,
                    order=self._next_order,
                    registered_at=utc_now(),
                )
        raise UploadError(f"no key is free for landing/{arrival.path}")

    def _number(self, draft: Upload) -> Upload | None:
        """Claims an order and registers; None if somebody registered these bytes meanwhile."""
        claimed = self._open_claims.get(draft.key) or self._records.claim(draft, self._next_order)
        self._next_order = max(self._next_order, claimed.order + 1)
        return claimed if self._records.create(claimed) else None


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[int, str]:
    """Copies to the end; the number of bytes and their SHA-256."""
    digest = hashlib.sha256()
    size = 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _is_same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)
