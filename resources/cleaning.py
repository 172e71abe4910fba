"""Removes files of attempts that were never published or are long superseded."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from resources.errors import CorruptManifestError
from resources.lake import utc_now
from resources.manifests import ATTEMPT_PREFIX, Slot

if TYPE_CHECKING:
    from resources.versions import Versions


def clean_attempts(
    versions: "Versions",
    older_than: timedelta,
    keep: int,
    keep_all: tuple[str, ...],
    keep_numbers: Mapping[Slot, Collection[int]],
) -> list[str]:
    """Removes old attempts that none of the last `keep` manifests of their slot names.

    See `Versions.clean`. The manifests are read after the listing of the attempts, so that
    what was published in between is kept.
    """
    if keep < 1:
        raise ValueError("keep must be at least 1: the visible version stays")
    limit = utc_now() - older_than
    attempts: dict[Slot, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    youngest: dict[tuple[Slot, str], datetime] = {}
    for info in versions.lake.list(""):
        found = _attempt_of(info.key)
        if found is not None:
            slot, attempt = found
            attempts[slot][attempt].append(info.key)
            youngest[found] = max(info.modified_at, youngest.get(found, info.modified_at))
    removed = []
    for slot, folders in sorted(attempts.items()):
        old = [name for name in sorted(folders) if youngest[slot, name] < limit]
        if not old:
            continue
        kept = _kept(
            versions, slot, None if _below(slot, keep_all) else keep, keep_numbers.get(slot, ())
        )
        if kept is None:
            continue
        for name in old:
            if name not in kept:
                versions.lake.delete(folders[name])
                removed.append(slot.attempt_folder(name))
    versions.lake.sweep(older_than)
    return removed


def _attempt_of(key: str) -> tuple[Slot, str] | None:
    slot, mark, rest = key.rpartition(f"/{ATTEMPT_PREFIX}")
    attempt, separator, name = rest.partition("/")
    if mark and separator and name and "/" not in name:
        return Slot(slot), attempt
    return None


def _below(slot: Slot, prefixes: tuple[str, ...]) -> bool:
    return any(slot.prefix == one or slot.prefix.startswith(f"{one}/") for one in prefixes)


def _kept(
    versions: "Versions", slot: Slot, keep: int | None, also: Collection[int]
) -> set[str] | None:
    """The attempts that manifests hold on to; None if one of these cannot be read.

    These are the last `keep` manifests, or all of them, and those that are named besides.
    """
    numbers = versions.all_numbers(slot)
    try:
        chosen = numbers if keep is None else {*numbers[-keep:], *also}
        return {versions.get(slot, number).attempt for number in chosen}
    except CorruptManifestError:
        return None
