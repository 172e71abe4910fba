"""What only S3 can do wrong."""

import pytest

from resources.lake import Lake, LakeUnavailableError


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
