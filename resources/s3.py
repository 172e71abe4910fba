"""How the lake reaches S3: one set of options for obstore and for Polars."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from obstore.store import S3Store

from resources.errors import LakeUnavailableError

if TYPE_CHECKING:
    from obstore.store import (
        BackoffConfig,
        ClientConfig,
        RetryConfig,
        S3Config,
        S3CredentialProvider,
    )

# Credentials that obstore and Polars find without boto3.
_NATIVE_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

EncryptionMode: TypeAlias = Literal["bucket-default", "AES256", "aws:kms"]

# A bound for a request that makes progress for ever; the idle time ends all others.
_WHOLE_REQUEST: Final = timedelta(hours=1)


@dataclass(frozen=True)
class S3Encryption:
    """Server-side encryption that every write asks for.

    Attributes:
        mode: `bucket-default`: ask for nothing, the bucket's own setting holds; `AES256`: keys
            of S3; `aws:kms`: a key of KMS.
        kms_key: Id, alias or ARN of the KMS key; None with `aws:kms`: the account's `aws/s3`.
        bucket_key: With `aws:kms`: let S3 derive object keys from one key of the bucket, which
            saves nearly all calls to KMS.
    """

    mode: EncryptionMode = "bucket-default"
    kms_key: str | None = None
    bucket_key: bool = True

    def __post_init__(self) -> None:
        if self.kms_key is not None and self.mode != "aws:kms":
            raise ValueError(f"a KMS key needs the encryption 'aws:kms', not {self.mode!r}")


@dataclass(frozen=True)
class S3Patience:
    """How long requests are repeated, and how long an answer may take.

    Answers of 5xx (SlowDown among them), 429, broken and refused connections are tried again;
    time-outs only where repeating is harmless, so not for writes in create mode. Waits grow at
    random between the first wait and three times the wait before, as in
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    Attributes:
        retries: Tries after the first; the default takes half a minute at most times.
        first_wait: The shortest wait.
        longest_wait: The longest wait.
        give_up_after: No further try begins this long after the first.
        connect: Longest time to connect.
        idle: Longest time without a byte of an answer; a part that is sent counts as idle.
    """

    retries: int = 10
    first_wait: timedelta = timedelta(milliseconds=200)
    longest_wait: timedelta = timedelta(seconds=10)
    give_up_after: timedelta = timedelta(seconds=90)
    connect: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(seconds=60)

    def for_obstore(self) -> "RetryConfig":
        """The retries as obstore takes them."""
        backoff: BackoffConfig = {
            "init_backoff": self.first_wait,
            "max_backoff": self.longest_wait,
            "base": 3,
        }
        return {
            "max_retries": self.retries,
            "retry_timeout": self.give_up_after,
            "backoff": backoff,
        }

    def for_polars(self) -> dict[str, str | int | float]:
        """The same as storage options of Polars."""
        return {
            "max_retries": self.retries,
            "retry_timeout_ms": _milliseconds(self.give_up_after),
            "retry_init_backoff_ms": _milliseconds(self.first_wait),
            "retry_max_backoff_ms": _milliseconds(self.longest_wait),
            "retry_base_multiplier": 3.0,
            "connect_timeout": f"{_milliseconds(self.connect)}ms",
            "read_timeout": f"{_milliseconds(self.idle)}ms",
            "timeout": f"{_milliseconds(_WHOLE_REQUEST)}ms",
        }


@dataclass(frozen=True)
class S3Options:
    """Where S3 is and how it is written to.

    Attributes:
        endpoint: Address of an S3-compatible store; None: AWS.
        allow_http: Whether the endpoint may be plain http.
        region: AWS region; None: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1.
        encryption: What every write asks for.
        patience: Retries and time-outs.
    """

    endpoint: str | None = None
    allow_http: bool = False
    region: str | None = None
    encryption: S3Encryption = field(default_factory=S3Encryption)
    patience: S3Patience = field(default_factory=S3Patience)

    @property
    def resolved_region(self) -> str:
        """The region in force."""
        return aws_region(self.region) or "us-east-1"

    def for_polars(self) -> dict[str, str | int | float]:
        """Storage options for Polars' scans and sinks; credentials come from the environment."""
        options: dict[str, str | int | float] = {"aws_region": self.resolved_region}
        if self.endpoint is not None:
            options["aws_endpoint_url"] = self.endpoint
        if self.allow_http:
            options["aws_allow_http"] = "true"
        encryption = self.encryption
        if encryption.mode != "bucket-default":
            options["aws_server_side_encryption"] = encryption.mode
        if encryption.mode == "aws:kms":
            options["aws_sse_bucket_key_enabled"] = str(encryption.bucket_key).lower()
            if encryption.kms_key is not None:
                options["aws_sse_kms_key_id"] = encryption.kms_key
        return options | self.patience.for_polars()


def aws_region(setting: str | None) -> str | None:
    """The region that every client of AWS is opened with, whatever the service.

    boto3 itself reads AWS_DEFAULT_REGION only, while AWS's containers are given AWS_REGION.

    Args:
        setting: The region of the project's settings, which comes first.

    Returns:
        The setting, else AWS_REGION, else AWS_DEFAULT_REGION; None leaves it to boto3's own chain,
        which also knows the region of a profile.
    """
    return setting or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _boto3_credentials() -> "S3CredentialProvider":
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider()
    except ValueError as error:
        raise LakeUnavailableError(
            "there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or choose a folder with FRAUD_LAKE"
        ) from error


def open_s3(bucket: str, prefix: str, options: S3Options) -> S3Store:
    """A store over a prefix of a bucket.

    Credentials come from the environment or the container's role where these are given,
    else from boto3's chain, which also knows profiles and single sign-on.
    """
    from_boto3 = options.endpoint is None and not any(map(os.environ.get, _NATIVE_CREDENTIALS))
    provider = _boto3_credentials() if from_boto3 else None
    client: ClientConfig = {
        "allow_http": options.allow_http,
        "connect_timeout": options.patience.connect,
        "read_timeout": options.patience.idle,
        # The default of half a minute for a whole request would cut long downloads.
        "timeout": _WHOLE_REQUEST,
    }
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=_encryption_config(options.encryption),
        endpoint=options.endpoint,
        region=options.resolved_region,
        client_options=client,
        retry_config=options.patience.for_obstore(),
        credential_provider=provider,
    )


def _encryption_config(encryption: S3Encryption) -> "S3Config":
    """Encryption as obstore takes it; empty for the bucket's default."""
    config: S3Config = {}
    if encryption.mode != "bucket-default":
        config["server_side_encryption"] = encryption.mode
    if encryption.mode == "aws:kms":
        config["sse_bucket_key_enabled"] = encryption.bucket_key
        if encryption.kms_key is not None:
            config["sse_kms_key_id"] = encryption.kms_key
    return config
