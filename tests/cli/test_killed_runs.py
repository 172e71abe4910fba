"""A run that is killed at the worst moment, and the same command again."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import psutil
import pytest
from click.testing import Result
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test  # the only way to make a run by hand

SCRIPT = Path(__file__).with_name("killed_main.py")

Cli = Callable[..., Result]
Tables = Callable[[Path], dict[str, pl.DataFrame]]
Environment = Callable[[Path], dict[str, str]]


def outbox_ids(place: Path) -> list[str]:
    files = sorted((place / "lake" / "outbox" / "alerts").iterdir())
    return sorted(
        json.loads(line)["alert_id"] for file in files for line in file.read_text().splitlines()
    )


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(
            (
                "raw",
                "before",
                [
                    *("raw", "prepped", "augmented", "forests"),
                    *("training", "models", "graphs", "alerts"),
                ],
            ),
            marks=pytest.mark.slow,
        ),
        # In the pool: its slot must be freed.
        pytest.param(
            (
                "augmented",
                "writing",
                ["augmented", "forests", "training", "models", "graphs", "alerts"],
            ),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("models/sim", "after", ["models", "graphs", "alerts"]), marks=pytest.mark.slow
        ),
        # Published, and the outbox not told yet.
        ("alerts/published_alerts", "after", ["graphs", "alerts"]),
    ],
)
def test_the_same_command_again_ends_as_if_nothing_had_happened(
    kill: tuple[str, str, list[str]],
    cli: Cli,
    tables: Tables,
    process_environment: Environment,
    undisturbed: Path,
    copied: Path,
) -> None:
    slot, moment, forgotten = kill
    for folder in [*forgotten, "outbox"]:
        shutil.rmtree(copied / "lake" / folder)
    if slot == "models/sim":
        for manifest in (copied / "lake" / "augmented").rglob("manifest/2.json"):
            manifest.unlink()
    died = subprocess.run(
        [sys.executable, SCRIPT, slot, moment, "run"],
        env=process_environment(copied),
        capture_output=True,
        check=False,
    )
    assert died.returncode == -9, died.stderr.decode()
    again = cli(copied, "run", "--json")
    assert again.exit_code == 0, again.stderr
    assert again.stderr.count("had been killed; reported as failed") == 1
    expected = tables(undisturbed)
    for name, table in tables(copied).items():
        assert table.equals(expected[name]), name
    assert outbox_ids(copied) == outbox_ids(undisturbed)
    assert len(outbox_ids(copied)) == len(expected["published_alerts"])
    counted = json.loads(cli(undisturbed, "status", "--json").stdout)
    now = json.loads(again.stdout)
    assert now["uploads"] == counted["uploads"]
    assert now["alerts"] == counted["alerts"]
    assert (now["model"]["version"], now["model"]["status"]) == ("sim-1", "Approved")


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(
        str(tmp_path), overrides={"concurrency": {"pools": {"default_limit": 1}}}
    )


def run_of(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags)
    return str(run.run_id)


def test_only_runs_of_this_machine_whose_process_is_gone_are_reported(
    instance: dg.DagsterInstance,
) -> None:
    from fraud_assets.local_runs import HOST_TAG, PID_TAG, STARTED_TAG, fail_dead_runs, process_tags

    mine = process_tags("ingest_upload")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = {**mine, PID_TAG: str(child.pid)}
    started = float(mine[STARTED_TAG])
    of_a_former_process = {**mine, STARTED_TAG: f"{started - 3600:.2f}"}
    runs = {
        "alive": run_of(instance, mine),
        "of dagster dev": run_of(instance, {}),
        "without a process": run_of(instance, {HOST_TAG: mine[HOST_TAG]}),
        "elsewhere": run_of(instance, {**gone, HOST_TAG: "another-machine"}),
        "gone": run_of(instance, gone),
        "number used again": run_of(instance, of_a_former_process),
    }
    assert sorted(fail_dead_runs(instance)) == sorted([runs["gone"], runs["number used again"]])
    statuses = {name: instance.get_run_by_id(run_id) for name, run_id in runs.items()}
    assert {name: run.status.value for name, run in statuses.items() if run is not None} == {
        "alive": "STARTED",
        "of dagster dev": "STARTED",
        "without a process": "STARTED",
        "elsewhere": "STARTED",
        "gone": "FAILURE",
        "number used again": "FAILURE",
    }
    assert fail_dead_runs(instance) == []


def test_the_slot_of_a_dead_run_is_free_again(instance: dg.DagsterInstance) -> None:
    from fraud_assets.local_runs import PID_TAG, fail_dead_runs, process_tags

    storage = instance.event_log_storage
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = run_of(instance, {**process_tags("ingest_upload"), PID_TAG: str(child.pid)})
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", dead, "fraud_model").is_claimed
    assert not storage.claim_concurrency_slot("gpu", "next-run", "fraud_model").is_claimed
    fail_dead_runs(instance)
    assert storage.claim_concurrency_slot("gpu", "next-run", "fraud_model").is_claimed


def test_a_run_that_dies_later_is_found_while_another_one_waits(
    instance: dg.DagsterInstance,
) -> None:
    from fraud_assets.local_runs import PID_TAG, STARTED_TAG, dead_runs_watched, process_tags

    said: list[str] = []
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = f"{psutil.Process(child.pid).create_time():.2f}"
    tags = {**process_tags("run"), PID_TAG: str(child.pid), STARTED_TAG: started}
    run_id = run_of(instance, tags)
    with dead_runs_watched(instance, said.append, every_seconds=0.05):
        assert said == []
        child.kill()
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)
    child.wait()
    assert said == [f"run {run_id[:8]} had been killed; reported as failed, its work starts anew"]


def test_this_process_is_found_by_its_tags() -> None:
    from fraud_assets.local_runs import PID_TAG, process_tags

    assert psutil.Process(int(process_tags("run")[PID_TAG])) == psutil.Process()
