"""Scores again what was scored before its feed had a model."""

import dagster as dg

from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import FEED_TAG, SCORE
from fraud_assets.layers import visible
from fraud_assets.partitions import UPLOADS
from fraud_assets.refused_models import refused_champions
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
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult | dg.SkipReason:
    """One tick: a run for every upload without a model whose feed has a champion by now.

    Uploads that a former champion scored keep those scores: they are what was decided by. The
    cursor is the last run key requested; after the last upload a tick begins with the first again,
    so that none waits for one that never succeeds.
    """
    versions = Versions(lake)
    registry = ModelRegistry(versions)
    unscored: dict[str, tuple[str, str]] = {}
    for feed in sorted(load_feeds(settings.feeds_dir)):
        champion = registry.champion(feed)
        if champion is None:
            continue
        mine: dict[str, tuple[str, str]] = {}
        for key, scored in visible(versions, "augmented_transactions", feed).items():
            if scored.inputs.get("model") == NO_MODEL:
                mine[f"{key}-{champion.name}"] = (key, feed)
        # A champion of other features would give them no score again.
        if mine and not refused_champions(versions, [feed]):
            unscored |= mine
    if not unscored:
        return dg.SkipReason("Every upload is scored by a model, or its feed has none.")
    ahead = [run_key for run_key in unscored if run_key > (context.cursor or "")] or [*unscored]
    run_keys = sorted(ahead)[: settings.uploads_per_tick]
    requests = [
        dg.RunRequest(run_key=run_key, partition_key=key, tags={FEED_TAG: feed})
        for run_key in run_keys
        for key, feed in [unscored[run_key]]
    ]
    # The command line may have processed them on an instance of its own.
    partitions = UPLOADS.build_add_request([unscored[run_key][0] for run_key in run_keys])
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[partitions], cursor=run_keys[-1]
    )
