"""A process that is killed in the middle of an upload leaves nothing that anybody sees."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resources.lake import Lake, LakeLocation
from resources.s3 import S3Options
from tests.aws.fault_proxy import FOREVER, Fault

if TYPE_CHECKING:
    from tests.aws.conftest import AwsClient
    from tests.aws.fault_proxy import FaultProxy

REPOSITORY: Final = Path(__file__).resolve().parents[2]
UPLOAD: Final = """
import sys
from pathlib import Path
from resources.lake import Lake, LakeLocation
from resources.s3 import S3Options

endpoint, bucket, path = sys.argv[1:]
options = S3Options(endpoint, allow_http=True, region="eu-west-1")
Lake(LakeLocation(None, bucket), options).put_file("large", Path(path))
"""


def test_a_killed_upload_is_never_seen(
    bucket: str, proxy: "FaultProxy", aws_client: "AwsClient", tmp_path: Path
) -> None:
    options = S3Options(proxy.endpoint, allow_http=True, region="eu-west-1")
    lake = Lake(LakeLocation(None, bucket), options)
    lake.put("large", b"what was there before")
    large = tmp_path / "large"
    large.write_bytes(bytes(33 * 1024 * 1024))  # parts of 16, 16 and 1 MiB
    # The second part hangs, so the kill strikes when the first is stored.
    proxy.faults.append(Fault("PUT", "partNumber=2", times=FOREVER, delay_seconds=3))
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, proxy.endpoint, bucket, str(large)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    s3 = aws_client("s3")
    deadline = time.monotonic() + 60
    while not (proxy.count("PUT", "partNumber=1") and proxy.count("PUT", "partNumber=2")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert lake.get("large") == b"what was there before"
    assert [(info.key, info.size) for info in lake.list("")] == [("large", 21)]
    (begun,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert begun["Key"] == "large"
