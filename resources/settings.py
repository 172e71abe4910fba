"""Every setting of the project, read once from the environment (prefix FRAUD_)."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gpu_ops.cost_model import CostMatrix
from resources.batch.settings import BatchSettings
from resources.bedrock_settings import BedrockSettings
from resources.case_settings import CASE_SECRETS, CaseSettings
from resources.delivery_settings import SECRETS, DeliverySettings
from resources.drift_settings import DriftSettings
from resources.gate_settings import GateSettings
from resources.lake import Lake, LakeLocation
from resources.metrics_settings import MetricsSettings
from resources.queues import SqsQueue, parse_queue_url
from resources.s3 import EncryptionMode, S3Encryption, S3Options, S3Patience
from resources.sagemaker.settings import SageMakerSettings
from resources.threshold_settings import ThresholdSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

GIBIBYTE = 1024**3
PREFIX = "FRAUD_"


class SettingsError(ValueError):
    """One or more settings are wrong; the message has a line for each."""


class Settings(
    DeliverySettings,
    BedrockSettings,
    BatchSettings,
    SageMakerSettings,
    MetricsSettings,
    GateSettings,
    DriftSettings,
    ThresholdSettings,
    CaseSettings,
    BaseSettings,
):
    """The project's settings; each field is read from FRAUD_<NAME>.

    Credentials of AWS are no settings: they come from AWS's own variables, profiles and roles.
    The webhook's address and secret and the case store's address are the only secrets here; they
    are never shown or logged.
    Use `Settings.load()` where a person reads the errors.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    lake: str = Field(
        default="./lake",
        validate_default=True,
        description="A folder, file:// or s3://bucket/prefix.",
    )
    engine: Literal["cpu", "cpu-streaming", "gpu"] = Field(
        default="cpu",
        description="cpu: in memory; cpu-streaming: larger than memory; gpu: RAPIDS, no fallback.",
    )
    feeds_dir: Path | None = Field(
        default=None, description="A folder with feed definitions of your own."
    )
    rules_dir: Path | None = Field(
        default=None, description="A folder with screening rules of your own."
    )
    scratch: Path | None = Field(
        default=None,
        description="A folder for temporary files with a lake in S3; unset: the system's.",
    )
    daily_capacity: int = Field(
        default=100, ge=1, description="Transaction alerts that analysts can review in a day (UTC)."
    )
    ring_capacity: int = Field(
        default=20, ge=1, description="Ring alerts that analysts can review in a refresh."
    )
    review_cost: float = Field(
        default=5.0,
        ge=0,
        description="Cost of reviewing one alert, in the currency of the amounts.",
    )
    graph_window_days: int = Field(
        default=120,
        ge=1,
        description="Days of event time that the graph looks back on, and in which rings may end.",
    )
    alert_window_days: int = Field(
        default=180,
        ge=1,
        description="Days of scored transactions, back from the latest, that can become alerts.",
    )
    training_days: int = Field(
        default=365,
        ge=1,
        description="Days, back from a feed's latest event, that a model is trained and tested on.",
    )
    min_fraud_labels: int = Field(
        default=20, ge=1, description="Known frauds below which no model is trained."
    )
    forest_rows: int = Field(
        default=50_000, ge=256, description="Earliest rows that fit the first isolation forest."
    )
    forest_trainer: Literal["scikit-learn", "cuml"] = Field(
        default="scikit-learn",
        description="What fits a model's isolation forest; cuml needs a GPU where models train.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random.")
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Threads of the numeric libraries; unset: one for each core.",
    )
    uploads_per_tick: int = Field(
        default=100, ge=1, description="New uploads that one look at landing/ registers at most."
    )
    upload_hash_bytes_per_tick: int = Field(
        default=2 * GIBIBYTE, ge=1, description="Bytes that one look at landing/ hashes at most."
    )
    s3_endpoint: str | None = Field(
        default=None, description="Address of an S3-compatible store; unset: AWS."
    )
    s3_allow_http: bool = Field(
        default=False, description="Whether s3_endpoint may be plain http (tests, own networks)."
    )
    s3_region: str | None = Field(default=None, description="AWS region; unset: AWS_REGION.")
    s3_encryption: EncryptionMode = Field(
        default="bucket-default",
        description="Server-side encryption that every write asks for; aws:kms: a key of KMS.",
    )
    s3_kms_key: str | None = Field(
        default=None, description="Id, alias or ARN of the KMS key; unset: the account's aws/s3."
    )
    s3_bucket_key: bool = Field(
        default=True, description="Whether S3 saves calls to KMS by a key of the bucket."
    )
    s3_retries: int = Field(
        default=10, ge=0, le=20, description="How often a request to S3 is tried again."
    )
    uploads_queue: str | None = Field(
        default=None,
        description="URL of the SQS queue with S3's notifications of landing/; unset: listings.",
    )
    uploads_listing_seconds: int = Field(
        default=900,
        ge=20,
        description="With uploads_queue: seconds between full listings of landing/ all the same.",
    )

    @field_validator("lake")
    @classmethod
    def _lake_is_a_known_place(cls, value: str) -> str:
        LakeLocation.parse(value)
        return value

    @field_validator("s3_kms_key")
    @classmethod
    def _kms_key_is_used(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("s3_encryption", "aws:kms") != "aws:kms":
            message = "a KMS key needs FRAUD_S3_ENCRYPTION=aws:kms"
            raise ValueError(message)
        return value

    @field_validator("uploads_queue")
    @classmethod
    def _uploads_queue_fits_the_lake(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            parse_queue_url(value)
            if not str(info.data.get("lake", "s3://")).startswith("s3://"):
                message = "notifications need a lake in S3; set FRAUD_LAKE=s3://bucket/prefix"
                raise ValueError(message)
        return value

    @field_validator("feeds_dir", "rules_dir", "scratch")
    @classmethod
    def _is_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            message = f"{value} is not a folder"
            raise ValueError(message)
        return value

    @classmethod
    def load(cls) -> Self:
        """The settings of this environment.

        Raises:
            SettingsError: A value is wrong, or a FRAUD_ variable looks like a misspelt one;
                one line for each, with the variable, its value and what is accepted.
        """
        problems = _misspelt(cls.model_fields)
        try:
            settings = cls()
        except ValidationError as error:
            problems += [
                f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}{_shown(one)}: "
                f"{one['msg'].removeprefix('Value error, ')}"
                for one in error.errors()
            ]
        if problems:
            raise SettingsError("\n".join(["wrong settings:", *problems]))
        return settings

    @property
    def cost_matrix(self) -> CostMatrix:
        """What reviews and wrong blocks cost."""
        return CostMatrix(self.review_cost, self.wrong_block_share)

    def open_lake(self) -> Lake:
        """The lake that these settings name; nothing is created or contacted yet."""
        options = S3Options(
            endpoint=self.s3_endpoint,
            allow_http=self.s3_allow_http,
            region=self.s3_region,
            encryption=S3Encryption(self.s3_encryption, self.s3_kms_key, self.s3_bucket_key),
            patience=S3Patience(retries=self.s3_retries),
        )
        return Lake(LakeLocation.parse(self.lake), options, self.scratch)

    def open_uploads_queue(self) -> SqsQueue | None:
        """The queue with S3's notifications of landing/, not contacted yet; None: none is set."""
        return SqsQueue(self.uploads_queue, self.s3_region) if self.uploads_queue else None


def _shown(error: "ErrorDetails") -> str:
    """The wrong value, unless it is a secret."""
    secrets = SECRETS | CASE_SECRETS
    return "" if secrets.intersection(map(str, error["loc"])) else f"={error['input']!r}"


def _misspelt(fields: Iterable[str]) -> list[str]:
    """A line for each FRAUD_ variable that is no setting but is spelt almost like one.

    A variable that resembles no setting is left alone: other programs may use the prefix.
    """
    known = [PREFIX + name.upper() for name in fields]
    lines = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            lines += [f"{name}: no such setting; did you mean {near[0]}?"] if near else []
    return lines
