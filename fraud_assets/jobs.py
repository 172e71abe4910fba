"""The jobs that sensors, schedules and the command line start: one list for all of them."""

from typing import Final

import dagster as dg

JOB_TAG: Final = "fraud/job"
FEED_TAG: Final = "feed"

# A step costs a tenth of a second in process and several seconds in a process of its own.
_IN_PROCESS: Final = dg.in_process_executor

INGEST: Final = dg.define_asset_job(
    "ingest_upload",
    ["raw_transactions", "prepped_transactions", "augmented_transactions"],
    description="One uploaded file from raw rows to scored transactions.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "ingest_upload"},
)

INGEST_LABELS: Final = dg.define_asset_job(
    "ingest_labels",
    ["raw_labels"],
    description="One uploaded file of labels of transactions that landed before, or later.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "ingest_labels"},
)

SCORE: Final = dg.define_asset_job(
    "score_upload",
    ["augmented_transactions"],
    description="Scores an upload again, after the first model of its feed was approved.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "score_upload"},
)

REFRESH: Final = dg.define_asset_job(
    "refresh_alerts",
    [
        "account_graph",
        "account_features",
        "fraud_rings",
        "transaction_alerts",
        "ring_alerts",
        "published_alerts",
        "drift_report",
    ],
    description="Account graph, rings and alerts from all scored transactions; drift beside.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "refresh_alerts"},
)

TRAIN: Final = dg.define_asset_job(
    "train_model",
    ["training_set", "fraud_model", "model_evaluation", "registered_model"],
    description="Trains, evaluates and registers a model for every feed whose labels allow.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "train_model"},
)

DRIFT: Final = dg.define_asset_job(
    "report_drift",
    ["drift_report"],
    description="How far features, scores and figures on labels have moved since training.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "report_drift"},
)

CASES: Final = dg.define_asset_job(
    "take_in_cases",
    ["cases"],
    description="Published alerts into cases; labels of closed ones to where labels land.",
    executor_def=_IN_PROCESS,
    tags={JOB_TAG: "take_in_cases"},
)

JOBS: Final = (INGEST, INGEST_LABELS, SCORE, REFRESH, TRAIN, DRIFT, CASES)

SAGEMAKER_JOBS: Final = (
    dg.define_asset_job(
        "train_on_sagemaker",
        ["training_set", "sagemaker_training_job", "sagemaker_model_package"],
        description="Trains on SageMaker, judges, and registers the model as a package.",
        executor_def=_IN_PROCESS,
        tags={JOB_TAG: "train_on_sagemaker"},
    ),
    dg.define_asset_job(
        "deploy_on_sagemaker",
        ["sagemaker_endpoint"],
        description="Makes the approved model of each feed serve on its endpoint.",
        executor_def=_IN_PROCESS,
        tags={JOB_TAG: "deploy_on_sagemaker"},
    ),
    dg.define_asset_job(
        "score_on_sagemaker",
        ["sagemaker_batch_scores"],
        description="Scores whole uploads with the approved model in a transform job.",
        executor_def=_IN_PROCESS,
        tags={JOB_TAG: "score_on_sagemaker"},
    ),
)
"""Jobs of the SageMaker assets; in the code location only where SageMaker is configured."""
