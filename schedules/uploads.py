"""Starts `ingest_upload` for every file that lands."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import dagster as dg

from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import FEED_TAG, INGEST
from fraud_assets.layers import UPLOAD_LAYERS
from fraud_assets.partitions import UPLOADS
from fraud_assets.uploads import Upload, Uploads
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

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
) -> dg.SensorResult | dg.SkipReason:
    """One tick: register what landed, request runs for what is registered and not processed.

    Errors are raised, so the tick shows as failed and the cursor stays. The run key is the upload's
    key, hence a second request for one upload starts nothing. The cursor is the landing order up
    to which uploads were requested.
    """
    feeds = load_feeds(settings.feeds_dir)
    uploads = Uploads(lake, feeds)
    found = uploads.discover(
        limit=settings.uploads_per_tick,
        hash_bytes=settings.upload_hash_bytes_per_tick,
        settle=SETTLED_AFTER,
    )
    for refused in found.problems:
        context.log.warning(refused)
    registered = uploads.all()
    processed = _processed(Versions(lake), uploads)
    cursor = _cursor(context.cursor, registered)
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
        return dg.SkipReason(f"No new upload{waiting}.")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=upload.key, partition_key=upload.key, tags={FEED_TAG: upload.feed}
            )
            for upload in due
        ],
        dynamic_partitions_requests=[UPLOADS.build_add_request([upload.key for upload in due])],
        cursor=str(max(cursor, due[-1].order)),
    )


def _cursor(stored: str | None, registered: Sequence[Upload]) -> int:
    """The stored cursor; 0 where it lies beyond all uploads, so belongs to another lake."""
    cursor = int(stored or 0)
    highest = max((upload.order for upload in registered), default=0)
    return cursor if cursor <= highest else 0


def _processed(versions: Versions, uploads: Uploads) -> set[str]:
    """The keys of all uploads that were scored or refused, with one listing for each."""
    scored = versions.slots(UPLOAD_LAYERS["augmented_transactions"])
    return {slot.upload_key for slot in scored if slot.upload_key} | uploads.refusals().keys()
