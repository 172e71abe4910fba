"""Settings of SageMaker. They are part of `resources.settings.Settings`."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

_MACHINE = r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$"


class SageMakerSettings(BaseModel):
    """As whom and where SageMaker works; without a role there are no SageMaker assets."""

    sagemaker_role: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
        description="Role of SageMaker's jobs and endpoints; unset: there are no such assets.",
    )
    sagemaker_image: str | None = Field(
        default=None,
        pattern=r"^[\w.:/@-]+$",
        validate_default=True,
        description="This project's container image in ECR, for training and serving.",
    )
    sagemaker_training_image: str | None = Field(
        default=None,
        pattern=r"^[\w.:/@-]+$",
        description="The image of training jobs, with CUDA for GPU machines; unset: the same.",
    )
    sagemaker_instance_type: str = Field(
        default="ml.m5.xlarge",
        pattern=_MACHINE,
        description="Machine of training and transform jobs; ml.g and ml.p train on the GPU.",
    )
    sagemaker_serving_instance_type: str = Field(
        default="ml.m5.large", pattern=_MACHINE, description="Machine of the endpoints."
    )
    sagemaker_model_group: str = Field(
        default="fraud",
        pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,15}$",
        description="Model package groups and jobs are named after it and the feed.",
    )
    sagemaker_endpoint: str = Field(
        default="fraud",
        pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,15}$",
        description="Endpoints are named after it and the feed.",
    )
    sagemaker_spot: bool = Field(
        default=True, description="Whether training uses spare machines, which may be taken away."
    )
    sagemaker_max_runtime_minutes: int = Field(
        default=60, ge=1, le=40_320, description="Longest time that a SageMaker job computes."
    )
    sagemaker_max_wait_minutes: int = Field(
        default=120,
        ge=1,
        le=40_320,
        validate_default=True,
        description="Longest time of a training job with its waits for spare machines.",
    )
    sagemaker_endpoint_timeout_minutes: int = Field(
        default=30, ge=1, description="Longest wait for an endpoint to come up or to change."
    )
    sagemaker_kms_key: str | None = Field(
        default=None, description="Key of SageMaker's disks and output; unset: AWS's own keys."
    )
    sagemaker_subnets: str | None = Field(
        default=None,
        pattern=r"^subnet-[0-9a-f]+(,subnet-[0-9a-f]+)*$",
        description="Subnets of SageMaker's machines, with commas between; unset: no VPC.",
    )
    sagemaker_security_groups: str | None = Field(
        default=None,
        pattern=r"^sg-[0-9a-f]+(,sg-[0-9a-f]+)*$",
        validate_default=True,
        description="Security groups of SageMaker's machines, with commas between.",
    )

    @field_validator("sagemaker_image")
    @classmethod
    def _role_and_image(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("sagemaker_role") is not None:
            message = "is needed, since FRAUD_SAGEMAKER_ROLE is set"
            raise ValueError(message)
        return value

    @field_validator("sagemaker_max_wait_minutes")
    @classmethod
    def _waits_longer_than_it_runs(cls, value: int, info: ValidationInfo) -> int:
        runtime = info.data.get("sagemaker_max_runtime_minutes", 1)
        if value < runtime:
            message = f"must not be less than FRAUD_SAGEMAKER_MAX_RUNTIME_MINUTES ({runtime})"
            raise ValueError(message)
        return value

    @field_validator("sagemaker_security_groups")
    @classmethod
    def _subnets_come_with_groups(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("sagemaker_subnets") is None):
            message = "goes together with FRAUD_SAGEMAKER_SUBNETS; set both or neither"
            raise ValueError(message)
        return value

    # The lake is a field of the settings that this class is a part of.
    @field_validator("lake", check_fields=False)
    @classmethod
    def _lake_that_sagemaker_reads(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("sagemaker_role") is not None and not value.startswith("s3://"):
            message = "must be s3://bucket/prefix, since FRAUD_SAGEMAKER_ROLE is set"
            raise ValueError(message)
        return value
