"""From FRAUD_BATCH and its kin to the resource of the heavy assets."""

import os
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from fraud_assets.definitions import ASSETS
from fraud_assets.step_rows import COUNTED
from resources.batch.aws import AwsBatch
from resources.batch.binding import bind_batch, container_environment
from resources.batch.launcher import BatchStepLauncher
from resources.batch.local import LocalBatch
from resources.batch.routing import COMPUTE, compute_of, route
from resources.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FRAUD_"):
            monkeypatch.delenv(name)


def bound(settings: Settings) -> BatchStepLauncher | dg.ResourceDefinition:
    return bind_batch(settings, settings.open_lake(), lambda _asset, _partition: 0)


def test_without_the_setting_there_is_no_launcher() -> None:
    assert Settings.load().batch == "off"
    assert isinstance(bound(Settings.load()), dg.ResourceDefinition)


def test_aws_says_all_that_it_lacks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_BATCH", "aws")
    monkeypatch.setenv("FRAUD_BATCH_ATTEMPT_MINUTES", "0")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    told = str(caught.value).splitlines()
    assert len(told) == 5
    for name in ("FRAUD_BATCH_QUEUE", "FRAUD_BATCH_DEFINITION"):
        assert any(
            line.startswith(name) and "must be set where FRAUD_BATCH is" in line for line in told
        )
    assert any(line.startswith("FRAUD_BATCH_ATTEMPT_MINUTES='0'") for line in told)
    assert any(line.startswith("FRAUD_LAKE=") and "reach no folder" in line for line in told)


def test_each_place_has_its_adapter(tmp_path: Path) -> None:
    local = bound(Settings(batch="local"))
    assert isinstance(local, BatchStepLauncher)
    assert isinstance(local._batch, LocalBatch)
    aws = bound(
        Settings(
            batch="aws",
            lake="s3://bucket/lake",
            batch_queue="arn:aws:batch:eu-west-1:123456789012:job-queue/gpu",
            batch_definition="fraud-gpu",
            batch_gpus=1,
            batch_attempt_minutes=30,
            feeds_dir=tmp_path,
        )
    )
    assert isinstance(aws, BatchStepLauncher)
    assert isinstance(aws._batch, AwsBatch)
    job = aws._jobs["gpu"]
    assert (job.gpus, job.timeout_seconds) == (1, 1800)
    assert aws._jobs["cpu"] is job
    assert aws._feeds_dir == tmp_path
    assert "123456789012" not in repr(aws)


def test_steps_without_use_for_a_gpu_have_a_queue_of_their_own() -> None:
    launcher = bound(
        Settings(
            batch="aws",
            lake="s3://bucket/lake",
            batch_queue="gpu",
            batch_definition="fraud-gpu",
            batch_cpu_queue="cpu",
            batch_cpu_definition="fraud-cpu",
            batch_engine="gpu",
            batch_gpus=1,
            batch_memory_mib=8000,
        )
    )
    assert isinstance(launcher, BatchStepLauncher)
    assert [
        (job.queue, job.definition, job.gpus, job.memory_mib, job.environment["FRAUD_ENGINE"])
        for job in launcher._jobs.values()
    ] == [("gpu", "fraud-gpu", 1, 8000, "gpu"), ("cpu", "fraud-cpu", None, 8000, "cpu")]


@pytest.mark.parametrize("given", ["FRAUD_BATCH_CPU_QUEUE", "FRAUD_BATCH_CPU_DEFINITION"])
def test_a_queue_of_the_cpu_needs_its_definition(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(given, "fraud-cpu")
    with pytest.raises(SettingsError, match="must be set where FRAUD_BATCH_CPU_QUEUE is, and only"):
        Settings.load()


def test_heavy_assets_say_what_they_compute_on() -> None:
    heavy = {
        key.to_user_string(): compute_of(asset.op.tags)
        for asset in ASSETS
        for key in asset.keys
        if "batch" in asset.required_resource_keys
    }
    assert heavy.pop("fraud_rings") == "cpu"
    assert heavy == dict.fromkeys(COUNTED - {"fraud_rings"}, "gpu")
    with pytest.raises(ValueError, match="fraud/compute must be gpu or cpu, not 'tpu'"):
        compute_of({COMPUTE: "tpu"})


def test_a_step_inside_a_job_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "a-job")
    inside = bound(Settings(batch="local"))
    assert isinstance(inside, BatchStepLauncher)
    assert not inside._available


def test_the_container_gets_the_settings_and_no_secret(tmp_path: Path) -> None:
    settings = Settings(
        lake="s3://bucket/lake",
        batch="aws",
        batch_queue="gpu",
        batch_definition="fraud",
        s3_region="eu-west-1",
        s3_allow_http=True,
        threads=3,
        feeds_dir=tmp_path,
        seed=5,
        webhook_url=SecretStr("https://hooks.example.org/T0/secret"),
    )
    assert container_environment(settings, settings.open_lake(), "gpu") == {
        "FRAUD_BATCH": "off",
        "FRAUD_ENGINE": "gpu",
        "FRAUD_LAKE": "s3://bucket/lake",
        "FRAUD_S3_ALLOW_HTTP": "True",
        "FRAUD_S3_REGION": "eu-west-1",
        "FRAUD_SEED": "5",
    }


def test_a_local_job_shares_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("feeds", "rules"):
        (tmp_path / name).mkdir()
    settings = Settings(batch="local", feeds_dir=Path("feeds"), rules_dir=Path("rules"), threads=3)
    assert container_environment(settings, settings.open_lake(), "cpu") == {
        "FRAUD_BATCH": "off",
        "FRAUD_ENGINE": "cpu",
        "FRAUD_FEEDS_DIR": str(tmp_path / "feeds"),
        "FRAUD_LAKE": str(tmp_path / "lake"),
        "FRAUD_RULES_DIR": str(tmp_path / "rules"),
        "FRAUD_THREADS": "3",
    }


@pytest.mark.parametrize(
    ("rows", "available", "place", "reason"),
    [
        (49_999, True, "in process", "49,999 input rows are below the limit of 50,000"),
        (50_000, True, "batch", "50,000 input rows reach the limit of 50,000"),
        (None, True, "batch", "the number of input rows is unknown"),
        (10**9, False, "in process", "no Batch is at hand"),
    ],
)
def test_large_steps_go_to_batch(
    *, rows: int | None, available: bool, place: str, reason: str
) -> None:
    decision = route(rows, 50_000, batch_available=available)
    assert (decision.place, decision.reason) == (place, reason)
    assert decision.metadata().get("placement_rows") == rows
