"""One Batch of local processes, and one of a server that speaks AWS's protocol."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from resources.batch.aws import AwsBatch
from resources.batch.local import LocalBatch
from resources.batch.port import Batch
from tests.batch.batch_helpers import BUCKET, DEFINITION, QUEUE, REGION
from tests.batch.moto_jobs import jobs_that_run


@pytest.fixture(scope="session")
def local_batch(tmp_path_factory: pytest.TempPathFactory) -> LocalBatch:
    """Two virtual CPUs; the shortest timeout, a minute, takes 0.6 seconds."""
    folder = tmp_path_factory.mktemp("jobs")
    return LocalBatch(folder, vcpus=2, grace_seconds=0.5, timeout_scale=0.01)


@pytest.fixture(scope="session")
def aws_batch(local_batch: LocalBatch) -> Iterator[AwsBatch]:
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as environment, jobs_that_run(local_batch):
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.delenv(name, raising=False)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        _make_queue(endpoint)
        yield AwsBatch(REGION, endpoint)
        server.stop()


@pytest.fixture(params=["local", "aws"])
def batch(request: pytest.FixtureRequest) -> Batch:
    """Each adapter in turn."""
    adapter: Batch = request.getfixturevalue(f"{request.param}_batch")
    return adapter


@pytest.fixture
def job_folder(tmp_path: Path) -> Path:
    """Where jobs of a test leave traces."""
    return tmp_path


def _make_queue(endpoint: str) -> None:
    import boto3

    def client(service: str) -> "boto3.client":
        return boto3.client(service, endpoint_url=endpoint, region_name=REGION)

    client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    ec2, iam, batch = client("ec2"), client("iam"), client("batch")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    profile = iam.create_instance_profile(InstanceProfileName="batch")["InstanceProfile"]["Arn"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="gpu",
        type="MANAGED",
        state="ENABLED",
        computeResources={
            "type": "SPOT",
            "minvCpus": 0,
            "maxvCpus": 8,
            "instanceTypes": ["g5.xlarge"],
            "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
            "securityGroupIds": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
            "instanceRole": profile,
        },
        serviceRole=role,
    )["computeEnvironmentArn"]
    batch.create_job_queue(
        jobQueueName=QUEUE,
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
    )
    batch.register_job_definition(
        jobDefinitionName=DEFINITION,
        type="container",
        containerProperties={"image": "fraud:1", "command": ["true"], "vcpus": 1, "memory": 512},
    )
