"""The fake's containers: S3 in and out, and the project's programs as processes."""

import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import polars as pl

REGION = "eu-west-1"


@dataclass(frozen=True)
class FakeServer:
    """A container that serves: its port, and how it ends."""

    port: int
    stop: Callable[[], None]


@dataclass(frozen=True)
class Containers:
    """Runs containers.

    Attributes:
        s3_endpoint: Where the buckets are.
        folder: Where containers have their files.
    """

    s3_endpoint: str
    folder: Path

    def train(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        """Starts a training container: the command, with `ml` of the folder as its `/opt/ml`."""
        return subprocess.Popen(
            [sys.executable if word == "python" else word for word in command],
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(folder / "ml")},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
        )

    def serve(self, model_url: str, *, as_process: bool) -> FakeServer:
        """Starts a serving container and waits for its health check."""
        folder = self.folder / f"serving-{time.monotonic_ns()}"
        self.fetch(model_url, folder)
        with tarfile.open(folder / "model.tar.gz") as archive:
            archive.extractall(folder / "model", filter="data")
        model = folder / "model"
        return self._process(model) if as_process else _thread(model)

    def _process(self, model: Path) -> FakeServer:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        log = model.parent / "log"
        process = subprocess.Popen(
            [sys.executable, "-m", "resources.sagemaker.serve", "--port", str(port)],
            env={**os.environ, "SM_MODEL_DIR": str(model)},
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
        )

        def stop() -> None:
            process.terminate()
            assert process.wait(10) == 0

        for _ in range(1_200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                    return FakeServer(port, stop)
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        raise AssertionError(log.read_text())

    def fetch(self, url: str, folder: Path) -> None:
        """Copies the objects below an S3 address into a folder."""
        folder.mkdir(parents=True)
        for key, content in self.objects(url):
            (folder / key.rsplit("/", 1)[-1]).write_bytes(content)

    def objects(self, url: str) -> list[tuple[str, bytes]]:
        """The objects whose address begins so, as SageMaker reads an S3Prefix."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        found = s3(self.s3_endpoint).list_objects_v2(Bucket=bucket, Prefix=prefix)
        keys = [one["Key"] for one in found.get("Contents", [])]
        assert keys, f"nothing under {url}"
        return [
            (key, s3(self.s3_endpoint).get_object(Bucket=bucket, Key=key)["Body"].read())
            for key in keys
        ]

    def put(self, url: str, content: bytes) -> None:
        """Writes an object."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        s3(self.s3_endpoint).put_object(Bucket=bucket, Key=key, Body=content)


def _thread(model: Path) -> FakeServer:
    """The same server in this process: starting a process takes seconds."""
    from resources.sagemaker.inference import model_fn
    from resources.sagemaker.serve import ScoringHandler

    handler = partial(ScoringHandler, model_fn(str(model)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return FakeServer(int(server.server_address[1]), stop)


def forwarded(port: int, body: bytes, kind: str, accept: str) -> tuple[int, bytes, str]:
    """One call of a container: status, body, content type."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=body,
        headers={"Content-Type": kind, "Accept": accept},
        method="POST",
    )
    try:
        # The address is one of the loopback, made above.
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers["Content-Type"]


def with_wrong_scores(answer: bytes) -> bytes:
    """The answer of a container that scores otherwise than it was trained to."""
    wrong = io.BytesIO()
    table = pl.read_parquet(io.BytesIO(answer))
    table.with_columns(pl.col("probability") * 0.5 + 0.25).write_parquet(wrong)
    return wrong.getvalue()


@cache
def s3(endpoint: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - boto3 has no types
    import boto3

    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
