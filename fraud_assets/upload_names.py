"""Names of landed files: which are taken, which are passed over, and the key each one gets."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

SUFFIXES: Final = (
    ".csv",
    ".csv.gz",
    ".jsonl",
    ".jsonl.gz",
    ".ndjson",
    ".ndjson.gz",
    ".parquet",
)
"""The kinds of file that are read, by the end of their name; capitals count as small letters."""

STEM_LENGTH: Final = 40
TAG_LENGTH: Final = 8

_LABELS: Final = "-labels"
_LOST_IN_FOLDERS: Final = re.compile(r"#\d+$")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def labels_folder(feed: str) -> str:
    """The folder of `landing/` for labels of a feed's transactions, and the feed of such uploads.

    A feed's name holds no hyphen, so no feed can be called so.
    """
    return f"{feed}{_LABELS}"


def feed_of_labels(folder: str) -> str | None:
    """The feed whose labels land in a folder; None where transactions do."""
    return folder.removesuffix(_LABELS) if folder.endswith(_LABELS) else None


def suffix_of(name: str) -> str | None:
    """The known suffix of a file's name in small letters, the longest that fits; else None."""
    fitting = [suffix for suffix in SUFFIXES if name.lower().endswith(suffix)]
    return max(fitting, key=len, default=None)


def stem_slug(name: str) -> str:
    """A file's name without folder and known suffix, in `[a-z0-9_-]`, at most 40 characters.

    Accents fall away, every other run of foreign characters becomes one hyphen, and a name of
    which nothing is left is called `upload`.
    """
    base = name.rsplit("/", 1)[-1]
    stem = base[: len(base) - len(suffix_of(base) or "")]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")
    return slug[:STEM_LENGTH].strip("-_") or "upload"


def candidate_keys(feed: str, name: str, sha256: str) -> Iterator[str]:
    """The keys for a file in order of preference; the first that is free or its own is taken.

    All but the first serve the rare cases in which two different uploads would share a key:
    the same bytes renamed to another kind of file, or hashes that begin alike.
    """
    stem = stem_slug(name)
    tag = sha256[:TAG_LENGTH]
    kind = re.sub(r"[^a-z0-9]+", "-", suffix_of(name) or "").strip("-")
    yield f"{feed}-{stem}-{tag}"
    yield f"{feed}-{stem}-{kind}-{tag}"
    for length in range(2 * TAG_LENGTH, len(sha256) + 1, TAG_LENGTH):
        yield f"{feed}-{stem}-{kind}-{sha256[:length]}"


def is_passed_over(path: str) -> bool:
    """Whether a path below a feed's folder is no data: hidden files, markers, half-done work."""
    parts = path.split("/")
    return any(part.startswith((".", "_")) for part in parts) or path.endswith("_$folder$")


def why_not_landable(name: str) -> str | None:
    """What is wrong with a file's name, for a person; None if it can be landed."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename it"
    if _LOST_IN_FOLDERS.search(name):
        return "its name ends in '#' and digits, which listings hide; rename it"
    if _CONTROL.search(name):
        return "its name holds a control character or a backslash; rename it"
    if is_passed_over(name):
        return "names that begin with '.' or '_' are passed over; rename it"
    if suffix_of(name) is None:
        return f"its kind is not known; expected one of {' '.join(SUFFIXES)}"
    return None
