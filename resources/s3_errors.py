"""Why S3 refused, read from an error's text, and what to do about it."""

import re
from typing import Final

_CODE: Final = re.compile(r"<Code>([\w.]+)</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")

_REGION: Final = (
    "the bucket is in another region",
    "set FRAUD_S3_REGION to the bucket's region",
)
_DENIED: Final = (
    "access denied",
    "check the AWS credentials, the region and the bucket's policy",
)
_INVALID: Final = (
    "S3 does not accept the credentials",
    "check AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
)
_EXPIRED: Final = (
    "the AWS credentials have expired",
    "renew them, for example by `aws sso login`, and run again",
)
_THROTTLED: Final = (
    "S3 asks to slow down, and went on so through all retries",
    "run again later, with fewer runs at once (max_concurrent_runs) or more FRAUD_S3_RETRIES",
)
_FAILING: Final = (
    "S3 failed on its side through all retries",
    "run again later; see the AWS health dashboard",
)
_SILENT: Final = (
    "S3 did not answer in time",
    "check the network, or run again later",
)
_NO_BUCKET: Final = ("there is no such bucket", "create it, or correct FRAUD_LAKE")

# The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
_BY_CODE: Final[dict[str, tuple[str, str]]] = {
    "NoSuchBucket": _NO_BUCKET,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": _INVALID,
    "SignatureDoesNotMatch": _INVALID,
    "InvalidToken": _INVALID,
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set it, and run again"),
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "SlowDown": _THROTTLED,
    "ServiceUnavailable": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "InternalError": _FAILING,
    "RequestTimeout": _SILENT,
}
_BY_STATUS: Final = {
    "403": _DENIED,
    "429": _THROTTLED,
    "503": _THROTTLED,
    "500": _FAILING,
    "502": _FAILING,
    "504": _FAILING,
}


def is_missing_bucket(error: BaseException) -> bool:
    """Whether S3 says that the bucket, not only the object, is not there."""
    return "<Code>NoSuchBucket</Code>" in str(error)


def explained(error: BaseException) -> tuple[str, str] | None:
    """The reason for a person and what to do; None where the error's own words are best.

    obstore keeps the store's answer, status and error code, in its message; answers to HEAD have
    no body, hence no code.
    """
    text = str(error)
    code = _CODE.search(text)
    if code is not None:
        if code.group(1).startswith("KMS."):
            return "the KMS key cannot be used", "check FRAUD_S3_KMS_KEY and the key's policy"
        if code.group(1) in _BY_CODE:
            return _BY_CODE[code.group(1)]
    if "incorrectly configured region" in text:
        return _REGION
    if "TimedOut" in text or "operation timed out" in text:
        return _SILENT
    status = _STATUS.search(text)
    return _BY_STATUS.get(status.group(1)) if status is not None else None
