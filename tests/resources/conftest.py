"""One lake in a folder and one in S3, so that every test of the lake runs over both."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from resources.lake import Lake

BUCKET = "lake-of-tests"
REGION = "eu-west-1"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server of this process on a free local port, with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.delenv(name, raising=False)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield endpoint
        server.stop()


@pytest.fixture
def s3_lake(s3_endpoint: str) -> Lake:
    return Lake.open(
        f"s3://{BUCKET}/{uuid4().hex}", endpoint=s3_endpoint, allow_http=True, region=REGION
    )


@pytest.fixture
def folder_lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest) -> Lake:
    """A new, empty lake, once in a folder and once in S3."""
    lake = request.getfixturevalue(f"{request.param}_lake")
    assert isinstance(lake, Lake)
    return lake
