"""What is deployed by hand: images, job definition, policies; held against AWS's own models."""

import importlib.util
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resources.batch.port import SPOT_RULES
from resources.s3_events import created_objects

if TYPE_CHECKING:
    from botocore.model import Shape

REPOSITORY = Path(__file__).resolve().parents[2]
AWS = REPOSITORY / "deploy" / "aws"
IMAGES = ("cpu", "gpu")
FILLED = {
    "ACCOUNT": "123456789012",
    "REGION": "eu-central-1",
    "BUCKET": "fraud-assets-123456789012",
    "SUBNET": "subnet-0123456789abcdef0",
    "SECURITY_GROUP": "sg-0123456789abcdef0",
    "IMAGE_DIGEST": "sha256:" + "0" * 64,
    "CPU_IMAGE_DIGEST": "sha256:" + "1" * 64,
    "BEDROCK_MODEL": "eu.some-model-v1:0",
    "BEDROCK_FOUNDATION_MODEL": "some-model-v1:0",
}

# These services know no narrower resource for the action, or a condition holds it.
MAY_NAME_EVERY_RESOURCE = {
    "batch:DescribeJobs",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
}
# Actions that are no call of their service, from the service authorization reference.
NO_CALLS = {"s3:ListBucket", "iam:PassRole", "bedrock:InvokeModel", "sagemaker:InvokeEndpoint"}


def filled(path: Path) -> Any:  # noqa: ANN401 - JSON of any shape
    """A file with its variables filled in, as `envsubst` does."""
    text = re.sub(r"\$\{(\w+)\}", lambda name: FILLED[name[1]], path.read_text())
    assert "$" not in text
    return json.loads(text)


def problems(service: str, operation: str, request: object) -> str:
    """What botocore's model of a service finds wrong with a request; empty if nothing."""
    import botocore.session
    from botocore.validate import ParamValidator

    shape: Shape = (
        botocore.session.get_session()
        .get_service_model(service)
        .operation_model(operation)
        .input_shape
    )
    report: str = ParamValidator().validate(request, shape).generate_report()
    return report


def statements(path: Path) -> Iterator[dict[str, Any]]:
    yield from filled(path)["Statement"]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


POLICIES = sorted((AWS / "policies").glob("*.json"))
ALLOWING = [one for one in POLICIES if not one.name.startswith(("lake-bucket", "trust-"))]


@pytest.mark.parametrize("image", IMAGES)
def test_the_job_definition_is_what_batch_takes(image: str) -> None:
    request = filled(AWS / f"job-definition-{image}.json")
    assert problems("batch", "RegisterJobDefinition", request) == ""
    request["containerProperties"]["imaginary"] = "x"
    assert "imaginary" in problems("batch", "RegisterJobDefinition", request)


