"""How the lake reaches S3: one set of options for obstore and for Polars."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from obstore.store import S3Store

from resources.errors import LakeUnavailableError

if TYPE_CHECKING:
    from obstore.store import S3CredentialProvider

# Credentials that obstore and Polars find without boto3.
_NATIVE_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True)
class S3Options:
    """Where S3 is.

    Attributes:
        endpoint: Address of an S3-compatible store; None: AWS.
        allow_http: Whether the endpoint may be plain http.
        region: AWS region; None: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1.
    """

    endpoint: str | None = None
    allow_http: bool = False
    region: str | None = None

    @property
    def resolved_region(self) -> str:
        """The region in force."""
        environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return self.region or environment or "us-east-1"

    def for_polars(self) -> dict[str, str]:
        """Storage options for `pl.scan_parquet`; credentials come from the environment."""
        options = {"aws_region": self.resolved_region}
        if self.endpoint is not None:
            options["aws_endpoint_url"] = self.endpoint
        if self.allow_http:
            options["aws_allow_http"] = "true"
        return options


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
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=options.endpoint,
        region=options.resolved_region,
        client_options={"allow_http": options.allow_http},
        # The default gives up only after three minutes, too long for a mistyped endpoint.
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
        credential_provider=provider,
    )
