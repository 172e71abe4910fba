"""The container's side, where no step has to run for it."""

import json
import os
import threading
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import dagster as dg
import polars as pl
import pytest

from gpu_ops.engine import Engine
from gpu_ops.gpu_driver import Gpu, GpuDriver
from resources.batch import entry
from resources.batch.delivery import Delivery
from resources.batch.mail import (
    Address,
    Chunk,
    MailError,
    MailReader,
    MailWriter,
    followed_job,
    has_ended_before,
)
from resources.batch.payload import (
    PROJECT,
    Fingerprint,
    RefusedError,
    StepPayload,
    code_files,
    digest,
)
from resources.lake import Lake, LakeUnavailableError
from tests.batch.batch_location import LOCATION

if TYPE_CHECKING:
    from resources.batch.dagster_internals import StepContext

IMAGE = Fingerprint.of(LOCATION, None)
ADDRESS = Address("steps/run/step/0", "job")
STEP_SKIPPED = dg.DagsterEventType.STEP_SKIPPED
RUN_SUCCESS = dg.DagsterEventType.RUN_SUCCESS


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("FRAUD_", "AWS_BATCH")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FRAUD_LAKE", str(tmp_path / "lake"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


def payload(**changes: str) -> bytes:
    host: dict[str, str] = {
        name: changes[name]
        for name in ("package", "dagster", "python", "code", "feeds")
        if name in changes
    }
    made = StepPayload(
        module=changes.get("module", LOCATION.module),
        attribute="defs",
        host=IMAGE.model_copy(update=host),
        step="{}",
        metadata={"placement": "batch"},
    )
    return made.encoded()


def message(
    text: str,
    run_id: str = "run",
    step: str | None = "step",
    event: dg.DagsterEvent | None = None,
) -> dg.EventLogEntry:
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=20,
        user_message=text,
        run_id=run_id,
        timestamp=1.0,
        step_key=step,
        job_name="job",
        dagster_event=event,
    )


def test_preflight_tells_what_is_there(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--preflight"], LOCATION) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["problems"] == []
    assert told["lake"] == lake.url
    assert told["versions"]["dagster"] == dg.__version__
    assert told["memory_mib"] > 100
    assert lake.list("") == []


def test_preflight_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "lake").write_text("a file, no folder")
    monkeypatch.setenv("FRAUD_ENGINE", "gpu")
    monkeypatch.setattr("resources.batch.preflight.find_driver", lambda: None)
    _install(monkeypatch, "xgboost-cpu", "pylibcugraph-cu12")
    broken = replace(LOCATION, attribute="no_such_thing")
    assert entry.main(["--preflight"], broken) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    libraries, driver, code, lake = told["problems"]
    assert "cudf-polars-cu12, nvforest-cu12, xgboost is not installed" in libraries
    assert "the NVIDIA driver reports no GPU" in driver
    assert "tests.batch.batch_location does not load: " in code
    assert "no_such_thing" in code
    assert "in the lake" in lake


GPU = Gpu("NVIDIA L4", 24 * 1024**3, (8, 9))
LIBRARIES = ("cudf-polars-cu12", "pylibcugraph-cu12", "nvforest-cu12", "xgboost")


def test_preflight_refuses_a_driver_that_is_too_old(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAUD_ENGINE", "gpu")
    monkeypatch.setattr("resources.batch.preflight.find_driver", lambda: GpuDriver((11, 8), (GPU,)))
    _install(monkeypatch, *LIBRARIES)
    assert entry.main(["--preflight"], LOCATION) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "the NVIDIA driver speaks CUDA 11.8" in problem


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([3.0, 4.0], None),
        ([3.0, 5.0], "a plan gave [3.0, 5.0] on the GPU"),
        (OSError("no libcudf"), "a plan does not run on the GPU: OSError: no libcudf"),
    ],
)
def test_preflight_runs_a_plan_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[float] | OSError,
    problem: str | None,
) -> None:
    def collect(engine: Engine, _plan: pl.LazyFrame) -> pl.DataFrame:
        assert engine.name == "gpu"
        if isinstance(given, OSError):
            raise given
        return pl.DataFrame({"amount": given})

    monkeypatch.setenv("FRAUD_ENGINE", "gpu")
    monkeypatch.setattr("resources.batch.preflight.find_driver", lambda: GpuDriver((12, 4), (GPU,)))
    monkeypatch.setattr(Engine, "collect", collect)
    _install(monkeypatch, *LIBRARIES)
    assert entry.main(["--preflight"], LOCATION) == (0 if problem is None else 1)
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem in told for told in problems] == [True] if problem else problems == []


