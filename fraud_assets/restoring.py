"""Published alerts after damage: rebuilt from the publication before and the outbox.

Alerts that left the project must not be ranked anew under other places. Every publication keeps
all alerts that were ever published, and the outbox keeps, publication by publication, those that
were new. So the newest intact publication and the outbox objects after it are the whole again.
"""

import json
from collections.abc import Iterator
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.refresh import DIGEST
from gpu_ops.ranking import ALERT_SCHEMA, RING_EVIDENCE, TRANSACTION_EVIDENCE
from resources.lake import MissingObjectError
from resources.leases import lease
from resources.notifier import Outbox
from resources.versions import CorruptManifestError, Manifest, Versions

PUBLISHED: Final = "published"
"""Among an alert version's inputs: the publication that it goes on from."""

RESTORED: Final = "restored"
"""The digest of a restored publication, and why in its figures."""

LEASE: Final = "published-alerts"
LEASE_WAIT_SECONDS: Final = 600.0
_SCHEMA: Final = {
    **ALERT_SCHEMA,
    **TRANSACTION_EVIDENCE,
    "explanation": pl.String(),
    "published_in": pl.String(),
    **RING_EVIDENCE,
}


def restore_published_alerts(versions: Versions, run_id: str) -> Manifest | None:
    """Publish all published alerts anew where the visible publication is damaged.

    Publications that were never told to the outbox are closed there without alerts: what was new
    in them was seen by nobody and is ranked again.

    Returns:
        The new publication; None where the visible one is intact.
    """
    slot = layers.snapshot_slot("published_alerts")
    outbox = Outbox(versions.lake)
    with lease(versions.lake, LEASE, wait_seconds=LEASE_WAIT_SECONDS):
        wrong = versions.problems(slot)
        if not wrong:
            return None
        numbers = versions.all_numbers(slot)
        intact = next(_intact(versions, numbers), None)
        later = [one for one in numbers if intact is None or one > intact.number]
        tables = [] if intact is None else [versions.scan(intact).collect()]
        tables += [_told(versions, number) for number in later]
        alerts = pl.concat([table for table in tables if table.height] or tables[-1:], how="diagonal")
        attempt = versions.begin(slot, run_id)
        attempt.write_table(alerts.unique("alert_id", keep="first", maintain_order=True))
        for number in outbox.missing(later):
            outbox.publish_alerts(number, pl.DataFrame())
        before = "none" if intact is None else f"{intact.number}"
        return versions.publish(
            attempt, inputs={DIGEST: RESTORED, PUBLISHED: before}, extra={RESTORED: wrong[0]}
        )


def _intact(versions: Versions, numbers: list[int]) -> Iterator[Manifest]:
    """Undamaged publications, newest first."""
    slot = layers.snapshot_slot("published_alerts")
    for number in reversed(numbers):
        try:
            manifest = versions.get(slot, number)
        except CorruptManifestError:
            continue
        if not versions.damage(manifest, hashes=True):
            yield manifest


def _told(versions: Versions, number: int) -> pl.DataFrame:
    """What a publication told the outbox, as a table; nothing where it told nothing."""
    try:
        lines = Outbox(versions.lake).read_alerts(number)
    except MissingObjectError:
        lines = []
    texts = pl.DataFrame(
        {
            name: pl.Series(name, [line.get(name) for line in lines], strict=False)
            for name in _SCHEMA
        }
    )
    return texts
