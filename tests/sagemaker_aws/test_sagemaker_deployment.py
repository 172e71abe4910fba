"""Endpoints: what may serve, how traffic moves, and the way back from every failure."""

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fraud_assets.sagemaker_serving import endpoint_slot
from resources.registry import ModelRegistry
from tests.sagemaker_aws.conftest import REJECTED, with_model
from tests.sagemaker_aws.fake_serving import ACCOUNT

if TYPE_CHECKING:
    from tests.sagemaker_aws.conftest import Account


@pytest.fixture
def deployed(account: "Account") -> "Account":
    """An account whose first model serves."""
    with_model(account)
    account.must("sagemaker_model_package")
    account.must("sagemaker_endpoint")
    account.fake.calls.clear()
    return account


@pytest.fixture
def challenged(deployed: "Account") -> "Account":
    """An account whose first model serves, and that has a second one, approved and registered."""
    assert with_model(deployed, seed=2) == 2
    deployed.must("sagemaker_model_package")
    deployed.fake.calls.clear()
    return deployed


def served_config(account: "Account") -> str:
    return account.fake.endpoints["fraud-sim"].config


def test_a_proven_model_serves_and_answers_as_the_model_does(
    trained: "Account", rows: pl.DataFrame
) -> None:
    metadata = trained.must("sagemaker_endpoint")
    assert trained.fake.counted()["CreateEndpoint"] == 2
    assert list(trained.fake.endpoints) == ["fraud-sim"]
    assert metadata["sim_endpoint"].value == "fraud-sim"
    assert metadata["sim_deviation"].value == 0.0
    test = rows.filter(pl.col("window") == "test").head(3)
    asked = test.select("transaction_id", "amount_log", "payments_1d", "since_last").to_dicts()
    answer = trained.sagemaker.api.invoke(
        "fraud-sim", json.dumps({"instances": asked}).encode(), "application/json", "*/*"
    )
    scores = (
        ModelRegistry(trained.versions)
        .get("sim", 1)
        .score(test.select("amount_log", "payments_1d", "since_last"))
    )
    assert json.loads(answer)["predictions"] == [
        {
            "transaction_id": test["transaction_id"][row],
            "anomaly": float(scores.anomaly[row]),
            "margin": float(scores.margin[row]),
            "probability": float(scores.probability[row]),
        }
        for row in range(3)
    ]
    again = trained.must("sagemaker_endpoint")
    assert again["sim_is_new"].value == 0
    assert trained.fake.counted()["CreateEndpoint"] == 2


def test_a_rejected_model_is_refused_before_any_call(account: "Account") -> None:
    with_model(account, REJECTED)
    account.must("sagemaker_model_package")
    # Behind our back.
    (package,) = account.fake.packages.values()
    package["ModelApprovalStatus"] = "Approved"
    account.fake.calls.clear()
    account.fake.looks = 0
    reason, _ = account.make("sagemaker_endpoint", feeds=["sim"], version=1)
    assert reason == (
        "sim/1 is not deployed: the gate says Rejected: average precision 0.1 < 0.5: Rejected"
    )
    assert account.fake.calls == []
    assert account.fake.looks == 0
    reason, _ = account.make("sagemaker_endpoint")
    assert reason == "No feed has an approved model; train one first."


def test_a_package_that_was_rejected_in_sagemaker_is_refused(account: "Account") -> None:
    with_model(account)
    account.must("sagemaker_model_package")
    (package,) = account.fake.packages.values()
    package["ModelApprovalStatus"] = "Rejected"
    account.fake.calls.clear()
    reason, _ = account.make("sagemaker_endpoint")
    assert "its package is Rejected in SageMaker" in reason
    assert account.fake.calls == []


def test_an_archive_that_was_exchanged_is_refused(account: "Account") -> None:
    with_model(account)
    account.must("sagemaker_model_package")
    (archive,) = (key for key in account.objects("models/sim") if key.endswith("model.tar.gz"))
    size = len(account.versions.lake.get(archive))
    account.versions.lake.put(archive, b"\0" * size)
    account.fake.calls.clear()
    reason, _ = account.make("sagemaker_endpoint")
    assert "its files are not those that were judged" in reason
    assert account.fake.calls == []


def test_the_next_model_takes_over_and_the_former_can_come_back(challenged: "Account") -> None:
    former = served_config(challenged)
    metadata = challenged.must("sagemaker_endpoint")
    assert metadata["sim_model"].value == "sim/2"
    assert metadata["sim_previous_config"].value == former
    assert challenged.fake.calls == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "DeleteEndpoint",
        "UpdateEndpoint",
    ]
    assert served_config(challenged) == metadata["sim_config"].value != former
    back = challenged.must("sagemaker_endpoint", feeds=["sim"], version=1)
    assert back["sim_config"].value == served_config(challenged) == former
    (record,) = (
        key
        for key in challenged.objects("models/sim/sagemaker/endpoint/manifest")
        if key.endswith("/3.json")
    )
    manifest = challenged.versions.latest(endpoint_slot("sim"))
    assert manifest is not None
    assert record.endswith(f"{manifest.number}.json")
    stored = json.loads(challenged.versions.read_bytes(manifest, "endpoint.json"))
    assert stored["model_version"] == 1


