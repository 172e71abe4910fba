"""One lake in a folder and one in S3, so that every test of the lake runs over both."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from resources.lake import Lake
from tests.s3_server import BUCKET, REGION, s3_server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server of this process on a free local port, with one bucket."""
    with s3_server() as endpoint:
        yield endpoint


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
