"""Values at the edge of what is accepted, and settings that no container is to see."""

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import dagster as dg
import pytest
from pydantic import SecretStr

from resources.batch.binding import bind_batch, container_environment
from resources.batch.launcher import BatchStepLauncher
from resources.batch.port import JobSpec
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.batch.dagster_internals import StepContext


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FRAUD_", "AWS_BATCH")):
            monkeypatch.delenv(name)


def launcher(settings: Settings, counts: dict[str, int | None]) -> BatchStepLauncher:
    made = bind_batch(settings, settings.open_lake(), lambda asset, _partition: counts[asset])
    assert isinstance(made, BatchStepLauncher)
    return made


def test_the_outermost_values_that_batch_takes_are_taken() -> None:
    """One minute an attempt is the least that FRAUD_BATCH_ATTEMPT_MINUTES allows."""
    spec = JobSpec("j", "q", "d", ["true"], vcpus=1, attempts=10, timeout_seconds=60)
    assert (spec.attempts, spec.timeout_seconds) == (10, 60)


class _NewSettings(Settings):
    """Settings with a secret that nobody has thought of yet."""

    new_secret: SecretStr | None = None


def test_no_secret_and_no_setting_of_the_host_alone_reaches_a_container() -> None:
    settings = _NewSettings(
        lake="s3://bucket/lake",
        s3_region="eu-west-1",
        batch="aws",
        batch_queue="gpu",
        batch_definition="fraud",
        new_secret=SecretStr("hush"),
        uploads_per_tick=7,
        uploads_queue="https://sqs.eu-west-1.amazonaws.com/123456789012/uploads",
        sagemaker_role="arn:aws:iam::123456789012:role/fraud",
        sagemaker_image="fraud:1",
    )
    assert container_environment(settings, settings.open_lake(), "cpu") == {
        "FRAUD_BATCH": "off",
        "FRAUD_ENGINE": "cpu",
        "FRAUD_LAKE": "s3://bucket/lake",
        "FRAUD_S3_REGION": "eu-west-1",
    }


def test_waits_of_the_settings_are_minutes() -> None:
    patience = launcher(Settings(batch="local", batch_queue_minutes=2), {})._patience
    assert patience.queue == 120


@pytest.mark.parametrize(
    ("counts", "place", "rows"),
    [
        ({"a": 30, "b": 20}, "in process", 50),
        ({"a": 30, "b": 70}, "batch", 100),
        # One unknown count says nothing of the sum.
        ({"a": 30, "b": None}, "batch", None),
    ],
)
def test_a_step_of_several_assets_goes_by_all_of_their_rows(
    counts: dict[str, int | None], place: str, rows: int | None
) -> None:
    step = SimpleNamespace(
        has_partition_key=False,
        get_output_asset_keys=lambda: {dg.AssetKey("a"), dg.AssetKey("b")},
    )
    decided = launcher(Settings(batch="local", batch_rows=100), counts)._decide(
        cast("StepContext", step)
    )
    assert (decided.place, decided.rows) == (place, rows)
