"""Requests as AWS's own models take them, names, waiting, and jobs that end badly."""

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore import exceptions
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from resources.sagemaker import requests
from resources.sagemaker.api import Named, PassingError, SageMakerApi, SageMakerError, _told
from resources.sagemaker.config import Network, SageMakerConfig, safe_name
from resources.sagemaker.jobs import TRAINING, JobFailedError, run_job
from resources.sagemaker.waiting import Patience, WaitedTooLongError, wait_for
from tests.sagemaker_aws.fake_protocol import RefusedError, check_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

CONFIG = SageMakerConfig(
    role="arn:aws:iam::123456789012:role/fraud-sagemaker",
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/fraud@sha256:0a",
    training_image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/trains@sha256:0",
    instance_type="ml.m5.xlarge",
    serving_instance_type="ml.m5.large",
    model_group="fraud",
    endpoint="fraud",
    spot=True,
    max_runtime_seconds=3_600,
    max_wait_seconds=7_200,
    endpoint_timeout_seconds=60,
    kms_key="alias/fraud",
    network=Network(("subnet-1", "subnet-2"), ("sg-1",)),
    lake_url="s3://lake/prefix",
    region=None,
)
PLAIN = replace(CONFIG, spot=False, kms_key=None, network=None)
INPUT = requests.TrainingInput(
    "card", "s3://lake/prefix/training/part-card.parquet", "abc", {"seed": "0"}
)
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraud-card/3"


def test_the_request_of_a_spot_training_job() -> None:
    assert requests.training_job(CONFIG, "fraud-card-abc-1", INPUT) == {
        "TrainingJobName": "fraud-card-abc-1",
        "RoleArn": "arn:aws:iam::123456789012:role/fraud-sagemaker",
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/trains@sha256:0",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-m", "fraud_assets.sagemaker_train"],
        },
        "HyperParameters": {"seed": "0"},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "application/x-parquet",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": "s3://lake/prefix/training/part-card.parquet",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {
            "S3OutputPath": "s3://lake/prefix/sagemaker/jobs",
            "KmsKeyId": "alias/fraud",
        },
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
            "VolumeKmsKeyId": "alias/fraud",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3_600, "MaxWaitTimeInSeconds": 7_200},
        "EnableManagedSpotTraining": True,
        "EnableNetworkIsolation": True,
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "CheckpointConfig": {
            "S3Uri": "s3://lake/prefix/sagemaker/checkpoints/fraud-card-abc-1",
            "LocalPath": "/opt/ml/checkpoints",
        },
        "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        "Tags": [
            {"Key": "fraud:feed", "Value": "card"},
            {"Key": "fraud:project", "Value": "fraud-assets"},
            {"Key": "fraud:training-set", "Value": "abc"},
        ],
    }


def test_a_job_on_demand_waits_for_nothing_and_keeps_no_checkpoints() -> None:
    request = requests.training_job(PLAIN, "fraud-card-abc-1", INPUT)
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3_600}
    assert request["EnableManagedSpotTraining"] is False
    assert not {"CheckpointConfig", "VpcConfig"} & set(request)
    assert "KmsKeyId" not in str(request)


@pytest.mark.parametrize("config", [CONFIG, PLAIN], ids=["all settings", "none"])
def test_every_request_fits_the_model_of_its_operation(config: SageMakerConfig) -> None:
    described = requests.model_package(
        config,
        group="fraud-card",
        description="fraud-assets model card/3, content abc",
        model_url="s3://lake/model.tar.gz",
        evaluation_url="s3://lake/evaluation.json",
        token="0a-1b",  # noqa: S106 - it makes calls idempotent, and is no secret
    )
    transform = requests.transform_job(
        config, "fraud-card-1", model_name="m", input_url="s3://lake/part-", feed="card"
    )
    made: Mapping[str, requests.Request] = {
        "CreateTrainingJob": requests.training_job(config, "fraud-card-abc-1", INPUT),
        "CreateModelPackage": described,
        "CreateModel": requests.model(config, "m", PACKAGE),
        "CreateEndpointConfig": requests.endpoint_config(config, "c", "m", "card"),
        "CreateEndpoint": requests.endpoint("fraud-card", "c", "card"),
        "UpdateEndpoint": requests.endpoint_update(config, "fraud-card", "c"),
        "CreateTransformJob": transform,
    }
    for operation, request in made.items():
        check_request(operation, request)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"


def test_the_check_of_requests_is_no_formality() -> None:
    request = requests.training_job(CONFIG, "fraud-card-abc-1", INPUT)
    wrong: list[requests.Request] = [
        {**request, "TrainingJobName": "not_a_name"},
        {**request, "Colour": "red"},
        {**request, "EnableManagedSpotTraining": "yes"},
    ]
    for one in wrong:
        with pytest.raises(RefusedError):
            check_request("CreateTrainingJob", one)


