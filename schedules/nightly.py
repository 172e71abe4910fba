"""Retrains every night."""

from datetime import UTC, datetime

import dagster as dg

from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import TRAIN
from fraud_assets.training import Trainable, assess
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions


@dg.schedule(
    name="nightly_training",
    job=TRAIN,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Trains on the labels known by then; the gate decides whether it is served.",
)
def nightly_training(
    lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """One run a night for the feeds whose labels allow; a night without any is skipped."""
    feeds = load_feeds(settings.feeds_dir)
    versions = Versions(lake)
    now = datetime.now(UTC)
    found = [assess(versions, feed, settings, now) for feed in feeds.values()]
    ready = sorted(one.feed.name for one in found if isinstance(one, Trainable))
    if not ready:
        reasons = "; ".join(
            f"{one.feed.name}: {one.reason}" for one in found if not isinstance(one, Trainable)
        )
        return dg.SkipReason(f"No feed can be trained. {reasons}")
    return dg.RunRequest(run_config={"ops": {"training_set": {"config": {"feeds": ready}}}})
