"""A real `dagster dev`: a dropped file becomes alerts, and all of it stops when told to."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest

from fraud_assets import layers
from resources.lake import Lake
from resources.versions import Versions
from simulator import simulate

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS: Final = 420.0
STOP_SECONDS: Final = 90.0
LONG_AGO: Final = 1_767_225_600.0
GOOD: Final = "sim-payments-"
BAD: Final = "card-torn-"

# A shell's background job ignores SIGINT, and so would everything that it starts.
WITH_DEFAULT_SIGNALS: Final = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
RUNS: Final = """
{ runsOrError(limit: 100) { __typename ... on Runs {
  results { runId jobName status startTime tags { key value } } } } }
"""


@dataclass(frozen=True)
class Run:
    job: str
    status: str
    started: float
    tags: dict[str, str]

    def is_of(self, upload: str) -> bool:
        return self.tags.get("dagster/partition", "").startswith(upload)


@dataclass
class Dev:
    """A running `dagster dev` with a lake and a home of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-6_000:]

    def runs(self) -> list[Run]:
        """All runs so far; none while the webserver does not answer yet."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": RUNS}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the address is written out above
                found = json.load(answer)["data"]["runsOrError"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return []
        return [
            Run(
                one["jobName"],
                one["status"],
                one["startTime"] or 0.0,
                {tag["key"]: tag["value"] for tag in one["tags"]},
            )
            for one in found["results"]
        ]

    def processes(self) -> list[psutil.Process]:
        """Every process that works for this home, whoever its parent is by now."""
        found = []
        for process in psutil.process_iter():
            try:
                home = process.environ().get("DAGSTER_HOME")
                if home == str(self.folder / "home") and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def left(self, seconds: float) -> list[psutil.Process]:
        """The processes that have not ended after so many seconds."""
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.5)
        return left

    def interrupt(self) -> list[psutil.Process]:
        """What Ctrl-C does; the processes that are left when all had time to end.

        Code servers end when they have missed the parent's heartbeat for a while.
        """
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=STOP_SECONDS)
        return self.left(STOP_SECONDS)

    def kill(self) -> None:
        """End whatever is left of it, so that a failed test leaves nothing behind either."""
        for process in self.processes():
            process.kill()
        self.process.wait(timeout=10)
        self.left(10)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    """Started, with two files dropped meanwhile: a good one, and one without its columns."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if name[:6] != "FRAUD_"}
    environment |= {
        "DAGSTER_HOME": str(home),
        "FRAUD_LAKE": str(tmp_path / "lake"),
        "FRAUD_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "2",
    }
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", "workspace.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WITH_DEFAULT_SIGNALS, *command],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    dev = Dev(tmp_path, port, process)
    try:
        payments = tmp_path / "lake" / "landing" / "sim" / "payments.csv"
        payments.parent.mkdir(parents=True)
        simulate(rows=3_000, days=30, rings=5, seed=3).transactions.write_csv(payments)
        torn = tmp_path / "lake" / "landing" / "card" / "torn.csv"
        torn.parent.mkdir(parents=True)
        torn.write_text("TRANSACTION_ID,TX_AMOUNT\n1,2.5\n", encoding="utf-8")
        for file in (payments, torn):
            os.utime(file, (LONG_AGO, LONG_AGO))
        yield dev
    finally:
        dev.kill()


def wait_for_runs(dev: Dev) -> list[Run]:
    """The runs, once the good file is ingested, the alerts are made and the bad run is told."""
    until = time.monotonic() + DEADLINE_SECONDS
    runs: list[Run] = []
    while time.monotonic() < until:
        assert dev.process.poll() is None, f"dagster dev ended by itself\n{dev.log()}"
        runs = dev.runs()
        ended = {(one.job, one.status) for one in runs if not one.is_of(BAD)}
        lost = {("ingest_upload", "FAILURE"), ("refresh_alerts", "FAILURE")} & ended
        assert not lost, f"{lost}\n{dev.log()}"
        hoped = {("ingest_upload", "SUCCESS"), ("refresh_alerts", "SUCCESS")}
        if hoped <= ended and any((dev.lake / "outbox" / "failures").glob("*.json")):
            return runs
        time.sleep(1)
    pytest.fail(f"not done after {DEADLINE_SECONDS} s; runs: {runs}\n{dev.log()}")


@pytest.mark.slow
def test_a_dropped_file_becomes_alerts(dev: Dev) -> None:
    runs = wait_for_runs(dev)

    # Each upload was requested once, and the alerts were made once, of what had been scored.
    (good,) = [one for one in runs if one.is_of(GOOD)]
    (bad,) = [one for one in runs if one.is_of(BAD)]
    (refresh,) = [one for one in runs if one.job == "refresh_alerts"]
    assert (good.job, good.status) == ("ingest_upload", "SUCCESS")
    assert (bad.job, bad.status) == ("ingest_upload", "FAILURE")
    assert refresh.started > good.started
    # The tags that dagster.yaml limits.
    assert (good.tags["feed"], bad.tags["feed"]) == ("sim", "card")
    assert refresh.tags["fraud/job"] == "refresh_alerts"

    lake = Lake.open(str(dev.lake))
    published = Versions(lake).latest(layers.snapshot_slot("published_alerts"))
    assert published is not None
    assert published.rows > 0
    assert lake.get("outbox/alerts/00000001.jsonl")
    (failure,) = (dev.lake / "outbox" / "failures").glob("*.json")
    told = json.loads(failure.read_text(encoding="utf-8"))
    assert told["job"] == "ingest_upload"
    assert told["reason"].startswith("raw_transactions: torn.csv was refused: missing columns ")

    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in dev.processes()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", dev.port) in listening
    assert {address for address, _ in listening} == {"127.0.0.1"}

    assert dev.interrupt() == []
    assert dev.process.returncode == 0
    assert dev.processes() == []
    with socket.socket() as again:
        again.settimeout(5)
        assert again.connect_ex(("127.0.0.1", dev.port)) != 0
