"""What protects data and traffic on SageMaker: keys, networks, and answers that are no scores."""

import io
import tarfile
from pathlib import Path

import polars as pl
import pytest
from botocore.exceptions import ClientError

from gpu_ops.model_files import ModelFileError
from resources.sagemaker import requests
from resources.sagemaker.api import PassingError, SageMakerApi, SageMakerError, _told
from resources.sagemaker.archive import unpack
from resources.sagemaker.smoke import SmokeTest, SmokeTestError
from tests.sagemaker_aws.test_sagemaker_requests import CONFIG, PACKAGE

NETWORK = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


def test_what_serves_stays_in_the_network_and_under_the_key() -> None:
    model = requests.model(CONFIG, "fraud-card-v3", PACKAGE)
    assert (model["EnableNetworkIsolation"], model["VpcConfig"]) == (True, NETWORK)
    served = requests.endpoint_config(CONFIG, "fraud-card-v3", "fraud-card-v3", "card")
    assert served["KmsKeyId"] == "alias/fraud"


def test_scores_of_whole_uploads_are_written_under_the_key() -> None:
    job = requests.transform_job(
        CONFIG, "fraud-card-1", model_name="m", input_url="s3://lake/rows/part-", feed="card"
    )
    assert job["TransformOutput"] == {
        "S3OutputPath": "s3://lake/prefix/sagemaker/jobs/fraud-card-1",
        "Accept": "application/x-parquet",
        "AssembleWith": "None",
        "KmsKeyId": "alias/fraud",
    }
    assert job["TransformResources"] == {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeKmsKeyId": "alias/fraud",
    }


def test_no_package_is_approved_before_its_verdict() -> None:
    request = requests.model_package(
        CONFIG,
        group="g",
        description="d",
        model_url="s3://m",
        evaluation_url="s3://e",
        token="the-same-for-the-same",  # noqa: S106 - SageMaker's word for an idempotency key
    )
    assert request["ModelApprovalStatus"] == "PendingManualApproval"


@pytest.mark.parametrize(("status", "passes"), [(500, True), (503, True), (400, False)])
def test_a_fault_of_the_service_passes(*, status: int, passes: bool) -> None:
    response = {
        "Error": {"Code": "SomethingNew", "Message": "why"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with pytest.raises(SageMakerError) as caught, _told("describe_endpoint"):
        raise ClientError(response, "DescribeEndpoint")
    assert isinstance(caught.value, PassingError) is passes


class _Answering(SageMakerApi):
    """Endpoints that answer every call with the same scores."""

    scores: pl.DataFrame

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> bytes:  # noqa: ARG002 - as in the base class
        answer = io.BytesIO()
        self.scores.write_parquet(answer)
        return answer.getvalue()


@pytest.mark.parametrize(
    ("probability", "told"),
    [
        ([0.25, 0.5001], "scores otherwise than the model: by up to 0.0001"),
        ([0.25, float("nan")], "scores otherwise than the model"),
        ([0.25], "scores 1 of 2 rows"),
    ],
)
def test_no_traffic_moves_to_an_endpoint_that_answers_so(
    probability: list[float], told: str
) -> None:
    api = _Answering("eu-west-1")
    anomaly = [0.5] * len(probability)
    object.__setattr__(
        api, "scores", pl.DataFrame({"anomaly": anomaly, "probability": probability})
    )
    expected = pl.DataFrame({"anomaly": [0.5, 0.5], "probability": [0.25, 0.5]})
    with pytest.raises(SmokeTestError, match=told):
        SmokeTest(pl.DataFrame({"amount": [1.0, 2.0]}), expected).deviation(api, "fraud-card")


def test_a_link_in_an_archive_is_no_model_file(tmp_path: Path) -> None:
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        other = tarfile.TarInfo("other.txt")
        other.size = 2
        archive.addfile(other, io.BytesIO(b"{}"))
        link = tarfile.TarInfo("card.json")
        link.type, link.linkname = tarfile.SYMTYPE, "other.txt"
        archive.addfile(link)
    with pytest.raises(ModelFileError, match=r"lacks .*card\.json"):
        unpack(packed)


def test_a_member_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.sagemaker.archive._LARGEST_FILE", 10)
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        member = tarfile.TarInfo("card.json")
        member.size = 11
        archive.addfile(member, io.BytesIO(b"x" * 11))
    with pytest.raises(ModelFileError, match=r"card\.json in model\.tar\.gz has 11 bytes"):
        unpack(packed)