def test_a_model_that_does_not_come_up_never_touches_what_serves(challenged: "Account") -> None:
    former = served_config(challenged)
    challenged.fake.broken_configs = {"fraud-sim-v2"}
    reason, _ = challenged.make("sagemaker_endpoint")
    assert "sim/2 did not come up on fraud-sim-probe" in reason
    assert "did not pass the ping health check" in reason
    assert ACCOUNT not in reason
    assert "UpdateEndpoint" not in challenged.fake.calls
    assert served_config(challenged) == former
    assert list(challenged.fake.endpoints) == ["fraud-sim"]
    assert list(challenged.fake.configs) == [former]
    assert list(challenged.fake.models) == [former]


def test_a_model_that_scores_otherwise_gets_no_traffic(challenged: "Account") -> None:
    former = served_config(challenged)
    challenged.fake.wrong_on = {"fraud-sim-probe"}
    reason, _ = challenged.make("sagemaker_endpoint")
    assert "the endpoint fraud-sim-probe scores otherwise than the model" in reason
    assert "UpdateEndpoint" not in challenged.fake.calls
    assert list(challenged.fake.configs) == [former]
    assert list(challenged.fake.endpoints) == ["fraud-sim"]


def test_an_update_that_fails_leaves_the_former_model(challenged: "Account") -> None:
    former = served_config(challenged)
    challenged.fake.broken_on = {"fraud-sim"}
    reason, _ = challenged.make("sagemaker_endpoint")
    assert "sim/2 did not take over" in reason
    assert f"{former} serves on" in reason
    assert served_config(challenged) == former
    assert list(challenged.fake.configs) == [former]


def test_a_model_that_fails_after_the_move_is_taken_back(challenged: "Account") -> None:
    former = served_config(challenged)
    challenged.fake.wrong_on = {"fraud-sim"}
    reason, _ = challenged.make("sagemaker_endpoint")
    assert "the endpoint fraud-sim scores otherwise than the model" in reason
    assert reason.endswith(f"{former} serves again")
    assert challenged.fake.calls.count("UpdateEndpoint") == 2
    assert served_config(challenged) == former
    assert list(challenged.fake.configs) == [former]


def test_a_first_endpoint_that_fails_is_removed(account: "Account") -> None:
    with_model(account)
    account.must("sagemaker_model_package")
    account.fake.broken_on = {"fraud-sim"}
    reason, _ = account.make("sagemaker_endpoint")
    assert "it was removed, and nothing serves" in reason
    assert account.fake.endpoints == {}
    assert account.fake.configs == {}
    assert account.fake.models == {}


@pytest.mark.parametrize("status", ["Failed", "InService", "Creating", "Deleting"])
def test_what_a_killed_run_left_is_removed_first(challenged: "Account", status: str) -> None:
    former = served_config(challenged)
    left = type(challenged.fake.endpoints["fraud-sim"])(former, None, status)
    challenged.fake.endpoints["fraud-sim-probe"] = left
    challenged.must("sagemaker_endpoint")
    assert list(challenged.fake.endpoints) == ["fraud-sim"]
    assert served_config(challenged) != former


def killed_before_it_was_recorded(account: "Account") -> None:
    """The traffic has moved to the second model, and the lake does not know."""
    account.must("sagemaker_endpoint")
    (record,) = (
        key
        for key in account.objects("models/sim/sagemaker/endpoint/manifest")
        if key.endswith("/2.json")
    )
    account.versions.lake.delete([record])
    account.fake.calls.clear()


def test_a_move_that_was_killed_is_taken_back_if_it_proves_wrong(challenged: "Account") -> None:
    former = served_config(challenged)
    killed_before_it_was_recorded(challenged)
    assert served_config(challenged) != former
    challenged.fake.wrong_on = {"fraud-sim"}
    reason, _ = challenged.make("sagemaker_endpoint")
    assert "the endpoint fraud-sim scores otherwise than the model" in reason
    assert reason.endswith(f"{former} serves again")
    assert served_config(challenged) == former


def test_a_move_that_was_killed_is_recorded_if_it_proves_right(challenged: "Account") -> None:
    killed_before_it_was_recorded(challenged)
    metadata = challenged.must("sagemaker_endpoint")
    assert challenged.fake.calls == []
    assert metadata["sim_config"].value == served_config(challenged)


def test_what_serves_and_turns_wrong_is_told(deployed: "Account") -> None:
    deployed.fake.wrong_on = {"fraud-sim"}
    reason, _ = deployed.make("sagemaker_endpoint")
    assert reason.endswith("it serves on: choose another version")
    assert deployed.fake.calls == []