def test_preflight_wants_the_library_that_trains_forests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAUD_ENGINE", "gpu")
    monkeypatch.setenv("FRAUD_FOREST_TRAINER", "cuml")
    _install(monkeypatch, *LIBRARIES)
    assert entry.main(["--preflight"], LOCATION) == 1
    assert "cuml-cu12 is not installed" in json.loads(capsys.readouterr().out)["problems"][0]


def _install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these of the GPU's distributions be all that there are."""
    monkeypatch.setattr(
        "resources.batch.preflight._versions", lambda: dict.fromkeys(names, "26.10.0")
    )


def test_feeds_of_the_user_count_whatever_their_files_are_called(tmp_path: Path) -> None:
    host, image, other = (tmp_path / name for name in ("host", "image", "other"))
    for folder in (host, image, other):
        folder.mkdir()
    (host / "card.yaml").write_text("name: card")
    (host / "notes.txt").write_text("no feed")
    (image / "ours.YML").write_text("name: card")
    (other / "card.yaml").write_text("name: cards")
    digests = {f: Fingerprint.of(LOCATION, f).feeds for f in (host, image, other, tmp_path)}
    assert digests[host] == digests[image] != digests[other]
    assert digests[tmp_path] == ""


def test_the_digest_is_over_the_files_of_a_wheel() -> None:
    setuptools = pytest.importorskip("setuptools")
    root = Path(__file__).resolve().parents[2]
    asked = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    modules = setuptools.find_packages(str(root), include=asked["packages"]["find"]["include"])
    globs = asked["package-data"]
    for package in PROJECT.packages:
        ours = [name for name in modules if name == package or name.startswith(f"{package}.")]
        wheel = {path for name in ours for path in (root / name.replace(".", "/")).glob("*.py")}
        wheel |= {path for glob in globs.get(package, []) for path in (root / package).glob(glob)}
        expected = {p.relative_to(root).as_posix() for p in wheel if p.name != "py.typed"}
        assert {name for name, _ in code_files(package)} == expected
        assert len(expected) > 5


def test_preflight_tells_of_wrong_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAUD_ENGINE", "cup")
    assert entry.main(["--preflight"], LOCATION) == 1
    assert "FRAUD_ENGINE='cup'" in json.loads(capsys.readouterr().out)["problems"][0]


def test_wrong_usage_has_an_exit_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        entry.main([], LOCATION)
    assert caught.value.code == 2
    assert "say run, or --preflight" in capsys.readouterr().err


def test_a_refusal_reaches_the_host(lake: Lake) -> None:
    lake.put("steps/run/step/0/step.json", b"{}")
    code = entry.main(["run", "--folder", ADDRESS.folder, "--sha256", digest(b"{}")], LOCATION)
    assert code == 3
    (mail,) = MailReader(lake, Address(ADDRESS.folder, "by-hand")).new(0)
    assert mail.refused is not None
    assert "another layout than this image reads" in mail.refused


@pytest.mark.parametrize(
    ("followed", "code", "told"),
    [
        (b"job-1", 0, "the host follows job-1 and not this job; nothing is done"),
        (b"nobody", 0, "the host follows nobody and not this job; nothing is done"),
        (None, 1, "no host has said that it follows this job; nothing is done"),
        (b"job-2", 3, "refused: the step's payload"),
    ],
)
def test_only_the_job_that_the_host_follows_does_work(
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    followed: bytes | None,
    code: int,
    told: str,
) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-2")
    monkeypatch.setattr(entry, "_HOST_SECONDS", 0.0)
    lake.put("steps/run/step/0/step.json", b"{}")
    if followed is not None:
        lake.put("steps/run/step/0/job.txt", followed)
    arguments = ["run", "--folder", ADDRESS.folder, "--sha256", digest(b"{}")]
    assert entry.main(arguments, LOCATION) == code
    assert told in capsys.readouterr().err
    assert bool(lake.list("steps/run/step/0/events")) is (code == 3)


def test_a_container_waits_for_its_host_to_name_the_job(lake: Lake) -> None:
    late = threading.Timer(0.3, lake.put, ["steps/run/step/0/job.txt", b"job"])
    late.start()
    assert followed_job(lake, ADDRESS, 10) == "job"
    late.join()


