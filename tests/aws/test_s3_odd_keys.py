"""An object with a key that no lake can name hides itself, and nothing beside it."""

from typing import TYPE_CHECKING

import pytest

from fraud_assets.feeds import load_feeds
from fraud_assets.uploads import Uploads
from resources.lake import Lake, LakeUnavailableError
from tests.aws.fault_proxy import Fault

if TYPE_CHECKING:
    from tests.aws.conftest import AwsClient
    from tests.aws.fault_proxy import FaultProxy

GOOD = ("landing/card/a.csv", "landing/card/ü + b.csv", "landing/card.csv")
ODD = ("landing//c.csv", "landing/card/../d.csv", "landing/card/./e.csv", "landing/card/f\x07.csv")


def lake_with(client: "AwsClient", bucket: str, *keys: str, endpoint: str = "") -> Lake:
    """A lake below `pre/` of a bucket that somebody else put objects into."""
    for key in keys:
        client("s3").put_object(Bucket=bucket, Key=f"pre/{key}", Body=b"a\n1\n")
    return Lake.open(
        f"s3://{bucket}/pre",
        endpoint=endpoint or client.endpoint,
        allow_http=True,
        region="eu-west-1",
    )


@pytest.mark.parametrize("odd", ODD)
def test_its_neighbours_are_listed_as_without_it(
    aws_client: "AwsClient", bucket: str, odd: str
) -> None:
    # The last three are what S3's console makes for folders.
    lake = lake_with(aws_client, bucket, *GOOD, "", "landing/", "landing/card/")
    plain = {prefix: lake.list(prefix) for prefix in ("", "landing", "landing/card")}
    assert [info.key for info in plain[""]] == ["landing", "landing/card", GOOD[2], *GOOD[:2]]
    assert lake.hidden_files("landing") == []
    lake_with(aws_client, bucket, odd)
    assert {prefix: lake.list(prefix) for prefix in plain} == plain
    assert lake.folders("landing") == ["card"]
    assert lake.folders("") == ["landing"]
    assert lake.hidden_files("landing") == [odd.replace("\x07", "\\x07")]


def test_a_double_slash_keeps_no_upload_waiting_and_is_told(
    aws_client: "AwsClient", bucket: str
) -> None:
    lake = lake_with(aws_client, bucket, "landing/card/a.csv", "landing//b.csv")
    found = Uploads(lake, load_feeds(None)).discover()
    assert [lake.get(upload.data_key) for upload in found.new] == [b"a\n1\n"]
    assert found.problems == ["landing//b.csv: its name hides it from listings; rename it"]


def test_a_refusal_of_the_other_listing_is_told_as_ever(
    aws_client: "AwsClient", bucket: str, proxy: "FaultProxy"
) -> None:
    lake = lake_with(aws_client, bucket, "landing//b.csv", endpoint=proxy.endpoint)
    proxy.faults.append(Fault("GET", after=1, status=403, code="AccessDenied"))
    with pytest.raises(LakeUnavailableError, match=r"cannot list landing .*: access denied; check"):
        lake.list("landing")
    assert proxy.count("GET") == 2
