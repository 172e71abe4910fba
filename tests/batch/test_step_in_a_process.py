"""Steps that run in real processes through the launcher, and every way in which that goes wrong."""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg
import pytest

from resources.batch.aws import AwsBatch
from resources.batch.launcher import BatchStepLauncher, StepJob
from resources.batch.local import LocalBatch
from resources.batch.mail import Chunk
from resources.batch.payload import CodeLocation
from resources.batch.port import (
    BatchError,
    BatchUnavailableError,
    JobSpec,
    JobStatus,
    LogPage,
    RetryRule,
)
from resources.batch.watch import Patience
from resources.lake import Lake
from tests.batch.batch_helpers import BUCKET, DEFINITION, QUEUE, REGION, ended, lives, until
from tests.batch.batch_location import LOCATION, build

ENTRY = ("python", str(Path(__file__).with_name("batch_entry.py")))
QUICK = Patience(queue=60, outage=5, ending=60, shortest_pause=0.05, longest_pause=0.2)
Run = dg.ExecuteInProcessResult


class Recorder:
    """A Batch that keeps what was submitted, and may spoil it or be out of order."""

    def __init__(self, local: LocalBatch, spoil: Callable[[JobSpec], None] | None = None) -> None:
        self.local = local
        self.jobs: list[str] = []
        self.specs: list[JobSpec] = []
        self.on_describe: Callable[[], bool] = lambda: True
        self.on_log: Callable[[], None] = lambda: None
        self.on_terminate: Callable[[], None] = lambda: None
        self._spoil = spoil

    def submit(self, spec: JobSpec) -> str:
        if self._spoil is not None:
            self._spoil(spec)
        self.specs.append(spec)
        self.jobs.append(self.local.submit(spec))
        return self.jobs[-1]

    def describe(self, job_ids: Collection[str]) -> Mapping[str, JobStatus]:
        return self.local.describe(job_ids) if self.on_describe() else {}

    def terminate(self, job_id: str, reason: str) -> None:
        self.on_terminate()
        self.local.terminate(job_id, reason)

    def log_page(self, stream: str, token: str | None = None) -> LogPage:
        self.on_log()
        return self.local.log_page(stream, token)

    def console_url(self, job_id: str) -> str | None:
        return self.local.console_url(job_id)


@dataclass
class World:
    """A lake, a Batch and an instance, with one launcher's settings to be varied."""

    lake: Lake
    batch: Recorder
    instance: dg.DagsterInstance
    log: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] = ENTRY
    rules: tuple[RetryRule, ...] = StepJob.retry_rules
    vcpus: int | None = None
    timeout_seconds: int = 7200
    cpu_job: StepJob | None = None
    limit: int = 1
    patience: Patience = QUICK
    location: CodeLocation = LOCATION
    feeds_dir: Path | None = None
    rules_dir: Path | None = None
    on_line: Callable[[str], None] = lambda _: None

    def run(self, job: str, partition: str | None = None) -> Run:
        launcher = BatchStepLauncher(
            self.batch,
            self.lake,
            StepJob(
                queue="arn:aws:batch:eu-west-1:123456789012:job-queue/gpu",
                definition="fraud:1",
                environment={
                    "FRAUD_LAKE": self.lake.url,
                    "FRAUD_BATCH": "off",
                    **self.environment,
                },
                command=self.command,
                vcpus=self.vcpus,
                retry_rules=self.rules,
                timeout_seconds=self.timeout_seconds,
            ),
            rows=lambda _asset, _partition: 1,
            limit=self.limit,
            cpu_job=self.cpu_job,
            location=self.location,
            feeds_dir=self.feeds_dir,
            rules_dir=self.rules_dir,
            patience=self.patience,
            say=self._say,
        )
        definitions = build(self.lake, launcher)
        return definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False
        )

    def _say(self, line: str) -> None:
        self.log.append(line)
        self.on_line(line)


@pytest.fixture
def world(local_batch: LocalBatch, tmp_path: Path) -> World:
    lake = Lake.open(str(tmp_path / "lake"))
    return World(lake, Recorder(local_batch), dg.DagsterInstance.ephemeral())


def materializations(world: World, asset: str) -> list[dg.AssetMaterialization]:
    records = world.instance.fetch_materializations(dg.AssetKey(asset), limit=50).records
    return [made for record in records if (made := record.asset_materialization) is not None]


def plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, object]:
    return {name: value.value for name, value in metadata.items()}


def engine_events(run: Run, step: str) -> list[tuple[str, dict[str, object]]]:
    return [
        (event.message or "", plain(event.engine_event_data.metadata))
        for event in run.all_events
        if event.event_type is dg.DagsterEventType.ENGINE_EVENT and event.step_key == step
    ]


