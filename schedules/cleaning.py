"""Cleans the lake every night."""

import dagster as dg

from fraud_assets.cleaning import clean_lake


@dg.schedule(
    name="nightly_cleaning",
    job=clean_lake,
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Removes files of killed and superseded runs that are older than a day.",
)
def nightly_cleaning() -> dg.RunRequest:
    """One run a night, after the training has written its versions."""
    return dg.RunRequest()
