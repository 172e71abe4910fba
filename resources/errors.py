"""What can go wrong with the lake, in words that say what to do."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from resources.s3_errors import explained


class LakeError(Exception):
    """Any failure of the lake that a user can understand and mend."""


class MissingObjectError(LakeError):
    """An object that was asked for by name is not in the lake."""


class LakeUnavailableError(LakeError):
    """The lake as a whole cannot be read or written: no space, no permission, no bucket."""


class CorruptManifestError(LakeError):
    """The newest manifest of a slot cannot be read; the message names the object."""


class MissingPartError(LakeError):
    """A file that a visible version names is absent or has another size or content."""


class OvertakenError(LakeError):
    """Somebody else published what this version would have had to go on from."""


class LeaseBusyError(LakeError):
    """Somebody else holds the lease; the message says who, and since when."""


OUT_OF_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_REASONS: Final[dict[int, tuple[str, str]]] = {
    errno.ENOSPC: ("no space is left on the device", "free some space and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
    errno.EFBIG: ("the file would exceed the allowed file size", "raise the limit and run again"),
    errno.EACCES: ("permission denied", "make it writable for this user"),
    errno.EPERM: ("the operation is not permitted", "make it writable for this user"),
    errno.EROFS: ("the file system is read-only", "choose a writable folder"),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "choose another folder"),
    errno.EISDIR: ("a folder stands where a file belongs", "move the folder away"),
}

_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")


def errno_of(error: BaseException) -> int | None:
    """The operating system's error number in an error, also where it stands only in the text.

    Rust libraries (obstore, Polars) wrap the system's error and keep its number as
    "(os error 28)" or "[Errno 28]" in the message.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))
    return int(found.group(1) or found.group(2)) if found else None


def unavailable(place: str, action: str, error: BaseException) -> LakeUnavailableError:
    """The error that tells what was tried at which place, why it failed and what to do."""
    told = explained(error) if place.startswith("s3://") else None
    if told is not None:
        reason, advice = told
    elif (
        isinstance(error, PermissionDeniedError | UnauthenticatedError) and errno_of(error) is None
    ):
        reason = "access denied"
        advice = "check the AWS credentials, the region and the bucket's policy"
    elif place.startswith("s3://") and isinstance(error, FileNotFoundError):
        reason, advice = "there is no such bucket", "create it, or correct FRAUD_LAKE"
    else:
        number = errno_of(error)
        first_line = (str(error).splitlines() or [type(error).__name__])[0][:300]
        checks = "FRAUD_LAKE"
        if place.startswith("s3://"):
            checks += ", FRAUD_S3_ENDPOINT, the region and the network"
        reason, advice = _REASONS.get(number or 0, (first_line, f"check {checks}"))
    return LakeUnavailableError(f"cannot {action} in the lake {place}: {reason}; {advice}")


@contextmanager
def translated(place: str, action: str) -> Iterator[None]:
    """Turns errors of the operating system and of the object store into LakeUnavailableError."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise unavailable(place, action, error) from error


@contextmanager
def space_watched(place: str, action: str) -> Iterator[None]:
    """Turns errors of the disk's space and of S3 into LakeUnavailableError; all others pass.

    For work that mixes writing to the lake with a caller's own plan, whose errors must
    reach the caller as they are. Polars reads S3 by itself and tells of it in its own words.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        of_s3 = place.startswith("s3://") and explained(error) is not None
        if of_s3 or errno_of(error) in OUT_OF_SPACE:
            raise unavailable(place, action, error) from error
        raise
