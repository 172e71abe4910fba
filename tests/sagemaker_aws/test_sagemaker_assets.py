"""From a training set to a registered model and batch scores, and how that fails."""

import io
import json
import tarfile
from typing import TYPE_CHECKING

import polars as pl
import pytest

from gpu_ops.gate import Status, Verdict
from resources.registry import ModelRegistry, write_model
from resources.sagemaker.archive import MODEL_FILES
from tests.sagemaker_aws.conftest import (
    APPROVED,
    REJECTED,
    UPLOAD,
    fitted,
    labelled_rows,
    with_model,
)
from tests.sagemaker_aws.fake_protocol import RefusedError
from tests.sagemaker_aws.fake_serving import ACCOUNT

if TYPE_CHECKING:
    from tests.sagemaker_aws.conftest import Account

# Training


def test_a_training_job_gives_the_local_model(trained: "Account") -> None:
    model = ModelRegistry(trained.versions).get("sim", 1)
    local = trained.versions.begin(ModelRegistry.slot("sim"), "local")
    write_model(local, fitted(1))
    assert model.manifest.files == local.files
    (name,) = trained.fake.trainings
    assert model.manifest.extra["job"] == name
    assert trained.objects(f"sagemaker/jobs/{name}") == [
        f"sagemaker/jobs/{name}/output/model.tar.gz"
    ]


def test_the_same_rows_are_not_trained_again(trained: "Account") -> None:
    before = trained.fake.counted()["CreateTrainingJob"]
    metadata = trained.must("sagemaker_training_job")
    assert trained.fake.counted()["CreateTrainingJob"] == before == 1
    assert metadata["sim_was_reused"].value == 1
    assert metadata["sim_model"].value == "sim-1"
    assert metadata["sim_billable_seconds"].value == 12


def test_a_failed_job_says_why_and_the_next_run_tries_again(account: "Account") -> None:
    one_class = labelled_rows().with_columns(is_fraud=pl.lit(value=False))
    account.publish_rows(one_class)
    reason, _ = account.make("sagemaker_training_job")
    assert "failed: AlgorithmError: ValueError: the training rows have only one class" in reason
    assert "/aws/sagemaker/TrainingJobs" in reason
    assert ModelRegistry(account.versions).latest("sim") is None
    account.fake.hold_jobs = True
    account.fake.fail_next["DescribeTrainingJob"] = []
    first = next(iter(account.fake.trainings))
    account.fake.fail_next["CreateTrainingJob"] = [
        RefusedError("ResourceLimitExceeded", f"The account-level limit of {ACCOUNT} is 0.")
    ]
    reason, _ = account.make("sagemaker_training_job")
    assert "raise the quota" in reason
    assert ACCOUNT not in reason
    assert list(account.fake.trainings) == [first]


def test_a_stopped_job_is_no_model(account: "Account", rows: pl.DataFrame) -> None:
    account.publish_rows(rows)
    account.fake.hold_jobs = True

    def stopped_by_somebody() -> None:
        for name, training in account.fake.trainings.items():
            training.status = training.detail = "Stopped"
            assert name.endswith("-1")

    account.fake.on_describe = stopped_by_somebody
    reason, _ = account.make("sagemaker_training_job")
    assert "was stopped by somebody" in reason
    account.fake.on_describe = None


def test_throttling_passes_by_itself(account: "Account") -> None:
    with_model(account)
    slow = RefusedError("ThrottlingException", "Rate exceeded")
    account.fake.fail_next["CreateModelPackage"] = [slow, slow]
    account.must("sagemaker_model_package")
    assert account.fake.counted()["CreateModelPackage"] == 3
    assert len(account.fake.packages) == 1


# Registration


