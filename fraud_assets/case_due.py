"""Whether the table of cases is behind: what the sensor and the command line both ask."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from fraud_assets import layers
from resources.case_store import CaseStore
from resources.errors import CorruptManifestError
from resources.versions import Manifest, Versions

LOG_HEAD: Final = "log_head"
"""Where a snapshot's manifest keeps the log that it was made of."""


def why_due(
    versions: Versions, store: CaseStore, now: datetime, calm: timedelta = timedelta(0)
) -> str | None:
    """Why cases should be taken in and published anew; None: they are up to date.

    Args:
        versions: The lake's versions.
        store: The cases.
        now: Present moment, UTC.
        calm: How old a table may be before what people did since is reason enough.

    Raises:
        CaseStoreError: The store cannot be read.
    """
    published = versions.latest(layers.snapshot_slot("published_alerts"))
    if published is None:
        return None
    slot = layers.snapshot_slot("cases")
    if versions.problems(slot):
        return "the table of cases is damaged"
    table = versions.latest(slot)
    if table is None or table.inputs.get(published.slot) != published.content_id:
        return "alerts were published"
    if store.unlanded():
        return "labels have to land"
    return _why_log_moved(table, store, is_calm=now - table.published_at >= calm)


def _why_log_moved(table: Manifest, store: CaseStore, *, is_calm: bool) -> str | None:
    head = head_of(table)
    number = int(str(head["number"]))
    if number and store.digest_at(number) != head.get("digest"):
        return "the case store is not the one that the table was made of"
    if is_calm and store.digest_at(number + 1) is not None:
        return "somebody worked on cases"
    return None


def last_readable(versions: Versions) -> Manifest | None:
    """The newest table of cases that can be read; a damaged one must not hide what it followed."""
    slot = layers.snapshot_slot("cases")
    for number in reversed(versions.all_numbers(slot)):
        try:
            return versions.get(slot, number)
        except CorruptManifestError:
            continue
    return None


def head_of(manifest: Manifest) -> Mapping[str, object]:
    """The log that a snapshot was made of: number and digest of its last event."""
    kept = manifest.extra.get(LOG_HEAD)
    return kept if isinstance(kept, dict) else {"number": 0}
