"""What S3 does to its clients: throttling, delays, refusals, cut and lost answers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

from resources import s3_objects
from resources.lake import Lake, LakeLocation, LakeUnavailableError, MissingObjectError
from resources.s3 import S3Options, S3Patience
from resources.versions import Slot, Versions
from tests.aws.fault_proxy import FOREVER, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.aws.conftest import AwsClient
    from tests.aws.fault_proxy import FaultProxy

MEBIBYTE: Final = 1024 * 1024
# Quick, or the tests would wait as long as a person would have to.
PATIENCE: Final = S3Patience(
    retries=3,
    first_wait=timedelta(milliseconds=1),
    longest_wait=timedelta(milliseconds=5),
    idle=timedelta(milliseconds=400),
)


def opened(endpoint: str, bucket: str, patience: S3Patience = PATIENCE) -> Lake:
    options = S3Options(endpoint, allow_http=True, region="eu-west-1", patience=patience)
    return Lake(LakeLocation(None, bucket, "pre"), options)


@pytest.fixture
def lake(proxy: "FaultProxy", bucket: str) -> Lake:
    """A lake behind the proxy that holds one object."""
    lake = opened(proxy.endpoint, bucket)
    lake.put("a", b"content")
    proxy.seen.clear()
    return lake


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (429, "")])
def test_what_passes_is_waited_for(lake: Lake, proxy: "FaultProxy", status: int, code: str) -> None:
    for method in ("PUT", "GET", "HEAD", "POST"):
        proxy.faults.append(Fault(method, times=3, status=status, code=code))
    lake.put("b", b"1")
    assert proxy.count("PUT") == 4
    assert lake.get("a") == b"content"
    assert lake.head("b").size == 1
    lake.delete(["b"])
    assert proxy.count("POST") == 4
    assert [info.key for info in lake.list("")] == ["a"]


def test_creating_once_stays_once_through_throttling(lake: Lake, proxy: "FaultProxy") -> None:
    proxy.faults.append(Fault("PUT", times=2, status=503, code="SlowDown"))
    assert lake.put("once", b"first", create=True) is True
    assert lake.put("once", b"second", create=True) is False
    assert lake.get("once") == b"first"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault(status=503, code="SlowDown"),
            "S3 asks to slow down, and went on so through all retries; run again later, with fewer",
        ),
        (Fault(status=500, code="InternalError"), "S3 failed on its side through all retries; run"),
        (Fault(status=403, code="AccessDenied"), "access denied; check the AWS credentials, the"),
        (Fault(status=403, code="InvalidAccessKeyId"), "S3 does not accept the credentials; check"),
        (Fault(status=400, code="ExpiredToken"), "the AWS credentials have expired; renew them"),
        (Fault(status=403, code="RequestTimeTooSkewed"), "this machine's clock is wrong; set it"),
        (Fault(status=301, code="PermanentRedirect"), "in another region; set FRAUD_S3_REGION to"),
        (Fault(status=400, code="AuthorizationHeaderMalformed"), "another region; set FRAUD_S3_R"),
        (Fault(status=400, code="KMS.DisabledException"), "KMS key cannot be used; check FRAUD_S3"),
        (Fault(delay_seconds=0.6), "S3 did not answer in time; check the network"),
    ],
    ids=lambda value: value.code or "silence" if isinstance(value, Fault) else "",
)
def test_what_stays_is_told_with_the_bucket_and_what_to_do(
    bucket: str, proxy: "FaultProxy", fault: Fault, words: str
) -> None:
    lake = opened(proxy.endpoint, bucket, replace(PATIENCE, retries=1))
    proxy.faults.append(replace(fault, times=FOREVER))
    actions: dict[str, Callable[[], object]] = {
        "write a": lambda: lake.put("a", b"1"),
        "read a": lambda: lake.get("a"),
        "list raw": lambda: lake.list("raw"),
        "delete": lambda: lake.delete(["a"]),
    }
    for action, act in actions.items():
        with pytest.raises(
            LakeUnavailableError, match=f"cannot {action} in the lake s3://{bucket}/pre: .*{words}"
        ) as caught:
            act()
        message = str(caught.value)
        assert "\n" not in message
        assert "testing" not in message  # the secret of these tests
        assert "127.0.0.1" not in message


def test_a_head_without_a_body_is_told_by_its_status(lake: Lake, proxy: "FaultProxy") -> None:
    for status, words in ((403, "access denied"), (301, "another region"), (503, "slow down")):
        proxy.faults[:] = [Fault("HEAD", times=FOREVER, status=status)]
        with pytest.raises(LakeUnavailableError, match=words):
            lake.head("a")


def test_a_refusal_is_not_repeated(lake: Lake, proxy: "FaultProxy") -> None:
    proxy.faults.append(Fault("PUT", times=FOREVER, status=403, code="AccessDenied"))
    with pytest.raises(LakeUnavailableError):
        lake.put("b", b"1")
    assert proxy.count("PUT") == 1


def test_a_missing_bucket_is_no_missing_object(proxy: "FaultProxy", tmp_path: Path) -> None:
    lake = opened(proxy.endpoint, "no-such-bucket")
    words = "s3://no-such-bucket/pre: there is no such bucket; create it, or correct FRAUD_LAKE"
    large = tmp_path / "large"
    large.write_bytes(bytes(17 * MEBIBYTE))
    actions: list[Callable[[], object]] = [
        lambda: lake.put("a", b"1"),
        lambda: lake.put_file("a", large),
        lambda: lake.get("a"),
        lambda: lake.fetch("a", tmp_path / "a"),
        lambda: lake.list("a"),
        lambda: lake.folders("a"),
    ]
    for act in actions:
        with pytest.raises(LakeUnavailableError, match=words):
            act()


def test_a_missing_object_is_no_missing_bucket(lake: Lake) -> None:
    with pytest.raises(MissingObjectError, match="there is no b in the lake"):
        lake.get("b")


def test_an_answer_that_breaks_off_is_read_on(
    lake: Lake, proxy: "FaultProxy", tmp_path: Path
) -> None:
    body = bytes(range(256)) * 4096
    lake.put("long", body)
    proxy.faults.append(Fault("GET", "long", times=2, cut_body=True))
    lake.fetch("long", tmp_path / "long")
    assert (tmp_path / "long").read_bytes() == body
    assert proxy.count("GET", "long") == 3


def test_a_download_that_never_ends_leaves_no_file(
    lake: Lake, proxy: "FaultProxy", tmp_path: Path
) -> None:
    proxy.faults.append(Fault("GET", times=FOREVER, cut_body=True))
    with pytest.raises(LakeUnavailableError, match="cannot read a in the lake"):
        lake.fetch("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_slow_answer_is_asked_for_again(lake: Lake, proxy: "FaultProxy") -> None:
    proxy.faults.append(Fault("GET", delay_seconds=0.6))
    assert lake.get("a") == b"content"
    proxy.faults.append(Fault("PUT", delay_seconds=0.6))
    assert lake.put("a", b"new") is True
    assert lake.get("a") == b"new"


def test_a_write_whose_answer_is_lost_is_there_once(lake: Lake, proxy: "FaultProxy") -> None:
    proxy.faults.append(Fault("PUT", "pre/b", lose_answer=True))
    lake.put("b", b"1")
    assert lake.get("b") == b"1"
    # In create mode the repeated request finds its own object: a False that hides a success.
    proxy.faults.append(Fault("PUT", "pre/c", lose_answer=True))
    assert lake.put("c", b"1", create=True) is False
    assert lake.get("c") == b"1"


class TestParts:
    """Large files go up in parts of one size; nothing is seen before the last request."""

    @pytest.fixture(autouse=True)
    def _small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_objects, "PART_BYTES", 5 * MEBIBYTE)  # the least that S3 takes

    @pytest.fixture
    def large(self, tmp_path: Path) -> Path:
        path = tmp_path / "large"
        path.write_bytes(bytes(range(256)) * (11 * 4096))  # 11 MiB: parts of 5, 5 and 1
        return path

    def test_throttled_parts_are_sent_again(
        self, lake: Lake, proxy: "FaultProxy", large: Path
    ) -> None:
        proxy.faults.append(Fault("PUT", "partNumber=2", times=2, status=503, code="SlowDown"))
        proxy.faults.append(Fault("POST", "uploadId", lose_answer=True))
        lake.put_file("large", large)
        assert proxy.count("PUT", "partNumber=1") == 1
        assert proxy.count("PUT", "partNumber=2") == 3
        assert lake.get("large") == large.read_bytes()

    def test_an_upload_that_fails_half_way_leaves_nothing(
        self, lake: Lake, proxy: "FaultProxy", large: Path, bucket: str, aws_client: "AwsClient"
    ) -> None:
        proxy.faults.append(
            Fault("PUT", "partNumber=2", times=FOREVER, status=503, code="SlowDown")
        )
        with pytest.raises(LakeUnavailableError, match=r"cannot write large .* slow down"):
            lake.put_file("large", large)
        assert [info.key for info in lake.list("")] == ["a"]
        assert "Uploads" not in aws_client("s3").list_multipart_uploads(Bucket=bucket)

    def test_an_upload_that_nobody_ends_is_never_seen(
        self, lake: Lake, bucket: str, aws_client: "AwsClient"
    ) -> None:
        """As a killed process leaves it; the old object stays."""
        client = aws_client("s3")
        begun = client.create_multipart_upload(Bucket=bucket, Key="pre/a")
        client.upload_part(
            Bucket=bucket, Key="pre/a", PartNumber=1, UploadId=begun["UploadId"], Body=b"half"
        )
        assert lake.get("a") == b"content"
        assert [(info.key, info.size) for info in lake.list("")] == [("a", 7)]


class TestTables:
    """Polars reads S3 by itself, under the same patience."""

    @pytest.fixture
    def table(self, lake: Lake, tmp_path: Path) -> pl.LazyFrame:
        path = tmp_path / "table.parquet"
        pl.DataFrame({"a": [1, 2, 3]}).write_parquet(path)
        lake.put_file("table.parquet", path)
        return lake.scan_parquet(["table.parquet"])

    def test_throttled_scans_go_on(self, table: pl.LazyFrame, proxy: "FaultProxy") -> None:
        proxy.faults.append(Fault("GET", "table", times=3, status=503, code="SlowDown"))
        proxy.faults.append(Fault("GET", "table", cut_body=True))
        proxy.faults.append(Fault("GET", "table", delay_seconds=0.6))
        assert table.collect()["a"].to_list() == [1, 2, 3]
        assert proxy.count("GET", "table") >= 6

    def test_scans_give_up_after_the_same_number_of_tries(
        self, table: pl.LazyFrame, proxy: "FaultProxy"
    ) -> None:
        proxy.faults.append(Fault("GET", "table", times=FOREVER, status=503, code="SlowDown"))
        with pytest.raises((OSError, pl.exceptions.ComputeError), match="SlowDown"):
            table.collect()
        # Four tries; Polars opens its connection anew once and tries as often again.
        assert 4 <= proxy.count("GET", "table") <= 8

    def test_a_table_made_of_one_that_cannot_be_read_says_why(
        self, lake: Lake, table: pl.LazyFrame, proxy: "FaultProxy"
    ) -> None:
        attempt = Versions(lake).begin(Slot.snapshot("graphs/account_graph"), "run")
        proxy.faults.append(Fault("GET", "table", times=FOREVER, status=503, code="SlowDown"))
        with pytest.raises(LakeUnavailableError, match=r"write .*part-00000.*S3 asks to slow down"):
            attempt.write_table(table)
        proxy.faults.clear()
        with pytest.raises(pl.exceptions.ColumnNotFoundError):
            attempt.write_table(table.select("no such column"))


def test_the_patience_of_the_settings_is_bounded() -> None:
    """Ten waits, each at most three times the one before and ten seconds."""
    patience = S3Patience()
    assert patience.for_obstore() == {
        "max_retries": 10,
        "retry_timeout": timedelta(seconds=90),
        "backoff": {
            "init_backoff": timedelta(seconds=0.2),
            "max_backoff": timedelta(seconds=10),
            "base": 3,
        },
    }
