"""The requests to SageMaker as pure functions: values in, dictionaries for boto3 out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from resources.sagemaker.config import SageMakerConfig

Request = dict[str, JsonValue]

CHECKPOINTS: Final = "/opt/ml/checkpoints"
VARIANT: Final = "main"
"""The one variant of every endpoint; an update keeps the variant's name."""

PARQUET: Final = "application/x-parquet"
JSON: Final = "application/json"

_ENTRY_POINT: Final = ("python", "-m", "fraud_assets.sagemaker_train")
_VOLUME_GIB: Final = 30
_STARTUP_SECONDS: Final = 300
_BAKING_SECONDS: Final = 60
# The service accepts 600 seconds at least.
_LEAST_UPDATE_SECONDS: Final = 600
_INPUT_MIB: Final = 100


@dataclass(frozen=True)
class TrainingInput:
    """What one training job is made of.

    Attributes:
        feed: Whose model.
        training_url: S3 address of the feed's Parquet file in a version of the training set.
        training_id: Content id of that version.
        hyperparameters: Name to text, as SageMaker passes them.
    """

    feed: str
    training_url: str
    training_id: str
    hyperparameters: Mapping[str, str]


def training_job(config: SageMakerConfig, name: str, job: TrainingInput) -> Request:
    """The request of CreateTrainingJob.

    The job reads one channel, `train`, which holds the rows of all windows; it writes below
    `sagemaker/jobs/<name>` and, if it may be interrupted, `sagemaker/checkpoints/<name>`.
    """
    stopping: Request = {"MaxRuntimeInSeconds": config.max_runtime_seconds}
    if config.spot:
        stopping["MaxWaitTimeInSeconds"] = config.max_wait_seconds
    request: Request = {
        "TrainingJobName": name,
        "RoleArn": config.role,
        "AlgorithmSpecification": {
            "TrainingImage": config.training_image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": [*_ENTRY_POINT],
        },
        "HyperParameters": dict(job.hyperparameters),
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": PARQUET,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": job.training_url,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {
            "S3OutputPath": config.url("sagemaker/jobs"),
            **({"KmsKeyId": config.kms_key} if config.kms_key else {}),
        },
        "ResourceConfig": {
            "InstanceType": config.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": _VOLUME_GIB,
            **({"VolumeKmsKeyId": config.kms_key} if config.kms_key else {}),
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": config.spot,
        # All data comes and goes through SageMaker itself; the container calls nobody.
        "EnableNetworkIsolation": True,
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "Tags": tags({"feed": job.feed, "training-set": job.training_id}),
        **_vpc(config),
    }
    if config.spot:
        request["CheckpointConfig"] = {
            "S3Uri": config.url(f"sagemaker/checkpoints/{name}"),
            "LocalPath": CHECKPOINTS,
        }
    return request


def model_package(
    config: SageMakerConfig,
    *,
    group: str,
    description: str,
    model_url: str,
    evaluation_url: str,
    token: str,
) -> Request:
    """The request of CreateModelPackage; nobody may deploy it before a verdict is given.

    Args:
        config: Role, image and machines.
        group: The model package group.
        description: What tells which model of the lake it is.
        model_url: S3 address of its `model.tar.gz`.
        evaluation_url: S3 address of its `evaluation.json`.
        token: The same for the same model, so that a repeated call makes no second package.
    """
    return {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": description,
        "ModelApprovalStatus": "PendingManualApproval",
        "ClientToken": token,
        "InferenceSpecification": {
            "Containers": [{"Image": config.image, "ModelDataUrl": model_url}],
            "SupportedContentTypes": [PARQUET, JSON],
            "SupportedResponseMIMETypes": [PARQUET, JSON],
            "SupportedRealtimeInferenceInstanceTypes": [config.serving_instance_type],
            "SupportedTransformInstanceTypes": [config.instance_type],
        },
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": JSON, "S3Uri": evaluation_url}}
        },
    }


def model(config: SageMakerConfig, name: str, package_arn: str) -> Request:
    """The request of CreateModel: a model package as something that can be served."""
    return {
        "ModelName": name,
        "ExecutionRoleArn": config.role,
        "Containers": [{"ModelPackageName": package_arn}],
        "EnableNetworkIsolation": True,
        **_vpc(config),
    }


def endpoint_config(config: SageMakerConfig, name: str, model_name: str, feed: str) -> Request:
    """The request of CreateEndpointConfig: one variant on one machine."""
    return {
        "EndpointConfigName": name,
        "ProductionVariants": [
            {
                "VariantName": VARIANT,
                "ModelName": model_name,
                "InstanceType": config.serving_instance_type,
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
                "ContainerStartupHealthCheckTimeoutInSeconds": _STARTUP_SECONDS,
            }
        ],
        "Tags": tags({"feed": feed}),
        **({"KmsKeyId": config.kms_key} if config.kms_key else {}),
    }


def endpoint(name: str, config_name: str, feed: str) -> Request:
    """The request of CreateEndpoint."""
    return {
        "EndpointName": name,
        "EndpointConfigName": config_name,
        "Tags": tags({"feed": feed}),
    }


def endpoint_update(config: SageMakerConfig, name: str, config_name: str) -> Request:
    """The request of UpdateEndpoint: a second fleet comes up, then all traffic moves to it."""
    return {
        "EndpointName": name,
        "EndpointConfigName": config_name,
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "ALL_AT_ONCE",
                    "WaitIntervalInSeconds": _BAKING_SECONDS,
                },
                "TerminationWaitInSeconds": _BAKING_SECONDS,
                "MaximumExecutionTimeoutInSeconds": max(
                    _LEAST_UPDATE_SECONDS, config.endpoint_timeout_seconds
                ),
            }
        },
    }


def transform_job(
    config: SageMakerConfig, name: str, *, model_name: str, input_url: str, feed: str
) -> Request:
    """The request of CreateTransformJob: each Parquet file below `input_url` is one call.

    Parquet cannot be cut into lines, so files must be smaller than 100 MiB.
    """
    return {
        "TransformJobName": name,
        "ModelName": model_name,
        "MaxConcurrentTransforms": 1,
        "MaxPayloadInMB": _INPUT_MIB,
        "BatchStrategy": "SingleRecord",
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 2},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": input_url}},
            "ContentType": PARQUET,
            "SplitType": "None",
            "CompressionType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": config.url(f"sagemaker/jobs/{name}"),
            "Accept": PARQUET,
            "AssembleWith": "None",
            **({"KmsKeyId": config.kms_key} if config.kms_key else {}),
        },
        "TransformResources": {
            "InstanceType": config.instance_type,
            "InstanceCount": 1,
            **({"VolumeKmsKeyId": config.kms_key} if config.kms_key else {}),
        },
        "Tags": tags({"feed": feed}),
    }


def tags(named: Mapping[str, str]) -> list[JsonValue]:
    """Tags of this project, `fraud:<name>`; they say whose a resource is, and nothing secret."""
    values = {"project": "fraud-assets", **named}
    return [{"Key": f"fraud:{name}", "Value": value} for name, value in sorted(values.items())]


def _vpc(config: SageMakerConfig) -> Request:
    if config.network is None:
        return {}
    return {
        "VpcConfig": {
            "Subnets": [*config.network.subnets],
            "SecurityGroupIds": [*config.network.security_groups],
        }
    }
