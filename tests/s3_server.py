"""An S3 server of this process, for tests that run over a folder and over S3 alike."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest

BUCKET: Final = "lake-of-tests"
REGION: Final = "eu-west-1"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its endpoint on a free local port, with one bucket, and credentials while it runs."""
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
        # The servers of one process share what they hold; every test has a prefix of its own.
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        yield endpoint
        server.stop()
