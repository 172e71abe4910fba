"""What `dagster.yaml`, `workspace.yaml` and the Makefile say is what Dagster makes of it."""

import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster import DagsterRunStatus
from dagster._core.definitions.run_request import InstigatorType

from fraud_assets.definitions import defs
from fraud_assets.publication import HEAVY_POOL

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance of the project's dagster.yaml; a mistake in the file raises here."""
    home = tmp_path_factory.mktemp("home")
    shutil.copyfile(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def test_nothing_is_told_to_the_outside(instance: dg.DagsterInstance) -> None:
    assert instance.telemetry_enabled is False
    assert instance.nux_enabled is False


def test_runs_are_limited(instance: dg.DagsterInstance) -> None:
    limits = instance.get_concurrency_config()
    queue = limits.run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 2
    assert queue.tag_concurrency_limits == [
        {"key": "feed", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
        {"key": "fraud/job", "value": "refresh_alerts", "limit": 1},
        {"key": "fraud/job", "value": "train_model", "limit": 1},
    ]
    assert limits.pool_config.default_pool_limit == 1
    assert limits.pool_config.pool_granularity is not None
    assert limits.pool_config.pool_granularity.value == "op"


def test_the_limits_meet_the_tags_and_the_pool_of_the_project(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A limit on a tag that no run carries limits nothing."""
    monkeypatch.setenv("FRAUD_LAKE", str(tmp_path / "lake"))
    repository = defs().get_repository_def()
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    named = {one["value"] for one in queue.tag_concurrency_limits if one["key"] == "fraud/job"}
    for name in named:
        assert repository.get_job(name).run_tags["fraud/job"] == name
    assert HEAVY_POOL in {asset.op.pool for asset in repository.assets_defs_by_key.values()}


def test_lost_runs_are_retried_and_refusals_are_not(instance: dg.DagsterInstance) -> None:
    assert instance.run_retries_enabled is True
    assert instance.run_retries_max_retries == 1
    assert instance.run_retries_retry_on_asset_or_op_failure is False


def test_runs_are_monitored(instance: dg.DagsterInstance) -> None:
    assert instance.run_monitoring_enabled is True
    assert instance.run_monitoring_start_timeout_seconds == 300
    assert instance.run_monitoring_max_runtime_seconds == 21_600
    assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] == 60


def test_ticks_are_kept_for_a_while(instance: dg.DagsterInstance) -> None:
    def days(kind: InstigatorType) -> dict[str, int]:
        found = instance.get_tick_retention_settings(kind)
        return {status.value: after for status, after in found.items() if after > 0}

    assert days(InstigatorType.SCHEDULE) == {"SKIPPED": 7, "FAILURE": 90, "SUCCESS": 90}
    assert days(InstigatorType.SENSOR) == {"SKIPPED": 2, "FAILURE": 90, "SUCCESS": 30}


def test_a_new_instance_has_no_runs(instance: dg.DagsterInstance) -> None:
    """The file's storage works, not only its words."""
    filters = dg.RunsFilter(statuses=[DagsterRunStatus.STARTED])
    assert instance.get_runs_count(filters) == 0


def test_the_workspace_names_a_module_that_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FRAUD_LAKE", str(tmp_path / "lake"))
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace == {
        "load_from": [
            {
                "python_module": {
                    "module_name": "fraud_assets.definitions",
                    "location_name": "fraud-assets",
                }
            }
        ]
    }
    module = importlib.import_module("fraud_assets.definitions")
    dg.Definitions.validate_loadable(module.defs())


def test_sensors_run_without_being_switched_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FRAUD_LAKE", str(tmp_path / "lake"))
    repository = defs().get_repository_def()
    found = {
        sensor.name: (sensor.default_status.value, sensor.minimum_interval_seconds)
        for sensor in repository.sensor_defs
    }
    assert found == {
        "uploads_sensor": ("RUNNING", 20),
        "labels_sensor": ("RUNNING", 60),
        "first_model_sensor": ("RUNNING", 60),
        "drift_retraining": ("RUNNING", 300),
        "refresh_sensor": ("RUNNING", 30),
        "failure_sensor": ("RUNNING", 30),
        "delivery_sensor": ("RUNNING", 30),
        "cases_sensor": ("RUNNING", 60),
    }


def test_make_dev_listens_on_this_machine_only() -> None:
    (line,) = re.findall(r"dagster dev.*", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert "--workspace workspace.yaml" in line
    assert re.findall(r"--host (\S+)", line) == ["127.0.0.1"]
