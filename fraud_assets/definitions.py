"""The one code location: every asset, job, sensor and schedule, listed."""

import dagster as dg

from fraud_assets.alerts import published_alerts, ring_alerts, transaction_alerts
from fraud_assets.augmented import augmented_transactions
from fraud_assets.graph import account_features, account_graph, fraud_rings
from fraud_assets.jobs import JOBS
from fraud_assets.model import fraud_model, model_evaluation, registered_model, training_set
from fraud_assets.prepped import prepped_transactions
from fraud_assets.raw import raw_transactions
from resources.explainer import TemplateExplainer
from resources.settings import Settings
from schedules.failures import failure_sensor
from schedules.nightly import nightly_training
from schedules.refresh import refresh_sensor
from schedules.scores import first_model_sensor
from schedules.uploads import uploads_sensor

ASSETS = (
    raw_transactions,
    prepped_transactions,
    augmented_transactions,
    account_graph,
    account_features,
    fraud_rings,
    transaction_alerts,
    ring_alerts,
    published_alerts,
    training_set,
    fraud_model,
    model_evaluation,
    registered_model,
)


def build(settings: Settings) -> dg.Definitions:
    """The code location on given settings; tests and the command line pass their own."""
    return dg.Definitions(
        assets=list(ASSETS),
        jobs=list(JOBS),
        sensors=[uploads_sensor, first_model_sensor, refresh_sensor, failure_sensor],
        schedules=[nightly_training],
        resources={
            "settings": settings,
            "lake": settings.open_lake(),
            "explainer": TemplateExplainer(),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` loads; the environment is read here and nowhere else."""
    return build(Settings.load())
