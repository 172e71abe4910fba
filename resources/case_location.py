"""Where the case store is: a SQLite file, or a PostgreSQL database."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

EXPECTED: Final = "expected sqlite:///folder/file or postgresql://user:password@host/database"
_POSTGRES: Final = frozenset({"postgresql", "postgres"})


@dataclass(frozen=True)
class CaseLocation:
    """Where the case store is; it can be shown, since passwords show themselves in no text.

    Attributes:
        file: The SQLite file, else None.
        url: The address of the PostgreSQL database, else None.
    """

    file: Path | None
    url: SecretStr | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `sqlite:///file` or `postgresql://...`.

        Raises:
            ValueError: The text is none of these; the message does not repeat it.
        """
        scheme, separator, rest = text.partition("://")
        if separator and scheme == "sqlite" and re.fullmatch(r"/.*[^/]", rest):
            return cls(Path(rest))
        if separator and scheme in _POSTGRES:
            if not _is_whole(text):
                raise ValueError(f"the address names no host and database; {EXPECTED}")
            if not _is_coded(text):
                raise ValueError(
                    "the address has a user or password that is not percent-encoded, such as %40 "
                    f"for @ and %25 for %; {EXPECTED}"
                )
            return cls(None, SecretStr(text))
        raise ValueError(f"it names no case store; {EXPECTED}")

    @property
    def password(self) -> str | None:
        """The password in the address, as it is sent."""
        if self.url is None:
            return None
        found = urlsplit(self.url.get_secret_value()).password
        return None if found is None else unquote(found)

    def __str__(self) -> str:
        if self.url is None:
            return str(self.file)
        parts = urlsplit(self.url.get_secret_value())
        port = f":{parts.port}" if parts.port is not None else ""
        user = f"{parts.username}@" if parts.username else ""
        return f"postgresql://{user}{parts.hostname}{port}{parts.path}"


def _is_whole(text: str) -> bool:
    try:
        parts: SplitResult = urlsplit(text)
        return bool(parts.hostname) and parts.path not in {"", "/"} and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_coded(text: str) -> bool:
    """Whether the driver reads user and password as they are read here: its errors tell the rest.

    It takes all behind the first @ for the server's name, and refuses other signs with the word
    that they stand in.
    """
    user, _, _ = urlsplit(text).netloc.rpartition("@")
    return "@" not in user and re.search(r"%(?![0-9A-Fa-f]{2})|%00", user) is None