def failure(run: Run) -> str:
    (event,) = [e for e in run.all_events if e.is_step_failure]
    data = event.step_failure_data
    error = data.error
    assert error is not None
    parts = [error.message, "" if error.cause is None else error.cause.message]
    return " ".join([*parts, (data.user_failure_data and data.user_failure_data.description) or ""])


def test_a_step_gives_on_batch_what_it_gives_in_process(world: World) -> None:
    remote = world.run("numbers_job")
    assert remote.success
    (there,) = materializations(world, "doubled")
    events = engine_events(remote, "doubled")
    checks = remote.get_asset_check_evaluations()
    job_id = world.batch.jobs[0]

    world.limit = 2
    assert world.run("numbers_job").success
    here = materializations(world, "doubled")[0]

    told, told_here = plain(there.metadata), plain(here.metadata)
    assert told["placement"] == "batch"
    assert told["placement_reason"] == "1 input rows reach the limit of 1"
    assert told_here["placement"] == "in process"
    assert told_here["placement_reason"] == "1 input rows are below the limit of 2"
    assert (told["batch_job_id"], told["batch_attempt"]) == (job_id, 1)
    shared = ("table", "sum", "try", "knows_its_input")
    assert [told[name] for name in shared] == ["|a|\n|-|\n|2|", 12, 0, True]
    assert [told[name] for name in shared] == [told_here[name] for name in shared]

    assert [(c.check_name, c.passed, plain(c.metadata)) for c in checks] == [
        ("positive", True, {"least": 2})
    ]
    assert events[0][0] == "Runs batch: 1 input rows reach the limit of 1."
    last, shown = events[-1]
    assert f"Batch job {job_id}" in last
    assert shown["batch_job_id"] == job_id
    assert shown["batch_queue"] == "arn:aws:batch:eu-west-1:<account>:job-queue/gpu"
    assert any("doubling" in line for line in world.log)
    assert len(world.lake.list("made")) == 2
    assert world.lake.list("steps") == []


def test_data_versions_of_a_partition_are_those_of_a_run_in_process(world: World) -> None:
    world.instance.add_dynamic_partitions("parts", ["a", "b"])
    job = build(world.lake, dg.ResourceDefinition.none_resource()).resolve_job_def("parts_job")

    def run_here(asset: str, key: str) -> None:
        only = [dg.AssetKey(asset)]
        assert job.execute_in_process(
            instance=world.instance, partition_key=key, asset_selection=only
        ).success

    run_here("pieces", "b")
    assert world.run("parts_job", "a").success
    run_here("parted", "a")
    local, remote = materializations(world, "parted")
    assert plain(remote.metadata)["key"] == "a"
    assert remote.tags is not None
    assert local.tags is not None
    names = [name for name in local.tags if "version" in name or "pointer" in name]
    assert "dagster/input_data_version/pieces" in names
    assert "dagster/input_event_pointer/pieces" in names
    assert {n: remote.tags[n] for n in names} == {n: local.tags[n] for n in names}
    assert "INITIAL" not in remote.tags.values()


def test_deaths_and_errors_are_retried_by_the_policy_of_the_asset(world: World) -> None:
    world.environment |= {"DIE_ON_TRY": "0", "RAISE_ON_TRY": "1"}
    run = world.run("numbers_job")
    assert run.success
    died, raised = [str(e.event_specific_data) for e in run.all_events if e.is_step_up_for_retry]
    assert "exit code 137 (killed; mostly for want of memory" in died
    assert "no luck" in raised
    (made,) = materializations(world, "doubled")
    assert plain(made.metadata)["try"] == 2
    assert len(world.batch.jobs) == 3


def test_when_the_policy_is_used_up_the_reason_is_told(world: World) -> None:
    world.command = ("python", "-S", "-c", "raise SystemExit(7)")
    run = world.run("numbers_job")
    assert len(world.batch.jobs) == 3
    told = failure(run)
    assert "Exceeded max_retries of 2" in told
    assert "its container had not reported the step's end" in told
    assert "exit code 7" in told
    assert materializations(world, "doubled") == []


def test_without_a_policy_a_silent_death_fails_the_step(world: World) -> None:
    world.command = ("python", "-S", "-c", "pass")
    told = failure(world.run("fragile_job"))
    assert len(world.batch.jobs) == 1
    assert "ended SUCCEEDED after 1 attempt(s) and its container had not reported" in told