@pytest.mark.parametrize("image", IMAGES)
def test_the_job_runs_our_entry_as_nobody_special_and_survives_spot(image: str) -> None:
    request = filled(AWS / f"job-definition-{image}.json")
    container = request["containerProperties"]
    assert f"/fraud-assets-{image}@sha256:" in container["image"]
    assert {"name": "FRAUD_ENGINE", "value": image} in container["environment"]
    wanted = {one["type"] for one in container["resourceRequirements"]}
    assert ("GPU" in wanted) is (image == "gpu")
    python, flag, module, *_ = container["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None
    assert (container["user"], container["privileged"]) == ("10001", False)
    # Signals reach the entry, and its children are waited for, by an init as the first process.
    assert container["linuxParameters"]["initProcessEnabled"] is True
    rules = [rule.request() for rule in SPOT_RULES]
    assert request["retryStrategy"]["evaluateOnExit"] == rules


@pytest.mark.parametrize(
    ("name", "service", "operation"),
    [
        ("compute-environment", "batch", "CreateComputeEnvironment"),
        ("compute-environment-cpu", "batch", "CreateComputeEnvironment"),
        ("job-queue", "batch", "CreateJobQueue"),
        ("job-queue-cpu", "batch", "CreateJobQueue"),
    ],
)
def test_environment_and_queue_are_what_batch_takes(
    name: str, service: str, operation: str
) -> None:
    assert problems(service, operation, filled(AWS / f"{name}.json")) == ""


@pytest.mark.parametrize("kind", ["", "-cpu"])
def test_the_environment_costs_nothing_while_it_is_idle(kind: str) -> None:
    environment = filled(AWS / f"compute-environment{kind}.json")
    resources = environment["computeResources"]
    assert (resources["type"], resources["minvCpus"]) == ("SPOT", 0)
    queue = filled(AWS / f"job-queue{kind}.json")
    assert queue["jobQueueName"] == environment["computeEnvironmentName"] == f"fraud-assets{kind}"
    order = [one["computeEnvironment"] for one in queue["computeEnvironmentOrder"]]
    assert order == [f"fraud-assets{kind}"]


@pytest.mark.parametrize("kind", ["", "-cpu"])
def test_no_job_waits_for_ever_if_its_host_is_gone(kind: str) -> None:
    actions = filled(AWS / f"job-queue{kind}.json")["jobStateTimeLimitActions"]
    limits = {one["reason"]: one["maxTimeSeconds"] for one in actions}
    assert limits == {
        "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": 14_400,
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": 600,
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": 600,
    }
    assert {(one["state"], one["action"]) for one in actions} == {("RUNNABLE", "CANCEL")}


def test_messages_of_a_landed_file_reach_the_queue_and_the_sensor() -> None:
    """Through a server that speaks S3 and SQS: what the files set up delivers."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": FILLED["REGION"],
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
    }
    try:
        s3, sqs = boto3.client("s3", **options), boto3.client("sqs", **options)
        location = {"LocationConstraint": FILLED["REGION"]}
        s3.create_bucket(Bucket=FILLED["BUCKET"], CreateBucketConfiguration=location)
        sqs.create_queue(QueueName="fraud-assets-uploads-dead")
        attributes = filled(AWS / "uploads-queue.json")
        queue = sqs.create_queue(QueueName="fraud-assets-uploads", Attributes=attributes)
        s3.put_bucket_notification_configuration(
            Bucket=FILLED["BUCKET"],
            NotificationConfiguration=filled(AWS / "bucket-notification.json"),
        )
        for key in ("lake/landing/card/week 1.csv", "lake/raw/part.parquet"):
            s3.put_object(Bucket=FILLED["BUCKET"], Key=key, Body=b"x")
        found = []
        while messages := sqs.receive_message(
            QueueUrl=queue["QueueUrl"], MaxNumberOfMessages=10
        ).get("Messages"):
            found += [one["Body"] for one in messages]
        arn = sqs.get_queue_attributes(QueueUrl=queue["QueueUrl"], AttributeNames=["QueueArn"])
    finally:
        server.stop()
    # S3's own test message tells of no object.
    landed = [change.key for one in found for change in created_objects(one)]
    assert landed == ["lake/landing/card/week 1.csv"]
    statement = json.loads(attributes["Policy"])["Statement"][0]
    assert statement["Resource"] == arn["Attributes"]["QueueArn"]


def test_the_lifecycle_is_what_s3_takes() -> None:
    rules = filled(AWS / "lifecycle.json")
    request = {"Bucket": "b", "LifecycleConfiguration": rules}
    assert problems("s3", "PutBucketLifecycleConfiguration", request) == ""
    # A rule that expired anything else of the lake would lose data.
    expiring = [rule["Filter"]["Prefix"] for rule in rules["Rules"] if "Expiration" in rule]
    assert expiring == ["lake/steps/", "dagster/compute-logs/"]


@pytest.mark.parametrize("path", ALLOWING, ids=lambda path: path.stem)
def test_policies_allow_named_calls_on_named_things(path: Path) -> None:
    import botocore.session

    session = botocore.session.get_session()
    for statement in statements(path):
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            service, call = action.split(":")
            assert "*" not in action
            if action not in NO_CALLS and call != "AbortMultipartUpload":
                model = session.get_service_model("logs" if service == "logs" else service)
                assert call in model.operation_names, action
            if listed(statement["Resource"]) == ["*"]:
                assert action in MAY_NAME_EVERY_RESOURCE, action


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies_fit_into_a_role(path: Path) -> None:
    document = filled(path)
    assert document["Version"] == "2012-10-17"
    names = [one["Sid"] for one in document["Statement"]]
    assert len(names) == len(set(names))
    # IAM counts the characters of an inline policy without white space.
    assert len(json.dumps(document, separators=(",", ":"))) < 10_240


@pytest.mark.parametrize("image", IMAGES)
def test_images_are_pinned_and_run_without_root(image: str) -> None:
    stages = re.split(r"^FROM ", (AWS / f"{image}.Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    names = [stage.splitlines()[0] for stage in stages]
    pinned = "${BASE_IMAGE}@${BASE_DIGEST}"
    assert names == [
        f"{pinned} AS build",
        f"{pinned} AS installed",
        "installed AS sagemaker",
        "installed",
    ]
    assert not any("\nENTRYPOINT" in stage for stage in stages)
    users = [re.findall(r"^USER (.+)$", stage, re.MULTILINE) for stage in stages]
    # Only SageMaker's own image runs as root, since SageMaker asks for it.
    assert users == [[], [], [], ["10001"]]
    assert ["bin/serve" in stage for stage in stages] == [False, False, True, False]


@pytest.mark.parametrize("image", IMAGES)
def test_images_hold_what_their_steps_name(image: str) -> None:
    text = (AWS / f"{image}.Dockerfile").read_text().replace("\\\n", " ")
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert (REPOSITORY / source).exists(), source
    (constraint,) = re.findall(r"--constraint (\S+)", text)
    assert (REPOSITORY / constraint).exists()
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (wanted,) = re.findall(r"'\.\[(.+)\]'", text)
    assert set(wanted.split(",")) <= extras.keys()
    assert image in wanted.split(",")


def test_no_image_is_built_on_a_base_without_a_digest(tmp_path: Path) -> None:
    (tmp_path / "empty.env").write_text("BASE_IMAGE=python:3.11\nBASE_DIGEST=\n")
    done = subprocess.run(
        ["make", "images", f"BASE_IMAGES={os.path.relpath(tmp_path / 'empty.env', REPOSITORY)}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "BASE_DIGEST is empty" in done.stderr
