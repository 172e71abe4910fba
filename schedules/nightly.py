"""Retrains every night."""

import dagster as dg

from fraud_assets.jobs import TRAIN

NIGHTLY_TRAINING = dg.ScheduleDefinition(
    name="nightly_training",
    job=TRAIN,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    description="Trains on the labels known by then; the gate decides whether it is served.",
)