def test_a_payload_in_order_is_read() -> None:
    data = payload()
    assert StepPayload.decoded(data, digest(data), LOCATION, IMAGE).metadata == {
        "placement": "batch"
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (payload(module="os"), "the step belongs to os:defs"),
        (payload(dagster="1.12.0"), "dagster is 1.12.0 on the host and 1.13."),
        (payload(package="0.0.1"), "fraud-assets is 0.0.1 on the host and "),
        (payload(code="0" * 64), "the code's digest is 000000000000 on the host and "),
        (payload(python="3.10"), r"Python is 3\.10 on the host and 3\.1[1-9] in the image"),
        (
            payload(feeds="1" * 64),
            "feeds in FRAUD_FEEDS_DIR is 111111111111 on the host and none in the image; build",
        ),
        (payload().replace(b'"version":1', b'"version":2'), r"another layout .*\(version\)"),
        (payload().replace(b'"step":"{}"', b'"step":7'), r"another layout .*\(step\)"),
        (payload().replace(b'"module"', b'"modul"'), "another layout"),
        (b"\x80\x04pickle", "another layout"),
    ],
)
def test_a_payload_out_of_order_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        StepPayload.decoded(data, digest(data), LOCATION, IMAGE)


def test_a_payload_of_another_digest_is_refused() -> None:
    with pytest.raises(RefusedError, match="changed after it was submitted"):
        StepPayload.decoded(payload() + b" ", digest(payload()), LOCATION, IMAGE)


def test_events_arrive_in_order_and_once(lake: Lake) -> None:
    reader = MailReader(lake, ADDRESS)
    assert reader.new(0) == []
    for attempt, texts in ((1, ["a", "b"]), (3, ["c"])):
        with MailWriter(lake, ADDRESS, attempt) as writer:
            for text in texts:
                writer.send(message(text))
    assert [e.user_message for mail in reader.new(0) for e in mail.entries] == ["a", "b"]
    # The second attempt died before its first word; only Batch can tell that it has ended.
    assert reader.new(1) == []
    assert [e.user_message for mail in reader.new(2) for e in mail.entries] == ["c"]
    assert reader.new(3) == []
    assert not has_ended_before(lake, ADDRESS, 4)


def test_an_outage_of_the_lake_costs_no_event(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.batch.mail._OUTAGE_PAUSE_SECONDS", 0.0)
    outages = iter(["out", "still out"])

    def put(key: str, data: bytes) -> bool:
        for told in outages:
            raise LakeUnavailableError(told)
        return Lake.put(lake, key, data)

    monkeypatch.setattr(lake, "put", put)
    with MailWriter(lake, ADDRESS, 1) as writer:
        writer.send(message("a"))
    (mail,) = MailReader(lake, ADDRESS).new(0)
    assert [entry.user_message for entry in mail.entries] == ["a"]


def test_a_lake_that_stays_away_ends_the_container(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(_key: str, _data: bytes) -> bool:
        raise LakeUnavailableError("out")

    monkeypatch.setattr("resources.batch.mail._OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(lake, "put", put)
    with pytest.raises(LakeUnavailableError), MailWriter(lake, ADDRESS, 1) as writer:
        writer.send(message("a"))


def test_only_an_earlier_end_counts(lake: Lake) -> None:
    lake.put(ADDRESS.key(2, 1), Chunk(terminal=True).model_dump_json().encode())
    assert not has_ended_before(lake, ADDRESS, 2)
    assert has_ended_before(lake, ADDRESS, 3)
    assert not has_ended_before(lake, Address(ADDRESS.folder, "another-job"), 3)


@pytest.mark.parametrize("data", [b"", b"{}x", b'{"events": "7"}', b'{"events": "{\\"a\\": 1}"}'])
def test_a_damaged_chunk_is_named(lake: Lake, data: bytes) -> None:
    lake.put(ADDRESS.key(1, 1), data)
    with pytest.raises(MailError, match=r"steps/run/step/0/events/job/1/000001\.json"):
        MailReader(lake, ADDRESS).new(0)


def event(kind: dg.DagsterEventType, step: str | None) -> dg.DagsterEvent:
    return dg.DagsterEvent(event_type_value=kind.value, job_name="job", step_key=step)


@pytest.mark.parametrize(
    "planted",
    [
        message("planted", "another", "step"),
        message("planted", "run", "another"),
        message("planted", event=event(STEP_SKIPPED, "another")),
        message("planted", step=None, event=event(STEP_SKIPPED, "step")),
        message("planted", step=None, event=event(RUN_SUCCESS, None)),
        message("planted", event=event(RUN_SUCCESS, "step")),
    ],
)
def test_events_of_others_are_refused(lake: Lake, planted: dg.EventLogEntry) -> None:
    with MailWriter(lake, ADDRESS, 1) as writer:
        writer.send(planted)
    context = SimpleNamespace(run_id="run", step=SimpleNamespace(key="step"))
    delivery = Delivery(cast("StepContext", context), "job")
    (mail,) = MailReader(lake, ADDRESS).new(0)
    with pytest.raises(dg.Failure, match="belong to another run or step"):
        list(delivery.accept(mail))
