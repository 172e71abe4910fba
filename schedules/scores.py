"""Scores again what was scored before its feed had a model."""

import dagster as dg

from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import FEED_TAG, SCORE
from fraud_assets.layers import visible
from fraud_assets.scoring import NO_MODEL
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.settings import Settings
from resources.versions import Versions


@dg.sensor(
    name="first_model_sensor",
    job=SCORE,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Once a feed's first model is approved, scores the uploads that had none.",
)
def first_model_sensor(
    lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """One tick: a run for every upload without a model whose feed has a champion by now.

    Uploads that a former champion scored keep those scores: they are what was decided by.
    """
    versions = Versions(lake)
    registry = ModelRegistry(versions)
    requests = []
    for feed in sorted(load_feeds(settings.feeds_dir)):
        champion = registry.champion(feed)
        if champion is None:
            continue
        requests += [
            dg.RunRequest(
                run_key=f"{key}-{champion.name}", partition_key=key, tags={FEED_TAG: feed}
            )
            for key, scored in sorted(visible(versions, "augmented_transactions", feed).items())
            if scored.inputs.get("model") == NO_MODEL
        ]
    if not requests:
        return dg.SkipReason("Every upload is scored by a model, or its feed has none.")
    return dg.SensorResult(run_requests=requests[: settings.uploads_per_tick])
