"""What a version of an asset is: a slot, a numbered manifest and the files it names."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

MANIFEST_FOLDER: Final = "manifest"
ATTEMPT_PREFIX: Final = "attempt="

_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MANIFEST_KEY: Final = re.compile(rf"(.+)/{MANIFEST_FOLDER}/([1-9]\d*)\.json")


@dataclass(frozen=True, order=True)
class Slot:
    """A place in the lake that holds the versions of one thing.

    Attributes:
        prefix: Its folder, such as `raw/feed=card/upload=card-week1-0a1b2c3d`.
    """

    prefix: str

    def __post_init__(self) -> None:
        parts = self.prefix.split("/")
        if any(part in {"", ".", "..", MANIFEST_FOLDER} for part in parts) or any(
            part.startswith(ATTEMPT_PREFIX) for part in parts
        ):
            raise ValueError(f"{self.prefix!r} is no slot")

    @classmethod
    def upload(cls, layer_folder: str, feed: str, key: str) -> Self:
        """The slot of one upload in raw, prepped or augmented."""
        return cls(f"{layer_folder}/feed={feed}/upload={key}")

    @classmethod
    def snapshot(cls, path: str) -> Self:
        """The slot of an unpartitioned thing, such as `graphs/account_graph`."""
        return cls(path)

    @property
    def upload_key(self) -> str | None:
        """The upload's key, or None if this is no slot of an upload."""
        name = self.prefix.rsplit("/", 1)[-1]
        return name.removeprefix("upload=") if name.startswith("upload=") else None

    def manifest_key(self, number: int) -> str:
        """The key of the manifest with a number."""
        return f"{self.prefix}/{MANIFEST_FOLDER}/{number}.json"

    def attempt_folder(self, attempt: str) -> str:
        """The folder of an attempt's files."""
        return f"{self.prefix}/{ATTEMPT_PREFIX}{attempt}"

    def __str__(self) -> str:
        return self.prefix


class FileEntry(BaseModel):
    """A file of a version.

    Attributes:
        name: Its name in the attempt's folder.
        size: Bytes.
        sha256: Hash of its bytes, 64 hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{_PART.pattern}$")
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """A published version; its existence is what makes the files visible.

    Attributes:
        number: 1, 2, ... in its slot; the highest is visible.
        slot: The slot's prefix.
        attempt: The name of the folder that holds the files.
        inputs: What the version was made from: name to version.
        files: All files, sorted by name.
        rows: Rows of the table in `part-*.parquet`, 0 without one.
        columns: Column to dtype of that table, in its order.
        event_from: Earliest `occurred_at` of the table; None without rows or column.
        event_to: Latest `occurred_at`, inclusive.
        run_id: The run that made it.
        published_at: When, UTC.
        extra: Counts and notes of the asset, JSON only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    slot: str
    attempt: str
    inputs: dict[str, str]
    files: tuple[FileEntry, ...]
    rows: int = Field(ge=0)
    columns: dict[str, str]
    event_from: AwareDatetime | None
    event_to: AwareDatetime | None
    run_id: str
    published_at: AwareDatetime
    extra: dict[str, JsonValue] = Field(default_factory=dict)

    @cached_property
    def content_id(self) -> str:
        """A hash over names and hashes of the files: equal content, equal id, in any lake."""
        return content_id(self.files)

    def file(self, name: str) -> FileEntry:
        """The entry of a file; KeyError if the version has none of that name."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def key_of(self, name: str) -> str:
        """The key in the lake of a file of this version."""
        return f"{Slot(self.slot).attempt_folder(self.attempt)}/{name}"

    def table_keys(self, table: str = "part-") -> list[str]:
        """Keys of the Parquet files whose name begins with `table`, in order."""
        return [
            self.key_of(entry.name)
            for entry in self.files
            if entry.name.startswith(table) and entry.name.endswith(".parquet")
        ]


def keys_alike(manifests: Iterable[Manifest], table: str) -> list[list[str]]:
    """`Manifest.table_keys` of several versions in their order, parted where columns change."""
    by_columns = groupby(manifests, key=lambda one: one.columns)
    found = [[key for one in alike for key in one.table_keys(table)] for _, alike in by_columns]
    return [keys for keys in found if keys]


@dataclass(frozen=True)
class EventBounds:
    """Earliest and latest `occurred_at` of a table, both inclusive."""

    first: datetime
    last: datetime


def content_id(files: tuple[FileEntry, ...]) -> str:
    """SHA-256 over names and hashes of files, in the order of their names; 32 digits of it."""
    digest = hashlib.sha256()
    for entry in sorted(files, key=lambda one: one.name):
        digest.update(f"{entry.name}\0{entry.sha256}\n".encode())
    return digest.hexdigest()[:32]


def check_part_name(name: str) -> None:
    """Raises ValueError for a name that cannot be a file of a version on every store."""
    if not _PART.fullmatch(name):
        raise ValueError(f"{name!r} is no file name: letters, digits, '_', '.' and '-' only")


def manifest_of(key: str) -> tuple[Slot, int] | None:
    """The slot and number that a key is a manifest of; None for any other key."""
    found = _MANIFEST_KEY.fullmatch(key)
    return (Slot(found.group(1)), int(found.group(2))) if found else None
