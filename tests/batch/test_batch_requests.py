"""What AWS is asked for, held against botocore's own model; no server is needed."""

import pytest

from resources.batch.port import SPOT_RULES, JobSpec, RetryRule, is_retried, job_name, tag_value
from resources.batch.submission import SubmitRequest, to_submit_request

FULL = JobSpec(
    name="fraud_rings-0123abcd",
    queue="gpu-spot",
    definition="fraud-gpu:7",
    command=("python", "-m", "resources.batch.entry"),
    environment={"FRAUD_LAKE": "s3://bucket/lake", "FRAUD_BATCH": "off"},
    vcpus=4,
    memory_mib=15_000,
    gpus=1,
    attempts=3,
    retry_rules=SPOT_RULES,
    timeout_seconds=7200,
    tags={"dagster/run_id": "0123abcd"},
)


def test_a_job_with_everything_is_asked_for_so() -> None:
    assert to_submit_request(FULL) == {
        "jobName": "fraud_rings-0123abcd",
        "jobQueue": "gpu-spot",
        "jobDefinition": "fraud-gpu:7",
        "containerOverrides": {
            "command": ["python", "-m", "resources.batch.entry"],
            "environment": [
                {"name": "FRAUD_BATCH", "value": "off"},
                {"name": "FRAUD_LAKE", "value": "s3://bucket/lake"},
            ],
            "resourceRequirements": [
                {"type": "VCPU", "value": "4"},
                {"type": "MEMORY", "value": "15000"},
                {"type": "GPU", "value": "1"},
            ],
        },
        "retryStrategy": {
            "attempts": 3,
            "evaluateOnExit": [
                {"action": "RETRY", "onStatusReason": "Host EC2*"},
                {"action": "EXIT", "onReason": "*"},
            ],
        },
        "timeout": {"attemptDurationSeconds": 7200},
        "tags": {"dagster/run_id": "0123abcd"},
        "propagateTags": True,
    }


def test_what_is_not_given_is_left_to_the_definition() -> None:
    assert to_submit_request(JobSpec("job", "queue", "definition", ["true"])) == {
        "jobName": "job",
        "jobQueue": "queue",
        "jobDefinition": "definition",
        "containerOverrides": {"command": ["true"], "environment": []},
        "retryStrategy": {"attempts": 1},
    }


@pytest.mark.parametrize("spec", [FULL, JobSpec("job", "queue", "definition", ["true"])])
def test_botocore_accepts_the_request(spec: JobSpec) -> None:
    assert _problems(to_submit_request(spec)) == ""


def test_botocore_would_notice_a_field_that_is_none() -> None:
    wrong = {**to_submit_request(FULL), "timeOut": {}}
    assert "timeOut" in _problems(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fraud_rings-0123abcd", "fraud_rings-0123abcd"),
        ("mapped[a/b]", "mapped_a_b_"),
        ("ünïcode", "job-_n_code"),
        ("", "job-"),
        ("x" * 200, "x" * 128),
        ("_" * 200, "job-" + "_" * 124),
    ],
)
def test_names_are_made_acceptable(text: str, name: str) -> None:
    assert job_name(text) == name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fraud_rings", "fraud_rings"),
        ("mapped[a/b]", "mapped_a/b_"),
        ("a b.c:d=e+f-g@h", "a b.c:d=e+f-g@h"),
        ("one\ntwo\tthree*", "one_two_three_"),
        ("x" * 300, "x" * 256),
    ],
)
def test_tags_are_made_acceptable(text: str, value: str) -> None:
    assert tag_value(text) == value


def test_every_mistake_of_a_job_is_named() -> None:
    with pytest.raises(ValueError, match="job 'a b'") as caught:
        JobSpec("a b", "q", "d", [], vcpus=0, attempts=11, timeout_seconds=59)
    told = str(caught.value)
    for part in ("name", "command", "1 to 10, not 11", "60 seconds, not 59", "vcpus"):
        assert part in told


@pytest.mark.parametrize(
    ("reason", "code", "again"),
    [
        ("Host EC2 (instance i-0123) terminated.", 137, True),
        ("Essential container in task exited", 1, False),
        ("Essential container in task exited", 137, False),
        ("", None, False),
    ],
)
def test_only_a_machine_taken_away_is_worth_another_start(
    *, reason: str, code: int | None, again: bool
) -> None:
    assert is_retried(SPOT_RULES, reason, code) is again


def test_without_a_rule_that_matches_a_job_is_repeated() -> None:
    assert is_retried((), "any", 1)
    assert is_retried((RetryRule("EXIT", on_exit_code="3"),), "any", 33)
    assert not is_retried((RetryRule("EXIT", on_exit_code="3*"),), "any", 33)
    both = RetryRule("EXIT", on_status_reason="Host*", on_exit_code="3")
    assert is_retried((both,), "Task", 3)


def _problems(request: SubmitRequest) -> str:
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("batch")
    shape = model.operation_model("SubmitJob").input_shape
    report: str = ParamValidator().validate(request, shape).generate_report()
    return report