def test_without_a_policy_deaths_are_made_up_for_as_often_as_the_settings_say(
    world: World,
) -> None:
    world.patience = replace(QUICK, deaths=1)
    world.command = ("python", "-S", "-c", "pass")
    told = failure(world.run("fragile_job"))
    assert len(world.batch.jobs) == 2
    assert "Exceeded max_retries of 1" in told


def test_a_machine_taken_away_in_mid_step_costs_time_and_nothing_else(world: World) -> None:
    world.environment["AFTER_RESULTS"] = "wait"

    def reclaim(line: str) -> None:
        if line == "ready":
            # Let the first attempt's results arrive, so that they could be doubled.
            folder = f"steps/{world.lake.folders('steps')[0]}/doubled/0/events"
            until(lambda: bool(world.lake.list(folder)))
            threading.Timer(0.8, world.batch.local.reclaim, [world.batch.jobs[0]]).start()

    world.on_line = reclaim
    run = world.run("numbers_job")
    assert run.success
    (made,) = materializations(world, "doubled")
    assert plain(made.metadata)["batch_attempt"] == 2
    assert len(world.lake.list("made")) == 2
    assert len(run.get_asset_check_evaluations()) == 1
    status = ended(world.batch.local, world.batch.jobs[0])
    assert [a.reason for a in status.attempts][:1] == ["Host EC2 (instance i-0local) terminated."]
    starts = [e for e in run.all_events if e.is_step_start and e.step_key == "doubled"]
    assert len(starts) == 1


def test_a_container_killed_after_its_last_word_is_not_run_twice(world: World) -> None:
    world.environment["KILL_AFTER_ATTEMPT"] = "1"
    world.rules = (RetryRule("RETRY", on_exit_code="137"), RetryRule("EXIT", on_reason="*"))
    run = world.run("numbers_job")
    assert run.success
    status = ended(world.batch.local, world.batch.jobs[0])
    assert [attempt.exit_code for attempt in status.attempts] == [137, 0]
    assert status.status == "SUCCEEDED"
    assert len(materializations(world, "doubled")) == 1
    assert len(world.lake.list("made")) == 1
    assert "an earlier attempt of this job has ended the step; nothing is left" in world.log


def test_a_job_that_finds_no_machine_is_ended(world: World) -> None:
    world.vcpus = 3
    world.patience = replace(QUICK, queue=0.3)
    told = failure(world.run("fragile_job"))
    assert "still RUNNABLE (MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT)" in told
    assert "raise FRAUD_BATCH_QUEUE_MINUTES" in told
    assert "123456789012" not in told
    assert ended(world.batch.local, world.batch.jobs[0]).status == "FAILED"


def test_a_terminated_run_ends_its_job(world: World) -> None:
    world.environment["FRAGILE"] = "wait"

    def interrupt(line: str) -> None:
        if line == "ready":
            threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()

    world.on_line = interrupt
    assert "DagsterExecutionInterruptedError" in failure(world.run("fragile_job"))
    status = ended(world.batch.local, world.batch.jobs[0])
    assert (status.status, status.reason) == ("FAILED", "the Dagster run was terminated")
    assert not lives(int(world.lake.get("pid.txt")))


def test_a_job_that_is_ended_lets_go_of_its_leases(world: World) -> None:
    world.environment["FRAGILE"] = "hold"
    world.batch = Recorder(LocalBatch(grace_seconds=20))

    def end(line: str) -> None:
        if line == "ready":
            world.batch.local.terminate(world.batch.jobs[0], "no longer wanted")

    world.on_line = end
    assert "no longer wanted" in failure(world.run("fragile_job"))
    status = ended(world.batch.local, world.batch.jobs[0])
    assert status.exit_code == 143
    assert [found.key for found in world.lake.list("leases") if "released" in found.key] == [
        "leases/held/1.released"
    ]
    # What ended is the container; of a step that is to be run again elsewhere nothing is told.
    sent = [found.key for found in world.lake.list("steps") if "/events/" in found.key]
    assert sent
    assert not any(Chunk.model_validate_json(world.lake.get(key)).terminal for key in sent)


def test_a_job_that_somebody_ended_is_not_tried_again(world: World) -> None:
    world.environment["AFTER_RESULTS"] = "wait"

    def end(line: str) -> None:
        if line == "ready":
            world.batch.local.terminate(world.batch.jobs[0], "too dear, account 123456789012")

    world.on_line = end
    run = world.run("numbers_job")
    told = failure(run)
    assert "too dear, account <account>; somebody ended it, so it is not tried again" in told
    assert len(world.batch.jobs) == 1
    assert materializations(world, "doubled") == []


