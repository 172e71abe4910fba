"""Every kind of write asks for the encryption that the settings name."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from resources import s3_objects
from resources.lake import Lake
from resources.settings import Settings, SettingsError
from resources.versions import Slot, Versions

if TYPE_CHECKING:
    from tests.aws.conftest import AwsClient
    from tests.aws.fault_proxy import FaultProxy

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234"
MEBIBYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects, "PART_BYTES", 5 * MEBIBYTE)


def settings(bucket: str, endpoint: str, **changes: object) -> Settings:
    return Settings(
        lake=f"s3://{bucket}/lake",
        s3_endpoint=endpoint,
        s3_allow_http=True,
        s3_region="eu-west-1",
    ).model_copy(update=changes)


def write_everything(lake: Lake, folder: Path) -> set[str]:
    """One object by each way into the lake; their keys."""
    lake.put("small", b"1")
    lake.put("created", b"1", create=True)
    small, large = folder / "small", folder / "large"
    small.write_bytes(b"1")
    large.write_bytes(bytes(11 * MEBIBYTE))
    lake.put_file("file", small)
    lake.put_file("parts", large)
    versions = Versions(lake)
    attempt = versions.begin(Slot.snapshot("graphs/account_graph"), "run")
    attempt.write_table(pl.DataFrame({"a": [1]}))
    versions.publish(attempt, inputs={})
    pl.DataFrame({"a": [1]}).lazy().sink_parquet(
        f"{lake.url}/sunk.parquet", storage_options=lake.options.for_polars()
    )
    keys = {info.key for info in lake.list("")}
    assert {"small", "created", "file", "parts", "sunk.parquet"} < keys
    made = "graphs/account_graph"
    assert {f"{made}/attempt=run/part-00000.parquet", f"{made}/manifest/1.json"} < keys
    return keys


def encryption(client: "AwsClient", bucket: str, key: str) -> tuple[str | None, str | None]:
    """What the store keeps of an object's encryption: algorithm and key."""
    head = client("s3").head_object(Bucket=bucket, Key=f"lake/{key}")
    return head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    ("changes", "stored"),
    [
        ({}, (None, None)),
        ({"s3_encryption": "AES256"}, ("AES256", None)),
        ({"s3_encryption": "aws:kms", "s3_kms_key": KEY}, ("aws:kms", KEY)),
    ],
)
def test_every_write_is_stored_under_the_encryption_of_the_settings(
    bucket: str,
    proxy: "FaultProxy",
    aws_client: "AwsClient",
    tmp_path: Path,
    changes: dict[str, str],
    stored: tuple[str | None, str | None],
) -> None:
    lake = settings(bucket, proxy.endpoint, **changes).open_lake()
    keys = write_everything(lake, tmp_path)
    assert {key: encryption(aws_client, bucket, key) for key in keys} == dict.fromkeys(keys, stored)
    assert proxy.count("PUT", "lake/parts?partNumber=3") == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_the_bucket_key_is_asked_for_in_every_write(
    bucket: str,
    proxy: "FaultProxy",
    tmp_path: Path,
    wanted: bool,  # noqa: FBT001 - the parameter of the test
) -> None:
    """Seen in the requests, since the server forgets it for uploads in parts."""
    changes = {"s3_encryption": "aws:kms", "s3_kms_key": KEY, "s3_bucket_key": wanted}
    write_everything(settings(bucket, proxy.endpoint, **changes).open_lake(), tmp_path)
    starts = [
        one
        for one in proxy.seen
        if (one.method == "PUT" and "partNumber" not in one.path)
        or (one.method == "POST" and one.path.endswith("?uploads="))
    ]
    assert len(starts) >= 6
    for one in starts:
        asked = one.headers.get("x-amz-server-side-encryption-bucket-key-enabled", "false")
        assert (one.path, asked) == (one.path, str(wanted).lower())


def test_a_key_without_its_encryption_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_S3_ENCRYPTION", "AES256")
    monkeypatch.setenv("FRAUD_S3_KMS_KEY", "alias/fraud")
    monkeypatch.setenv("FRAUD_S3_RETRIES", "many")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    lines = str(caught.value).splitlines()
    assert "FRAUD_S3_KMS_KEY='alias/fraud': a KMS key needs FRAUD_S3_ENCRYPTION=aws:kms" in lines
    assert any(line.startswith("FRAUD_S3_RETRIES='many': ") for line in lines)
