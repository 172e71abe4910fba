"""What only S3 can do wrong."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from resources.lake import Lake, LakeLocation, LakeUnavailableError
from resources.s3 import S3Options, S3Patience


def test_a_missing_bucket_is_named(s3_endpoint: str) -> None:
    lake = Lake.open("s3://no-such-bucket/x", endpoint=s3_endpoint, allow_http=True)
    with pytest.raises(LakeUnavailableError, match=r"s3://no-such-bucket/x: there is no such b"):
        lake.put("a", b"1")
    with pytest.raises(LakeUnavailableError, match="s3://no-such-bucket/x"):
        lake.list("a")


def test_denied_access_says_what_to_check(s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from obstore.exceptions import PermissionDeniedError

    def refuse(*_: object, **__: object) -> None:
        raise PermissionDeniedError("403 Forbidden")

    monkeypatch.setattr("obstore.put", refuse)
    with pytest.raises(LakeUnavailableError, match="access denied; check the AWS credentials"):
        s3_lake.put("a", b"1")


def test_without_any_credentials_the_message_names_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(LakeUnavailableError, match="no AWS credentials; set AWS_PROFILE"):
        Lake.open("s3://some-bucket/x").list("")


def test_a_server_that_does_not_answer_is_told(s3_endpoint: str) -> None:
    patience = S3Patience(retries=2, first_wait=timedelta(milliseconds=1))
    options = S3Options("http://127.0.0.1:9", allow_http=True, patience=patience)
    lake = Lake(LakeLocation(None, "some-bucket", "x"), options)
    with pytest.raises(LakeUnavailableError, match="check FRAUD_LAKE, FRAUD_S3_ENDPOINT, the reg"):
        lake.put("a", b"1")
