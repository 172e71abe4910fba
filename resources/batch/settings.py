"""Settings of steps on Batch. They are part of `resources.settings.Settings`."""

from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator


class BatchSettings(BaseModel):
    """Whether and how heavy steps run on Batch; without `batch`, they run in process."""

    batch: Literal["off", "local", "aws"] = Field(
        default="off",
        description="Where heavy steps run. off: in process; local: processes of this machine; "
        "aws: AWS Batch.",
    )
    batch_queue: str | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="Job queue of AWS Batch, by name or ARN.",
    )
    batch_definition: str | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="Job definition of AWS Batch: name, name:revision or ARN.",
    )
    batch_cpu_queue: str | None = Field(
        default=None,
        min_length=1,
        description="Job queue of heavy steps that need no GPU; unset: batch_queue.",
    )
    batch_cpu_definition: str | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="Job definition of the same; both or neither.",
    )
    batch_rows: int = Field(
        default=50_000, ge=0, description="Input rows from which on a heavy step goes to Batch."
    )
    batch_engine: Literal["cpu", "cpu-streaming", "gpu"] | None = Field(
        default=None, description="Engine of steps on Batch; unset: as FRAUD_ENGINE."
    )
    batch_vcpus: int | None = Field(
        default=None, ge=1, description="Virtual CPUs of a job; unset: the definition's."
    )
    batch_memory_mib: int | None = Field(
        default=None, ge=4, description="Memory of a job in MiB; unset: the definition's."
    )
    batch_gpus: int | None = Field(
        default=None, ge=1, description="GPUs of a job; unset: the definition's."
    )
    batch_attempts: int = Field(
        default=3,
        ge=1,
        le=10,
        description="How often Batch starts a job whose Spot machine was taken away.",
    )
    batch_retries: int = Field(
        default=2,
        ge=0,
        description="How often a step is run again whose container died without a word.",
    )
    batch_attempt_minutes: int = Field(
        default=120, ge=1, description="Longest run time of one attempt of a job."
    )
    batch_queue_minutes: int = Field(
        default=60, ge=1, description="Longest wait of a job for a machine."
    )

    @field_validator("batch_queue", "batch_definition")
    @classmethod
    def _aws_has_what_it_needs(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("batch") == "aws":
            message = "must be set where FRAUD_BATCH is aws"
            raise ValueError(message)
        return value

    @field_validator("batch_cpu_definition")
    @classmethod
    def _the_cpu_has_both(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A queue that is wrong by itself is not among the data and told already.
        if "batch_cpu_queue" in info.data and (value is None) != (
            info.data["batch_cpu_queue"] is None
        ):
            message = "must be set where FRAUD_BATCH_CPU_QUEUE is, and only there"
            raise ValueError(message)
        return value

    # The lake is a field of the class that this one is mixed into.
    @field_validator("lake", check_fields=False)
    @classmethod
    def _aws_reaches_the_lake(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("batch") == "aws" and not value.startswith("s3://"):
            message = "containers of AWS Batch reach no folder; set FRAUD_LAKE=s3://bucket/prefix"
            raise ValueError(message)
        return value
