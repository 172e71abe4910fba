"""The one code location: every asset, job, sensor and schedule, listed."""

import dagster as dg

from fraud_assets.alerts import ring_alerts, transaction_alerts
from fraud_assets.augmented import augmented_transactions
from fraud_assets.case_assets import cases
from fraud_assets.cleaning import clean_lake
from fraud_assets.drift_report import drift_report
from fraud_assets.graph import account_features, account_graph, fraud_rings
from fraud_assets.jobs import JOBS, SAGEMAKER_JOBS
from fraud_assets.judging import model_evaluation, registered_model
from fraud_assets.model import fraud_model, training_set
from fraud_assets.prepped import prepped_transactions
from fraud_assets.published import published_alerts
from fraud_assets.raw import raw_transactions
from fraud_assets.raw_labels import raw_labels
from fraud_assets.sagemaker import sagemaker_model_package, sagemaker_training_job
from fraud_assets.sagemaker_serving import sagemaker_batch_scores, sagemaker_endpoint
from fraud_assets.step_rows import input_rows
from resources.batch.binding import bind_batch
from resources.bedrock import explainer_of
from resources.sagemaker.api import SageMaker
from resources.sagemaker.config import SageMakerConfig
from resources.settings import Settings
from schedules.cases import cases_sensor
from schedules.cleaning import nightly_cleaning
from schedules.delivery import delivery_sensor
from schedules.drift import drift_retraining, nightly_drift
from schedules.failures import failure_sensor
from schedules.labels import labels_sensor
from schedules.metrics import METRICS_SENSORS
from schedules.nightly import nightly_training
from schedules.refresh import refresh_sensor
from schedules.scores import first_model_sensor
from schedules.uploads import uploads_sensor

ASSETS = (
    raw_transactions,
    raw_labels,
    prepped_transactions,
    augmented_transactions,
    account_graph,
    account_features,
    fraud_rings,
    transaction_alerts,
    ring_alerts,
    published_alerts,
    cases,
    training_set,
    fraud_model,
    model_evaluation,
    registered_model,
    drift_report,
)
SAGEMAKER_ASSETS = (
    sagemaker_training_job,
    sagemaker_model_package,
    sagemaker_endpoint,
    sagemaker_batch_scores,
)


def build(settings: Settings) -> dg.Definitions:
    """The code location on given settings; tests and the command line pass their own."""
    lake = settings.open_lake()
    metrics = settings.open_metrics()
    sagemaker = SageMakerConfig.of(settings)
    return dg.Definitions(
        assets=[*ASSETS, *(SAGEMAKER_ASSETS if sagemaker else ())],
        jobs=[*JOBS, clean_lake, *(SAGEMAKER_JOBS if sagemaker else ())],
        sensors=[
            uploads_sensor,
            labels_sensor,
            first_model_sensor,
            refresh_sensor,
            cases_sensor,
            drift_retraining,
            failure_sensor,
            delivery_sensor,
            *(METRICS_SENSORS if metrics is not None else ()),
        ],
        schedules=[nightly_training, nightly_drift, nightly_cleaning],
        resources={
            "settings": settings,
            "lake": lake,
            "batch": bind_batch(settings, lake, input_rows(lake, settings)),
            "explainer": explainer_of(settings, lake),
            **({} if metrics is None else {"metrics": metrics}),
            **({"sagemaker": SageMaker.of(sagemaker)} if sagemaker else {}),
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` loads; the environment is read here and nowhere else."""
    return build(Settings.load())
