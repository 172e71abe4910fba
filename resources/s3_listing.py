"""Listings of a bucket in which somebody left an object that no lake can name.

obstore ends a whole listing at the first key with an empty, `.` or `..` part or a control
character. Whoever may drop files can make one: `aws s3 cp a.csv s3://bucket/lake/landing//a.csv`
is enough, and no later upload would be seen. boto3 lists any key, so it is asked then.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypedDict

from resources.folders import ObjectInfo
from resources.locations import LakeLocation
from resources.s3 import S3Options

if TYPE_CHECKING:
    from botocore.client import BaseClient

_BAD_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")


def is_key(text: str) -> bool:
    """Whether both kinds of lake can hold an object under this key."""
    parts = text.split("/")
    return not (any(part in {"", ".", ".."} for part in parts) or _BAD_CHARACTERS.search(text))


class ListingError(OSError):
    """S3 did not list; the text holds its code as S3's own answers do."""


@dataclass
class Listed:
    """What lies below a folder.

    Attributes:
        objects: Those that a lake can name, sorted by key.
        folders: Names of the folders directly below, sorted; only where they were asked for.
        hidden: The other objects' keys, printable, sorted.
    """

    objects: list[ObjectInfo] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class _Content(TypedDict):
    Key: str
    Size: int
    ETag: str
    LastModified: datetime


class _Folder(TypedDict):
    Prefix: str


class _Page(TypedDict, total=False):
    Contents: list[_Content]
    CommonPrefixes: list[_Folder]


class AnyKeyListing:
    """Lists whatever keys a bucket holds; contacts nobody until it is used.

    Needs s3:ListBucket, as every listing does.
    """

    def __init__(self, location: LakeLocation, options: S3Options) -> None:
        self._bucket = location.bucket
        self._root = f"{location.prefix}/" if location.prefix else ""
        self._options = options

    def below(self, prefix: str, *, delimiter: str = "") -> Listed:
        """What lies below a folder of the lake (`""`: everywhere).

        Args:
            prefix: The folder, without slashes at its ends.
            delimiter: `/`: only what lies directly below, and the names of the folders there.

        Raises:
            ListingError: S3 refused or could not be reached.
        """
        found = Listed()
        folder = f"{prefix}/" if prefix else ""
        for page in self._pages(f"{self._root}{folder}", delimiter):
            for one in page.get("CommonPrefixes", []):
                name = one["Prefix"].removeprefix(f"{self._root}{folder}").removesuffix("/")
                if is_key(name):
                    found.folders.append(name)
            for content in page.get("Contents", []):
                # A folder's marker ends in a slash, which obstore leaves out, too.
                key = content["Key"].removeprefix(self._root).removesuffix("/")
                if not key:
                    continue
                if is_key(key):
                    found.objects.append(_described(key, content))
                else:
                    found.hidden.append(_BAD_CHARACTERS.sub(_escaped, key))
        found.objects.sort(key=lambda info: info.key)
        found.folders.sort()
        found.hidden.sort()
        return found

    def _pages(self, prefix: str, delimiter: str) -> Iterator[_Page]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise ListingError(f"S3 refused to list: <Code>{code}</Code>") from error
        except BotoCoreError as error:
            raise ListingError(f"S3 could not be listed: {type(error).__name__}") from error

    @cached_property
    def _client(self) -> "BaseClient":
        import boto3
        from botocore.config import Config

        options, patience = self._options, self._options.patience
        return boto3.client(
            "s3",
            endpoint_url=options.endpoint,
            region_name=options.resolved_region,
            config=Config(
                connect_timeout=patience.connect.total_seconds(),
                read_timeout=patience.idle.total_seconds(),
                retries={"mode": "standard", "total_max_attempts": patience.retries + 1},
            ),
        )


def _described(key: str, content: _Content) -> ObjectInfo:
    return ObjectInfo(
        key, content["Size"], content["ETag"], content["LastModified"].astimezone(UTC)
    )


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
