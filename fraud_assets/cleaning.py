"""Cleaning: what no version of the last two is made of leaves the lake."""

from datetime import timedelta
from typing import Final

import dagster as dg
from pydantic import Field

from fraud_assets import layers
from fraud_assets.jobs import JOB_TAG
from resources.lake import Lake
from resources.notifier import Outbox
from resources.versions import Versions

KEPT_WHOLE: Final = ("graphs/fraud_rings", "models", "forests")
"""Folders whose every version keeps its files: later scores and audits look back at them."""

DEFAULT_AGE_DAYS: Final = 1.0
"""Younger files stay: a run may still be writing or reading them."""


def clean(lake: Lake, older_than: timedelta) -> list[str]:
    """Remove attempts that none of the last two versions of their table is made of.

    Every publication of alerts holds all alerts of those before, so former ones may go as soon as
    the outbox was told what was new in them: the two kept and the outbox make the whole again.

    Args:
        lake: Where.
        older_than: Attempts with a younger file stay.

    Returns:
        The folders removed.
    """
    versions = Versions(lake)
    published = layers.snapshot_slot("published_alerts")
    untold = Outbox(lake).missing(versions.all_numbers(published))
    return versions.clean(older_than, keep_all=KEPT_WHOLE, keep_numbers={published: untold})


class CleaningConfig(dg.Config):
    """What a cleaning removes."""

    older_than_days: float = Field(
        DEFAULT_AGE_DAYS, ge=0, description="Attempts with a younger file stay."
    )


@dg.op(
    name="remove_old_attempts",
    description="Removes files that none of the last two versions of a table is made of.",
    out=dg.Out(dg.Nothing),
)
def remove_old_attempts(
    context: dg.OpExecutionContext, config: CleaningConfig, lake: dg.ResourceParam[Lake]
) -> None:
    """What `fraud-assets clean` does."""
    removed = clean(lake, timedelta(days=config.older_than_days))
    context.log.info("removed %d attempts", len(removed))


@dg.job(
    name="clean_lake",
    description="Removes what killed and superseded runs left in the lake.",
    executor_def=dg.in_process_executor,
    tags={JOB_TAG: "clean_lake"},
)
def clean_lake() -> None:
    """One step, in process."""
    remove_old_attempts()