@pytest.mark.parametrize(
    ("machine", "is_gpu"),
    [("ml.g5.xlarge", True), ("ml.p4d.24xlarge", True), ("ml.m5.xlarge", False)],
)
def test_the_machine_tells_where_trees_grow(machine: str, is_gpu: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert replace(CONFIG, instance_type=machine).trains_on_gpu is is_gpu


@hypothesis_settings(deadline=None, max_examples=50)
@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_names_are_valid_and_stay_apart(first: str, second: str) -> None:
    one, other = safe_name("fraud", first), safe_name("fraud", second)
    for name in (one, other):
        check_request("DescribeEndpoint", {"EndpointName": name})
    assert (one == other) == (first == second)


def test_waiting_outlasts_passing_trouble_but_not_its_time() -> None:
    seen: Iterator[str | PassingError] = iter(
        [PassingError("slow down"), "InProgress", "Completed"]
    )
    pauses: list[float] = []

    def look() -> str:
        found = next(seen)
        if isinstance(found, PassingError):
            raise found
        return found

    patience = Patience(1.0, 100.0)
    ended = wait_for(look, lambda s: s == "Completed", patience, "it", sleep=pauses.append)
    assert (ended, pauses) == ("Completed", [1.0, 1.5])
    clock = iter([0.0, 99.0, 100.0])
    with pytest.raises(WaitedTooLongError, match="it was not over after 2 minutes"):
        wait_for(
            lambda: "InProgress",
            lambda s: s == "Completed",
            patience,
            "it",
            clock=lambda: next(clock),
            sleep=pauses.append,
        )
    # No longer than what is left.
    assert pauses[-1] == 1.0


class Script(SageMakerApi):
    """An API whose job is in the given states, one a look, and which notes what is called."""

    def __init__(self, *states: "JsonValue | BaseException") -> None:
        super().__init__()
        object.__setattr__(self, "states", list(states))
        object.__setattr__(self, "called", [])

    states: list["JsonValue | BaseException"]
    called: list[str]

    def call(self, operation, request, answer):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002 - as in the base class
        self.called.append(operation)
        if not operation.startswith("describe"):
            return Named()
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        return answer.model_validate({"TrainingJobStatus": state, "SecondaryStatus": state})


def run(api: SageMakerApi, limit: float = 100.0) -> None:
    run_job(api, TRAINING, "base", lambda _: {}, Patience(0.0, limit), lambda _: True)


def test_an_interrupted_run_stops_its_job() -> None:
    api = Script("InProgress", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(api)
    assert api.called[-1] == "stop_training_job"


def test_a_run_that_merely_fails_leaves_its_job_for_the_next_one() -> None:
    api = Script("InProgress", SageMakerError("denied"))
    with pytest.raises(SageMakerError, match="denied"):
        run(api)
    assert "stop_training_job" not in api.called


def test_a_job_that_takes_too_long_is_stopped() -> None:
    api = Script("InProgress")
    with pytest.raises(JobFailedError, match="base-1 was not over after 0 minutes; it was stopped"):
        run(api, limit=0.0)
    assert api.called[-1] == "stop_training_job"


def test_a_job_that_somebody_else_runs_is_waited_for() -> None:
    api = Script("InProgress", "InProgress", "Completed")
    run(api)
    assert api.called == ["describe_training_job"] * 3


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("Stopped", "was stopped by somebody; run again to start the next one"),
        ("MaxWaitTimeExceeded", "raise FRAUD_SAGEMAKER_MAX_WAIT_MINUTES"),
        ("MaxRuntimeExceeded", "raise FRAUD_SAGEMAKER_MAX_RUNTIME_MINUTES"),
        ("Failed", "failed: no reason was given"),
    ],
)
def test_how_a_job_ended_is_told(state: str, told: str) -> None:
    with pytest.raises(JobFailedError, match=told):
        run(Script("InProgress", state))


ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/a"


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (exceptions.EndpointConnectionError(endpoint_url=ARN), True),
        (exceptions.ConnectTimeoutError(endpoint_url=ARN), True),
        (exceptions.ReadTimeoutError(endpoint_url=ARN), True),
        (exceptions.ConnectionClosedError(endpoint_url=ARN), True),
        (exceptions.NoRegionError(), False),
        (exceptions.NoCredentialsError(), False),
        (exceptions.ParamValidationError(report=ARN), False),
    ],
)
def test_only_the_network_passes_by_itself(
    error: exceptions.BotoCoreError,
    passes: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    with pytest.raises(SageMakerError) as caught, _told("describe_training_job"):
        raise error
    assert isinstance(caught.value, PassingError) is passes
    assert "describe_training_job" in str(caught.value)
    assert "123456789012" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_region_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with pytest.raises(SageMakerError, match="check the AWS credentials and the region") as caught:
        SageMakerApi().call("describe_training_job", {"TrainingJobName": "a"}, Named)
    assert not isinstance(caught.value, PassingError)
    with pytest.raises(SageMakerError, match="specify a region"):
        next(SageMakerApi().pages("list_training_jobs", {}, Named))
    with pytest.raises(SageMakerError, match="specify a region"):
        SageMakerApi().invoke("endpoint", b"", "text/csv", "text/csv")
