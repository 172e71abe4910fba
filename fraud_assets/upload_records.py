"""What the lake remembers of uploads: `received/<key>/` and the order of their landing.

```
received/<key>/data<suffix>      the bytes as they were when registered
received/<key>/upload.json       makes the upload registered; written once
received/<key>/seen/<mark>       a file of that path, size and ETag holds these bytes
received/order/<8 digits>        the landing order, claimed in create mode; a copy of upload.json
quarantine/<key>/refused.json    why the upload as a whole was refused
```
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from resources.lake import Lake, MissingObjectError, ObjectInfo

ORDER_FOLDER: Final = "received/order"

_RECEIVED: Final = re.compile(r"received/([a-z0-9_-]+)/(upload\.json|data\.[a-z.]+|seen/(\w+))")
_CLAIM: Final = re.compile(rf"{ORDER_FOLDER}/(\d{{8,}})")


class UploadError(Exception):
    """Something about a file or an upload that a user can mend; the message says how."""


class Upload(BaseModel):
    """A registered file; never changes.

    Attributes:
        key: `<feed>-<stem>-<first 8 hex digits of sha256>`, the partition key.
        feed: The feed whose folder it landed in.
        file: Its path below `landing/<feed>/`.
        suffix: Its kind, such as `.csv.gz`.
        size: Bytes.
        sha256: Hash of its bytes.
        order: Landing order over all feeds, 1, 2, ...; may have gaps.
        registered_at: UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    feed: str
    file: str
    suffix: str
    size: int = Field(ge=0)
    sha256: str
    order: int = Field(ge=1)
    registered_at: AwareDatetime

    @property
    def data_key(self) -> str:
        """The key in the lake of the received bytes."""
        return f"received/{self.key}/data{self.suffix}"

    @property
    def name(self) -> str:
        """The file's path below its feed's folder, as a person knows it."""
        return self.file


@dataclass
class ReceivedListing:
    """Everything that one listing of `received/` tells, without reading an object."""

    registered: set[str] = field(default_factory=set)
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    marks: dict[str, set[str]] = field(default_factory=dict)
    claims: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, lake: Lake) -> Self:
        """Lists `received/`."""
        listing = cls()
        for info in lake.list("received"):
            if claim := _CLAIM.fullmatch(info.key):
                listing.claims.append(int(claim.group(1)))
            elif found := _RECEIVED.fullmatch(info.key):
                key, name, mark = found.groups()
                if mark:
                    listing.marks.setdefault(mark, set()).add(key)
                elif name == "upload.json":
                    listing.registered.add(key)
                else:
                    listing.sizes[key, name.removeprefix("data")] = info.size
        return listing

    def is_intact(self, upload: Upload) -> bool:
        """Whether the received bytes are there, in their size."""
        return self.sizes.get((upload.key, upload.suffix)) == upload.size

    def is_known(self, info: ObjectInfo, suffix: str) -> bool:
        """Whether a landed file is recorded as holding an upload whose bytes are there."""
        return any(
            key in self.registered and self.sizes.get((key, suffix)) == info.size
            for key in self.marks.get(mark_of(info), ())
        )


