"""Whether a version is whole: its manifest readable, its files there and of their size."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from resources.errors import CorruptManifestError
from resources.manifests import Manifest, Slot


@dataclass(frozen=True)
class Surveyed:
    """The visible version of a slot as one look at a whole folder found it.

    Attributes:
        manifest: The version; None where its manifest cannot be read.
        problem: What is wrong with it, for a person; empty if all is well.
    """

    manifest: Manifest | None
    problem: str


def surveyed(slot: Slot, number: int, body: bytes, sizes: Mapping[str, int]) -> Surveyed:
    """What a look at a folder says of a slot's visible version.

    Args:
        slot: Where.
        number: Of its highest manifest.
        body: The bytes of that manifest.
        sizes: Key to size of all files there.
    """
    try:
        manifest = parsed(slot, number, body)
    except CorruptManifestError as error:
        return Surveyed(None, str(error))
    wrong = wrong_sizes(manifest, sizes)
    return Surveyed(manifest, run_again(manifest, wrong[0]) if wrong else "")


def wrong_sizes(manifest: Manifest, sizes: Mapping[str, int]) -> list[str]:
    """A line for each file of a version that is absent or has another size."""
    lines = []
    for entry in manifest.files:
        key = manifest.key_of(entry.name)
        if key not in sizes:
            lines.append(f"{key} is missing")
        elif sizes[key] != entry.size:
            lines.append(f"{key} has {sizes[key]} bytes instead of {entry.size}")
    return lines


def parsed(slot: Slot, number: int, body: bytes) -> Manifest:
    """A manifest from its bytes.

    Raises:
        CorruptManifestError: They are none, or those of another version.
    """
    key = slot.manifest_key(number)
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
        raise CorruptManifestError(_corrupt(key, reason)) from error
    if manifest.number != number or manifest.slot != slot.prefix:
        reason = f"it is the manifest {manifest.number} of {manifest.slot}"
        raise CorruptManifestError(_corrupt(key, reason))
    return manifest


def _corrupt(key: str, reason: str) -> str:
    return f"the manifest {key} cannot be read ({reason}); run again to publish a new version"


def run_again(manifest: Manifest, wrong: str) -> str:
    """What is wrong with a version, and what to do."""
    return f"{wrong} (version {manifest.number} of {manifest.slot}); run again to repair it"
