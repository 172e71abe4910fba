"""Published alerts after damage: rebuilt from the publication before and the outbox.

Alerts that left the project must not be withdrawn or ranked anew. Every publication keeps all
alerts that were ever published, and the outbox keeps, publication by publication, those that were
new in it. So the newest intact publication and the outbox objects after it are the whole again.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Final

import polars as pl
from pydantic import JsonValue

from fraud_assets import layers
from fraud_assets.refresh import DIGEST
from gpu_ops.ranking import ALERT_SCHEMA, RING_EVIDENCE, TRANSACTION_EVIDENCE
from resources.errors import LakeError, OvertakenError
from resources.leases import lease
from resources.notifier import Outbox, alerts_key
from resources.versions import CorruptManifestError, Manifest, Versions

PUBLISHED: Final = "published"
"""Among an alert version's inputs: the publication that it goes on from."""

PUBLISHED_IN: Final = "published_in"
"""Column of published alerts: the run that published them."""

LEASE: Final = "published-alerts"
LEASE_WAIT_SECONDS: Final = 600.0

RESTORED: Final = "restored"
"""Among what a publication says besides: it brings back what damage had taken."""

_SCHEMA: Final[dict[str, pl.DataType]] = {
    **ALERT_SCHEMA,
    **TRANSACTION_EVIDENCE,
    "explanation": pl.String(),
    PUBLISHED_IN: pl.String(),
    **{name: dtype for name, dtype in RING_EVIDENCE.items() if name not in TRANSACTION_EVIDENCE},
}


def restore_published_alerts(versions: Versions, run_id: str) -> Manifest | None:
    """Publish all published alerts anew where the visible publication is damaged.

    A damaged publication that was never told to the outbox is closed there without alerts: what
    was new in it was seen by nobody and is ranked again.

    Returns:
        The new publication; None where the visible one is intact.

    Raises:
        LakeError: An outbox object that is needed is gone or cannot be read; it is named.
        OvertakenError: Another run restored or told meanwhile; nothing was published.
    """
    slot = layers.snapshot_slot("published_alerts")
    if not versions.problems(slot):
        return None
    outbox = Outbox(versions.lake)
    with lease(versions.lake, LEASE, wait_seconds=LEASE_WAIT_SECONDS):
        wrong = versions.problems(slot)
        if not wrong:
            return None
        numbers = versions.all_numbers(slot)
        intact = next(_intact(versions, numbers), None)
        later = [number for number in numbers if intact is None or number > intact.number]
        tables = [pl.DataFrame(schema=_SCHEMA)]
        if intact is not None:
            tables = [versions.scan(intact).collect()]
            _tell_until(versions, outbox, intact, tables[0])
        untold = _untold(outbox, later)
        tables += [_told(outbox, number) for number in later if number not in untold]
        attempt = versions.begin(slot, run_id)
        attempt.write_table(
            pl.concat(tables, how="diagonal").unique("alert_id", keep="first", maintain_order=True)
        )
        _close(outbox, untold)
        inputs = {DIGEST: RESTORED, PUBLISHED: "none" if intact is None else f"{intact.number}"}
        return versions.publish(
            attempt, inputs=inputs, extra={RESTORED: wrong[0]}, follows=numbers[-1]
        )


def new_in(publication: Manifest, alerts: pl.LazyFrame) -> pl.DataFrame:
    """The alerts that no publication before held, among all of this one or a later one."""
    if RESTORED in publication.extra:
        # What a publication brings back is not new; the run that made it may publish more.
        return pl.DataFrame()
    return alerts.filter(pl.col(PUBLISHED_IN) == publication.run_id).collect()


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


def _tell_until(versions: Versions, outbox: Outbox, intact: Manifest, alerts: pl.DataFrame) -> None:
    """Tell what is still untold up to an intact publication, which holds it all.

    So whatever writes to the outbox does so in ascending order, and `_untold` may rely on it.
    """
    slot = layers.snapshot_slot("published_alerts")
    earlier = [number for number in versions.all_numbers(slot) if number <= intact.number]
    for number in outbox.missing(earlier):
        # Its alerts are safe in the intact one; filling the outbox names the object.
        with suppress(CorruptManifestError):
            outbox.publish_alerts(number, new_in(versions.get(slot, number), alerts.lazy()))


def _untold(outbox: Outbox, numbers: Sequence[int]) -> list[int]:
    """Which of these publications the outbox was never told of, ascending.

    Raises:
        LakeError: One was told, since a later one was, but its object is gone: its alerts would
            be withdrawn.
    """
    told = outbox.told()
    untold = sorted(set(numbers) - told)
    lost = [alerts_key(number) for number in untold if number < max(told, default=0)]
    if lost:
        raise LakeError(
            f"{', '.join(lost)} was told and is gone, and it is needed to restore the published "
            "alerts; put it back from a copy and run again"
        )
    return untold


def _close(outbox: Outbox, untold: Sequence[int]) -> None:
    """Keep publications from being told any more; nobody saw what was new in them."""
    for number in untold:
        if not outbox.publish_alerts(number, pl.DataFrame()):
            raise OvertakenError(
                f"another run told of publication {number} while it was being restored; run again"
            )


def _told(outbox: Outbox, number: int) -> pl.DataFrame:
    """The alerts that were new in a publication, as the outbox tells them."""
    rows = [
        {name: _typed(line.get(name), dtype) for name, dtype in _SCHEMA.items()}
        for line in outbox.read_alerts(number)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _typed(value: JsonValue, dtype: pl.DataType) -> JsonValue | date | datetime:
    """Times are texts in JSON; everything else is itself."""
    if isinstance(value, str) and dtype == pl.Date:
        return date.fromisoformat(value)
    if isinstance(value, str) and isinstance(dtype, pl.Datetime):
        return datetime.fromisoformat(value)
    return value
