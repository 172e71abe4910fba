"""boto3's part: where it finds the region, and what its errors become."""

import traceback
from pathlib import Path

import pytest

from resources.batch.aws import AwsBatch, _was_terminated
from resources.batch.port import BatchError, BatchUnavailableError, JobSpec
from resources.bedrock import open_client
from resources.cloudwatch import _client
from resources.queues import SqsQueue
from resources.s3 import S3Options, aws_region
from resources.sagemaker.api import SageMakerApi
from resources.sagemaker.config import SageMakerConfig
from resources.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/fraud"
QUEUE_URL = "https://queue.example.org/123456789012/uploads"
DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/host/i-0 is not authorized to perform "
    "batch:SubmitJob on arn:aws:batch:eu-west-1:123456789012:job-queue/gpu"
)
SPEC = JobSpec("job", "arn:aws:batch:eu-west-1:123456789012:job-queue/gpu", "fraud", ["true"])


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "FRAUD_S3_REGION"):
        monkeypatch.delenv(name, raising=False)
    # boto3 keeps what it once read.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def regions() -> dict[str, str]:
    """The region of a client of each service, without any setting."""
    api = SageMakerApi(None)
    settings = Settings(lake="s3://bucket/lake", sagemaker_role=ROLE, sagemaker_image="fraud:1")
    config = SageMakerConfig.of(settings)
    assert config is not None
    return {
        "batch": AwsBatch()._batch.meta.region_name,
        "logs of batch": AwsBatch()._logs.meta.region_name,
        "bedrock": open_client(None, 5.0).meta.region_name,  # type: ignore[attr-defined]
        "sagemaker": api._client.meta.region_name,
        "sagemaker runtime": api._runtime.meta.region_name,
        "sagemaker of the settings": SageMakerApi(config.region)._client.meta.region_name,
        "cloudwatch": _client("cloudwatch").meta.region_name,
        "sqs": SqsQueue(QUEUE_URL)._client.meta.region_name,
    }


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_one_variable_is_enough_for_every_client(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "eu-south-2")
    assert set(regions().values()) == {"eu-south-2"}
    assert S3Options().resolved_region == "eu-south-2"


def test_a_profile_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile fraud]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_PROFILE", "fraud")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert set(regions().values()) == {"eu-north-1"}


def test_the_setting_comes_first_and_then_what_aws_gives_its_containers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert aws_region(None) is None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert aws_region(None) == "eu-west-1"
    assert aws_region("eu-west-3") == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "")
    assert aws_region(None) == "us-west-2"


def test_a_refusal_shows_no_account() -> None:
    batch = AwsBatch("eu-west-1")
    with _stubbed(batch, "AccessDeniedException", DENIED), pytest.raises(BatchError) as caught:
        batch.submit(SPEC)
    shown = "".join(traceback.format_exception(caught.value))
    assert "123456789012" not in shown
    assert "arn:aws:batch:eu-west-1:<account>:job-queue/gpu" in shown
    assert "assumed-role/host" in shown
    assert "check the AWS credentials and the role's policy" in shown


def test_throttling_passes() -> None:
    batch = AwsBatch("eu-west-1")
    throttled = _stubbed(batch, "TooManyRequestsException", "slow down")
    with throttled, pytest.raises(BatchUnavailableError, match="slow down"):
        batch.submit(SPEC)


@pytest.mark.parametrize(
    ("detail", "asked"),
    [
        ({"isTerminated": True, "statusReason": "no longer wanted"}, True),
        ({"isCancelled": True}, True),
        ({"isTerminated": False, "isCancelled": False, "statusReason": "Host EC2 gone"}, False),
        ({"isTerminated": True, "statusReason": "Job attempt duration exceeded timeout"}, False),
        ({}, False),
    ],
)
def test_only_a_job_that_somebody_ended_counts_as_such(
    detail: dict[str, object],
    asked: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    assert _was_terminated(detail) is asked  # type: ignore[arg-type]


def _stubbed(batch: AwsBatch, code: str, message: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - botocore has no types
    from botocore.stub import Stubber

    stubber = Stubber(batch._batch)
    stubber.add_client_error("submit_job", code, message)
    return stubber
