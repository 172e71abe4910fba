"""What the files of the deployment forbid: strangers, plain connections, images that change."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.test_aws_files import AWS, FILLED, filled

ACCOUNT = FILLED["ACCOUNT"]
BUCKET = f"arn:aws:s3:::{FILLED['BUCKET']}"


def statement(name: str, sid: str) -> dict[str, Any]:
    statements: list[dict[str, Any]] = filled(AWS / "policies" / name)["Statement"]
    (found,) = [one for one in statements if one["Sid"] == sid]
    return found


def queue_attribute(name: str) -> Any:  # noqa: ANN401 - JSON of any shape
    return json.loads(filled(AWS / "uploads-queue.json")[name])


def test_the_bucket_refuses_everybody_without_encryption_on_the_way() -> None:
    denied = statement("lake-bucket.json", "EncryptedConnectionsOnly")
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Resource"] == [BUCKET, f"{BUCKET}/*"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_queue_is_encrypted_and_takes_messages_of_our_bucket_alone() -> None:
    assert queue_attribute("SqsManagedSseEnabled") is True
    (allowed,) = queue_attribute("Policy")["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sqs:SendMessage")
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": BUCKET},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }


def test_poison_leaves_the_queue_after_a_few_tries() -> None:
    redrive = queue_attribute("RedrivePolicy")
    region = FILLED["REGION"]
    assert (
        redrive["deadLetterTargetArn"]
        == f"arn:aws:sqs:{region}:{ACCOUNT}:fraud-assets-uploads-dead"
    )
    assert 2 <= int(redrive["maxReceiveCount"]) <= 10


def test_parts_of_unfinished_uploads_are_not_paid_for_ever() -> None:
    rules = filled(AWS / "lifecycle.json")["Rules"]
    (ending,) = [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]
    assert (ending["Status"], ending["Filter"]) == ("Enabled", {"Prefix": ""})
    assert ending["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


@pytest.mark.parametrize(
    ("policy", "sid", "service"),
    [
        ("trust-ecs-tasks.json", "ContainersOfThisAccount", "ecs-tasks"),
        ("trust-sagemaker.json", "JobsOfThisAccount", "sagemaker"),
    ],
)
def test_nothing_of_another_account_takes_our_roles(policy: str, sid: str, service: str) -> None:
    trusted = statement(policy, sid)
    assert trusted["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_a_job_sees_the_lake_and_nothing_else_of_the_bucket() -> None:
    assert statement("job.json", "Lake")["Resource"] == f"{BUCKET}/lake/*"
    listing = statement("job.json", "ListLake")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "lake/*"}}


def test_the_job_runs_an_image_that_nobody_can_move() -> None:
    container = filled(AWS / "job-definition-gpu.json")["containerProperties"]
    assert container["image"].endswith(f"/fraud-assets-gpu@{FILLED['IMAGE_DIGEST']}")


def test_an_endpoint_listens_outside_of_its_container(tmp_path: Path) -> None:
    """The word by which SageMaker starts it, with a Python that only notes what it is given."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(AWS / "serve")],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout == "-m resources.sagemaker.serve --host 0.0.0.0\n"
