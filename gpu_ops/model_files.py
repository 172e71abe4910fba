"""What model files have in common: their errors, and a seal that tells altered bytes."""

import hashlib
from typing import Final

_MAGIC: Final = b"\nSHA256:"
_SEAL_BYTES: Final = len(_MAGIC) + hashlib.sha256().digest_size


class ModelFileError(Exception):
    """A stored model is truncated, altered, or was written by something else."""


def seal(payload: bytes) -> bytes:
    """Appends 8 magic bytes and the 32 bytes of the payload's SHA-256."""
    return payload + _MAGIC + hashlib.sha256(payload).digest()


def unseal(data: bytes, what: str) -> bytes:
    """The payload of sealed bytes.

    Args:
        data: What `seal` made.
        what: The kind of model, for the message.

    Raises:
        ModelFileError: The seal is absent or does not fit the payload.
    """
    payload, trailer = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if trailer != _MAGIC + hashlib.sha256(payload).digest():
        raise ModelFileError(
            f"the {what} file of {len(data)} bytes is truncated or altered: its checksum does "
            "not fit; publish the model again"
        )
    return payload