def test_an_attempt_that_took_too_long_is_not_paid_for_again(world: World) -> None:
    world.timeout_seconds = 60
    world.command = ("python", "-S", "-c", "import time; time.sleep(60)")
    told = failure(world.run("numbers_job"))
    assert "Job attempt duration exceeded timeout; so it is not tried again" in told
    assert "raise FRAUD_BATCH_ATTEMPT_MINUTES" in told
    assert len(world.batch.jobs) == 1


def test_a_job_that_a_lost_answer_left_behind_does_no_work(world: World) -> None:
    lost: list[str] = []
    local = world.batch.local
    world.batch = Recorder(local, lambda spec: lost.append(local.submit(spec)))
    assert world.run("numbers_job").success
    status = ended(local, lost[0])
    assert status.exit_code == 0
    assert status.log_stream is not None
    (said,) = local.log_page(status.log_stream).lines
    assert said == f"the host follows {world.batch.jobs[0]} and not this job; nothing is done"
    assert len(world.lake.list("made")) == 1
    (made,) = materializations(world, "doubled")
    assert plain(made.metadata)["batch_job_id"] == world.batch.jobs[0]


@pytest.mark.parametrize(
    ("settings", "command", "told"),
    [
        ({"FRAUD_SEED": "-1"}, ENTRY, "exit code 3 (refused before it could report"),
        ({}, (*ENTRY, "--no-such-option"), "exit code 2 (the image's entry knows no such command"),
    ],
)
def test_what_a_container_cannot_even_read_is_not_tried_again(
    world: World, settings: dict[str, str], command: Sequence[str], told: str
) -> None:
    world.environment |= settings
    world.command = command
    assert told in failure(world.run("numbers_job"))
    assert len(world.batch.jobs) == 1


def test_host_and_image_must_have_the_same_feeds_and_rules(world: World, tmp_path: Path) -> None:
    world.feeds_dir, world.rules_dir = tmp_path / "feeds", tmp_path / "rules"
    for folder in (world.feeds_dir, world.rules_dir):
        folder.mkdir()
        (folder / "card.yaml").write_text("name: card")
    told = failure(world.run("numbers_job"))
    assert "the digest of the feeds in FRAUD_FEEDS_DIR is " in told
    assert "the digest of the rules in FRAUD_RULES_DIR is " in told
    assert "and none in the image" in told
    assert len(world.batch.jobs) == 1

    world.environment["FRAUD_FEEDS_DIR"] = str(world.feeds_dir)
    world.environment["FRAUD_RULES_DIR"] = str(world.rules_dir)
    assert world.run("numbers_job").success


def test_a_changed_payload_is_refused(world: World) -> None:
    def spoil(spec: JobSpec) -> None:
        key = f"{spec.command[spec.command.index('--folder') + 1]}/step.json"
        world.lake.put(key, world.lake.get(key).replace(b"doubled", b"fragile"))

    world.batch = Recorder(world.batch.local, spoil)
    run = world.run("numbers_job")
    assert "the step's payload was changed after it was submitted" in failure(run)
    assert materializations(world, "doubled") == []
    assert len(world.batch.jobs) == 1


def test_host_and_image_must_have_the_same_code(world: World) -> None:
    world.environment["OLD_IMAGE"] = "yes"
    run = world.run("numbers_job")
    told = failure(run)
    assert "host and image have different code: the code's digest is" in told
    assert "build the image from the host's code" in told
    assert not [e for e in run.all_events if e.is_step_up_for_retry]


def test_a_step_of_another_module_is_refused(world: World) -> None:
    world.location = replace(LOCATION, module="os")
    told = failure(world.run("fragile_job"))
    assert "the step belongs to os:defs; this image runs tests.batch.batch_location:defs" in told


def test_a_service_that_is_out_for_a_while_fails_no_step(world: World) -> None:
    calls = itertools.count(1)

    def out_mostly() -> bool:
        if next(calls) % 3:
            raise BatchUnavailableError("slow down")
        return True

    world.batch.on_describe = out_mostly
    world.command = ("python", "-S", "-c", "raise SystemExit(7)")
    assert "exit code 7" in failure(world.run("fragile_job"))
    assert next(calls) > 3


def test_a_service_that_stays_out_fails_the_step_in_the_end(world: World) -> None:
    def out() -> bool:
        raise BatchUnavailableError("slow down")

    world.batch.on_describe = out
    world.command = ("python", "-S", "-c", "import time; time.sleep(60)")
    world.patience = replace(QUICK, outage=0.3)
    assert "slow down" in failure(world.run("fragile_job"))
    # Blind, the host still ends what it started.
    status = ended(world.batch.local, world.batch.jobs[0])
    assert (status.status, status.reason) == ("FAILED", "the Dagster run gave the step up")


