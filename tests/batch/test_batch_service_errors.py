"""Which errors of AWS Batch pass by themselves, and what is cut to its limits."""

from typing import Any, NoReturn

import pytest

from resources.batch.aws import AwsBatch
from resources.batch.port import BatchError, BatchUnavailableError


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> AwsBatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return AwsBatch("eu-west-1")


@pytest.mark.parametrize(
    ("code", "status", "passes"),
    [
        ("ServerException", 500, True),
        ("SomethingNew", 500, True),
        ("502", 502, True),
        ("ThrottlingException", 400, True),
        ("ClientException", 400, False),
        ("SomethingNew", 499, False),
    ],
)
def test_a_fault_of_the_service_passes_and_a_refusal_does_not(
    *, batch: AwsBatch, code: str, status: int, passes: bool
) -> None:
    from botocore.stub import Stubber

    stubber = Stubber(batch._batch)
    stubber.add_client_error("describe_jobs", code, "no", http_status_code=status)
    with stubber, pytest.raises(BatchError) as caught:
        batch.describe(["a-job"])
    assert isinstance(caught.value, BatchUnavailableError) is passes


def test_a_network_that_is_down_passes(batch: AwsBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ConnectTimeoutError

    def silent(**_: object) -> NoReturn:
        raise ConnectTimeoutError(endpoint_url="https://batch.eu-west-1.amazonaws.com")

    monkeypatch.setattr(batch._batch, "describe_jobs", silent)
    with pytest.raises(BatchUnavailableError, match="cannot describe jobs"):
        batch.describe(["a-job"])


def test_a_long_reason_is_cut_to_what_batch_takes(
    batch: AwsBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(batch._batch, "terminate_job", lambda **request: asked.append(request))
    batch.terminate("a-job", "x" * 2000)
    assert asked == [{"jobId": "a-job", "reason": "x" * 1024}]
