"""A server on the loopback that speaks AWS's protocols, and a bucket of its own for every test."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

# `tests.aws.fault_proxy` is shared by this folder's tests; plain `pytest` does not add the root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from tests.aws.fault_proxy import FaultProxy

REGION = "eu-west-1"


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    """The address of the server."""
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.delenv(name, raising=False)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def aws_client(aws_endpoint: str) -> "AwsClient":
    return AwsClient(aws_endpoint)


class AwsClient:
    """boto3 clients of the server, by the name of the service."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def __call__(self, service: str) -> "BaseClient":
        import boto3

        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)


@pytest.fixture
def bucket(aws_client: AwsClient) -> str:
    """A new, empty bucket."""
    name = f"lake-{uuid4().hex}"
    aws_client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


@pytest.fixture
def proxy(aws_endpoint: str) -> Iterator["FaultProxy"]:
    """A proxy before the server that fails where a test tells it to."""
    from tests.aws.fault_proxy import fault_proxy

    with fault_proxy(aws_endpoint) as running:
        yield running