def test_the_package_has_the_verdict_the_metrics_and_the_judged_files(trained: "Account") -> None:
    (package,) = trained.fake.packages.values()
    registry = ModelRegistry(trained.versions)
    (entry,) = registry.list("sim")
    assert entry.status is Status.APPROVED
    assert package["ModelApprovalStatus"] == "Approved"
    assert str(package["ApprovalDescription"]).startswith("gate: ")
    for words in ("ROC AUC", "average precision", "p99 latency"):
        assert words in str(package["ApprovalDescription"])
    model = registry.get("sim", 1)
    metrics = at_url(trained, package, "ModelMetrics", "ModelQuality", "Statistics", "S3Uri")
    assert json.loads(metrics) == model.evaluation
    packed = at_url(trained, package, "InferenceSpecification", "Containers", 0, "ModelDataUrl")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        held = {name: archive.extractfile(name) for name in archive.getnames()}
        assert sorted(held) == sorted(MODEL_FILES)
        for name, file in held.items():
            assert file is not None
            assert file.read() == trained.versions.read_bytes(model.manifest, name)


def test_a_model_is_registered_once_whatever_is_lost(account: "Account") -> None:
    with_model(account)
    assert account.must("sagemaker_model_package")["sim_is_new"].value == 1
    assert account.must("sagemaker_model_package")["sim_is_new"].value == 0
    # A run that was killed before it wrote its record; another model's package comes first.
    account.versions.lake.delete(account.objects("models/sim/sagemaker/package"))
    (package,) = account.fake.packages.values()
    other = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model-package/fraud-sim/0"
    account.fake.packages = {
        other: {**package, "ModelPackageDescription": "another"},
        **account.fake.packages,
    }
    assert account.must("sagemaker_model_package")["sim_is_new"].value == 0
    assert account.fake.counted()["CreateModelPackage"] == 1


@pytest.mark.parametrize(
    ("verdict", "changed_to", "ends_as"),
    [
        (Verdict(Status.PENDING, ("few frauds",)), "Approved", "PendingManualApproval"),
        (REJECTED, "Approved", "Rejected"),
        (APPROVED, "Rejected", "Rejected"),
    ],
)
def test_the_stricter_of_both_registries_stands(
    account: "Account", verdict: Verdict, changed_to: str, ends_as: str
) -> None:
    with_model(account, verdict)
    account.must("sagemaker_model_package")
    (package,) = account.fake.packages.values()
    package["ModelApprovalStatus"] = changed_to
    account.must("sagemaker_model_package")
    assert package["ModelApprovalStatus"] == ends_as


def test_a_new_verdict_reaches_the_package(account: "Account") -> None:
    number = with_model(account, Verdict(Status.PENDING, ("few frauds",)))
    account.must("sagemaker_model_package")
    (package,) = account.fake.packages.values()
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    ModelRegistry(account.versions).register("sim", number, APPROVED, by="an analyst")
    account.must("sagemaker_model_package")
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "an analyst: all is well"


# Batch


def test_a_transform_job_scores_every_row_as_the_model_does(
    trained: "Account", rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.sagemaker.batch_scores.ROWS_PER_CALL", 1_500)
    metadata = trained.must("sagemaker_batch_scores")
    assert metadata[f"{UPLOAD}_rows"].value == 4_000
    (slot,) = trained.versions.slots("sagemaker/scores")
    manifest = trained.versions.latest(slot)
    assert manifest is not None
    table = trained.versions.scan(manifest).collect()
    scores = (
        ModelRegistry(trained.versions)
        .get("sim", 1)
        .score(rows.select("amount_log", "payments_1d", "since_last"))
    )
    expected = pl.DataFrame(
        {
            "transaction_id": rows["transaction_id"],
            "anomaly": scores.anomaly,
            "margin": scores.margin,
            "probability": scores.probability,
        }
    )
    assert table.equals(expected)
    trained.must("sagemaker_batch_scores")
    assert trained.fake.counted()["CreateTransformJob"] == 1


def at_url(account: "Account", value: object, *path: str | int) -> bytes:
    """The object whose S3 address is at a path of a request."""
    for part in path:
        assert isinstance(value, dict | list)
        value = value[part]  # type: ignore[index]  # a path through JSON
    return account.versions.lake.get(str(value).removeprefix(account.versions.lake.url + "/"))