def test_a_job_that_cannot_be_ended_does_no_work_once_it_starts(world: World) -> None:
    def out() -> bool:
        raise BatchUnavailableError("slow down")

    def not_ended() -> None:
        raise BatchUnavailableError("slow down")

    world.batch.on_describe = out
    world.batch.on_terminate = not_ended
    world.command = ("python", "-S", "-c", "import time; time.sleep(60)")
    world.patience = replace(QUICK, outage=0.3)
    assert "slow down" in failure(world.run("fragile_job"))
    (named,) = [found.key for found in world.lake.list("steps") if found.key.endswith("/job.txt")]
    assert world.lake.get(named) == b"nobody"
    world.batch.local.terminate(world.batch.jobs[0], "the test is over")


def test_each_step_goes_to_the_queue_of_what_it_computes_on(world: World) -> None:
    world.command = ("python", "-S", "-c", "raise SystemExit(2)")
    cpu = StepJob("cpu-queue", "fraud-cpu:1", {"FRAUD_ENGINE": "cpu"}, world.command)
    for world.cpu_job in (cpu, None):
        for job in ("fragile_job", "numbers_job"):
            assert "exit code 2" in failure(world.run(job))
    gpu = "arn:aws:batch:eu-west-1:123456789012:job-queue/gpu"
    asked = [(spec.queue, spec.definition) for spec in world.batch.specs]
    assert asked == [("cpu-queue", "fraud-cpu:1"), *[(gpu, "fraud:1")] * 3]
    assert world.batch.specs[0].environment == {"FRAUD_ENGINE": "cpu"}


def test_a_throttle_at_submission_fails_no_step(world: World) -> None:
    calls = itertools.count(1)

    def throttled(_: JobSpec) -> None:
        if next(calls) < 4:
            raise BatchUnavailableError("slow down")

    world.batch = Recorder(world.batch.local, throttled)
    world.command = ("python", "-S", "-c", "raise SystemExit(7)")
    assert "exit code 7" in failure(world.run("fragile_job"))
    assert len(world.batch.jobs) == 1


def test_a_service_that_takes_no_job_for_long_fails_the_step(world: World) -> None:
    def throttled(_: JobSpec) -> None:
        raise BatchUnavailableError("slow down")

    world.batch = Recorder(world.batch.local, throttled)
    world.patience = replace(QUICK, outage=0.3)
    assert "slow down" in failure(world.run("fragile_job"))


def test_a_job_that_batch_does_not_know_is_given_up(world: World) -> None:
    world.batch.on_describe = lambda: False
    world.command = ("python", "-S", "-c", "pass")
    world.patience = replace(QUICK, outage=0.3)
    assert "Batch knows no job" in failure(world.run("fragile_job"))


def test_a_log_that_cannot_be_read_fails_no_step(world: World) -> None:
    def denied() -> None:
        raise BatchError("AccessDenied")

    world.batch.on_log = denied
    world.command = ("python", "-S", "-c", "print('unseen'); raise SystemExit(7)")
    assert "exit code 7" in failure(world.run("fragile_job"))
    assert world.log == ["the job's log is not shown here: AccessDenied"]


def test_host_and_container_meet_in_s3(world: World, aws_batch: AwsBatch) -> None:
    endpoint = aws_batch.endpoint
    assert endpoint is not None
    world.lake = Lake.open(f"s3://{BUCKET}/a/b", endpoint=endpoint, allow_http=True, region=REGION)
    world.environment = {
        "FRAUD_S3_ENDPOINT": endpoint,
        "FRAUD_S3_ALLOW_HTTP": "true",
        "FRAUD_S3_REGION": REGION,
    }
    launched = BatchStepLauncher(
        aws_batch,
        world.lake,
        StepJob(QUEUE, DEFINITION, {"FRAUD_LAKE": world.lake.url, **world.environment}, ENTRY),
        rows=lambda _asset, _partition: None,
        limit=1,
        location=LOCATION,
        patience=QUICK,
        say=world.log.append,
    )
    job = build(world.lake, launched).resolve_job_def("numbers_job")
    run = job.execute_in_process(instance=world.instance, raise_on_error=False)
    assert run.success
    (made,) = materializations(world, "doubled")
    assert plain(made.metadata)["sum"] == 12
    shown = engine_events(run, "doubled")[-1][1]
    assert str(shown["batch_console"]).startswith("https://eu-west-1.console.aws.amazon.com/")
    assert shown["batch_image"] == "fraud:1"
    assert any("doubling" in line for line in world.log)
