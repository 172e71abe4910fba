"""Where a lake is: a folder, or a bucket with a prefix."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


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
            if _BUCKET.fullmatch(bucket) and not any(part in {"", ".", ".."} for part in parts):
                return cls(None, bucket, prefix)
        raise ValueError(f"{url!r} names no lake: {expected}")

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")
