"""Starts `ingest_upload` for every file that lands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

import dagster as dg

from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import FEED_TAG, INGEST
from fraud_assets.landing import Discovery
from fraud_assets.layers import UPLOAD_LAYERS
from fraud_assets.partitions import UPLOADS
from fraud_assets.uploads import Upload, Uploads
from resources.lake import Lake, utc_now
from resources.settings import Settings
from resources.versions import Versions
from schedules.notifications import UploadNotices

SETTLED_AFTER: Final = timedelta(seconds=3)
"""A file that changed a moment ago waits: its writer may only be pausing."""

OVERLAP_UPLOADS: Final = 50
"""How many uploads before the cursor a tick looks at again: two writers can land out of step."""


@dg.sensor(
    name="uploads_sensor",
    job=INGEST,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new files in landing/ and starts their way to scored transactions.",
)
def uploads_sensor(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult:
    """One tick: register what landed, request runs for what is registered and not processed.

    Errors are raised, so the tick shows as failed and the cursor stays. The run key is the upload's
    key, hence a second request for one upload starts nothing. The cursor is the landing order up
    to which uploads were requested and, where a queue tells of files, the time of the last full
    listing.
    """
    stored = _Cursor.parse(context.cursor)
    uploads = Uploads(lake, load_feeds(settings.feeds_dir))
    found, listed_at = _look(context, uploads, lake, settings, stored.listed_at)
    for refused in found.problems:
        context.log.warning(refused)
    registered = uploads.all()
    processed = _processed(Versions(lake), uploads)
    cursor = _known_order(stored.order, registered)
    pending = [
        upload
        for upload in registered
        if upload.order > cursor - OVERLAP_UPLOADS and upload.key not in processed
    ]
    # What was requested before takes no place of the new: it may run for long, or never succeed.
    again = [upload for upload in pending if upload.order <= cursor]
    new = [upload for upload in pending if upload.order > cursor][: settings.uploads_per_tick]
    due = [*again, *new]
    if not due:
        waiting = f"; {len(found.waiting)} still being written" if found.waiting else ""
        return dg.SensorResult(
            skip_reason=f"No new upload{waiting}.",
            cursor=str(replace(stored, listed_at=listed_at)) if listed_at else context.cursor,
        )
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=upload.key, partition_key=upload.key, tags={FEED_TAG: upload.feed}
            )
            for upload in due
        ],
        dynamic_partitions_requests=[UPLOADS.build_add_request([upload.key for upload in due])],
        cursor=str(_Cursor(max(cursor, due[-1].order), listed_at)),
    )


@dataclass(frozen=True)
class _Cursor:
    """What a tick leaves to the next: `4`, or `4 2026-01-31T10:00:00+00:00`."""

    order: int = 0
    listed_at: datetime | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        order, _, listed_at = (text or "0").partition(" ")
        return cls(int(order), datetime.fromisoformat(listed_at) if listed_at else None)

    def __str__(self) -> str:
        return f"{self.order} {self.listed_at.isoformat()}" if self.listed_at else str(self.order)


def _look(
    context: dg.SensorEvaluationContext,
    uploads: Uploads,
    lake: Lake,
    settings: Settings,
    listed_at: datetime | None,
) -> tuple[Discovery, datetime | None]:
    """Registers what landed; also the time of the last full listing, None without a queue.

    With a queue only the files are looked at that its messages name, and everything is listed now
    and then all the same: notifications can be lost, and files landed before there was a queue.
    """
    limit, hash_bytes = settings.uploads_per_tick, settings.upload_hash_bytes_per_tick
    queue = settings.open_uploads_queue()
    if queue is None:
        return uploads.discover(limit, hash_bytes, SETTLED_AFTER), None
    now = utc_now()
    notices = UploadNotices(queue, lake.location)
    keys = notices.take(limit)
    age = timedelta(seconds=settings.uploads_listing_seconds)
    if keys is None or listed_at is None or not listed_at <= now < listed_at + age:
        keys, listed_at = None, now
    found = uploads.discover(limit, hash_bytes, only=keys)
    notices.settle(found.unfinished)
    for problem in notices.problems:
        context.log.warning(problem)
    # A listing that had its fill goes on at the next tick.
    return found, None if keys is None and found.postponed else listed_at


def _known_order(stored: int, registered: Sequence[Upload]) -> int:
    """The stored order; 0 where it lies beyond all uploads, so belongs to another lake."""
    highest = max((upload.order for upload in registered), default=0)
    return stored if stored <= highest else 0


def _processed(versions: Versions, uploads: Uploads) -> set[str]:
    """The keys of all uploads that were scored or refused, with one listing for each."""
    scored = versions.slots(UPLOAD_LAYERS["augmented_transactions"])
    return {slot.upload_key for slot in scored if slot.upload_key} | uploads.refusals().keys()
