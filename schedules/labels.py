"""Takes in labels that landed, and renews the features that they touch."""

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.jobs import FEED_TAG, INGEST, INGEST_LABELS, JOB_TAG
from fraud_assets.label_state import LabelState, label_states
from fraud_assets.labels import FeedLabels
from fraud_assets.partitions import LABEL_UPLOADS, UPLOADS
from fraud_assets.state import upload_states
from fraud_assets.uploads import Uploads
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

_IN_FLIGHT = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


@dg.sensor(
    name="labels_sensor",
    jobs=[INGEST_LABELS, INGEST],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes in files of labels, then renews the features that miss them.",
)
def labels_sensor(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult | dg.SkipReason:
    """One tick: runs for files of labels that are new or wait for what landed since, else renewals.

    Files are registered by the uploads sensor. Features are renewed when no labels are being taken
    in, so that an upload is made anew once for many files. A run key names what is to be made of
    what, so what failed is asked for again once something changed. The cursor holds the run keys
    that were asked for and are still due: a file that never succeeds holds nothing up.
    """
    feeds = load_feeds(settings.feeds_dir)
    versions, uploads = Versions(lake), Uploads(lake, feeds)
    labels = label_states(versions, uploads, feeds)
    if not labels:
        return dg.SkipReason("No labels have landed apart from transactions.")
    due = {_run_key(one): one for one in labels if one.is_due and one.feed in feeds}
    asked = set((context.cursor or "").split()) & due.keys()
    new = [run_key for run_key in due if run_key not in asked][: settings.uploads_per_tick]
    if new:
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=run_key,
                    job_name=INGEST_LABELS.name,
                    partition_key=due[run_key].upload.key,
                    tags={FEED_TAG: due[run_key].feed},
                )
                for run_key in new
            ],
            dynamic_partitions_requests=[
                LABEL_UPLOADS.build_add_request([due[run_key].upload.key for run_key in new])
            ],
            cursor=" ".join(sorted(asked | set(new))),
        )
    running = context.instance.get_runs_count(
        RunsFilter(statuses=list(_IN_FLIGHT), tags={JOB_TAG: INGEST_LABELS.name})
    )
    if running:
        return dg.SkipReason("Labels are being taken in.")
    return _renewals(versions, uploads, feeds, settings.uploads_per_tick)


def _renewals(
    versions: Versions, uploads: Uploads, feeds: dict[str, Feed], limit: int
) -> dg.SensorResult | dg.SkipReason:
    """Runs for the uploads whose features miss labels, the oldest first."""
    stale = [one.upload for one in upload_states(versions, uploads, feeds) if one.misses_labels]
    if not stale:
        return dg.SkipReason("Every feature knows the labels that it could.")
    known = {name: FeedLabels.of(versions, feeds[name]).digest for name in {u.feed for u in stale}}
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{upload.key}-{known[upload.feed]}",
                job_name=INGEST.name,
                partition_key=upload.key,
                tags={FEED_TAG: upload.feed},
            )
            for upload in stale[:limit]
        ],
        dynamic_partitions_requests=[UPLOADS.build_add_request([u.key for u in stale[:limit]])],
    )


def _run_key(one: LabelState) -> str:
    return f"{one.upload.key}-{one.looks_at}"