class UploadRecords:
    """Reads and writes the records; remembers what it read, as uploads never change."""

    def __init__(self, lake: Lake, *, read_only: bool = False) -> None:
        """Works on a lake.

        Args:
            lake: Where.
            read_only: Records that are damaged are read from their copies, but not restored.
        """
        self._lake = lake
        self._read_only = read_only
        self._read: dict[str, Upload] = {}

    def all(self) -> list[Upload]:
        """All registered uploads in landing order."""
        return self.of_keys(ReceivedListing.of(self._lake).registered)

    def of_keys(self, keys: set[str]) -> list[Upload]:
        """The uploads with these keys in landing order, read side by side."""
        unread = sorted(keys - self._read.keys())
        bodies = self._lake.get_many([_record_key(key) for key in unread])
        for key, body in zip(unread, bodies, strict=True):
            self._read[key] = _parse(body) or self._mend(key)
        return sorted((self._read[key] for key in keys), key=lambda upload: upload.order)

    def get(self, key: str) -> Upload:
        """A registered upload; UploadError if there is none."""
        upload = self.find(key)
        if upload is None:
            raise UploadError(f"there is no upload {key!r} in {self._lake.url}")
        return upload

    def find(self, key: str) -> Upload | None:
        """A registered upload, or None."""
        if key not in self._read:
            try:
                body = self._lake.get(_record_key(key))
            except (MissingObjectError, ValueError):
                return None
            self._read[key] = _parse(body) or self._mend(key)
        return self._read[key]

    def create(self, upload: Upload) -> bool:
        """Registers an upload under the order that it claims; False if another was first."""
        record = _record_key(upload.key)
        if self._lake.put(record, upload.model_dump_json().encode(), create=True):
            self._read[upload.key] = upload
            return True
        found = self.get(upload.key)
        if found.order != upload.order:
            self._lake.delete([_claim_key(upload.order)])
        # Equal if a lost answer made S3 repeat our own request, or another mended our claim.
        return found == upload

    def claim(self, draft: Upload, lowest: int) -> Upload:
        """The draft with the first order from `lowest` on that nobody claimed before."""
        order = lowest
        while True:
            claimed = draft.model_copy(update={"order": order})
            body = claimed.model_dump_json().encode()
            key = _claim_key(order)
            if self._lake.put(key, body, create=True) or self._holds(key, body):
                return claimed
            order += 1

    def _holds(self, key: str, body: bytes) -> bool:
        """Whether an object is our own, put by a request whose answer was lost."""
        try:
            return self._lake.get(key) == body
        except MissingObjectError:
            return False

    def mark(self, key: str, mark: str) -> None:
        """Remembers that a file of this mark holds the bytes of an upload."""
        self._lake.put(f"received/{key}/seen/{mark}", b"")

    def settle_claims(self, listing: ReceivedListing) -> "SettledClaims":
        """Finishes what a killed registration left: claims without their upload.

        Costs nothing while there are as many claims as uploads. A claim whose bytes are all
        there becomes registered; one without bytes is kept for the file's next try; a second
        claim for one upload is removed.
        """
        settled = SettledClaims()
        if len(listing.claims) == len(listing.registered):
            return settled
        for order, claimed in self._claims(listing.claims):
            if claimed is None:
                settled.problems.append(_unreadable(order))
            elif claimed.key in listing.registered:
                if self.get(claimed.key).order != order:
                    self._lake.delete([_claim_key(order)])
            elif not listing.is_intact(claimed):
                settled.open.setdefault(claimed.key, claimed)
            elif self.create(claimed):
                listing.registered.add(claimed.key)
                settled.finished.append(claimed)
        return settled

    def unreadable_claims(self, listing: ReceivedListing) -> list[str]:
        """The problems that `settle_claims` would tell, at the same cost, without settling."""
        if len(listing.claims) == len(listing.registered):
            return []
        found = self._claims(listing.claims)
        return [_unreadable(order) for order, claimed in found if claimed is None]

    def _claims(self, orders: list[int]) -> list[tuple[int, Upload | None]]:
        ordered = sorted(orders)
        bodies = self._lake.get_many([_claim_key(order) for order in ordered])
        return [(order, _parse(body)) for order, body in zip(ordered, bodies, strict=True)]

    def _mend(self, key: str) -> Upload:
        """Restores a damaged upload.json from the copy in its claim."""
        for _, claimed in self._claims(ReceivedListing.of(self._lake).claims):
            if claimed is not None and claimed.key == key:
                if not self._read_only:
                    self._lake.put(_record_key(key), claimed.model_dump_json().encode())
                return claimed
        raise UploadError(
            f"{_record_key(key)} cannot be read and no copy of it is left; "
            f"remove received/{key}/ and land the file again"
        )


@dataclass
class SettledClaims:
    """What `UploadRecords.settle_claims` found.

    Attributes:
        finished: Uploads that became registered.
        open: Claims by key whose bytes are not there.
        problems: A line for each claim that cannot be read.
    """

    finished: list[Upload] = field(default_factory=list)
    open: dict[str, Upload] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def mark_of(info: ObjectInfo) -> str:
    """Tells a landed file's path, size and ETag apart from all others, 32 hex digits."""
    text = f"{info.key}\0{info.size}\0{info.etag}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _record_key(key: str) -> str:
    return f"received/{key}/upload.json"


def _claim_key(order: int) -> str:
    return f"{ORDER_FOLDER}/{order:08d}"


def _unreadable(order: int) -> str:
    return f"{_claim_key(order)} cannot be read and is passed over"


def _parse(body: bytes) -> Upload | None:
    try:
        return Upload.model_validate_json(body)
    except ValidationError:
        return None
