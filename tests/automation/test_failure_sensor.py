"""A failed run becomes one message, for people outside, in the outbox."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import dagster as dg
import pytest

if TYPE_CHECKING:
    from tests.automation.conftest import Automation


def refused(automation: "Automation", name: str = "a.csv") -> dg.ExecuteInProcessResult:
    """A run that fails since its file lacks nearly every column."""
    automation.drop(f"sim/{name}", "transaction_id,amount\n1,2\n")
    (upload,) = automation.register()
    result = automation.run("ingest_upload", upload.key)
    assert not result.success
    return result


def first_cursor(automation: "Automation") -> str:
    """Where a sensor begins that was switched on now."""
    cursor = automation.tick("failure_sensor").cursor
    assert cursor is not None
    return cursor


def test_a_failed_run_is_told_once(automation: "Automation") -> None:
    start = first_cursor(automation)
    result = refused(automation)
    tick = automation.tick("failure_sensor", start)
    assert [one.error for one in tick.dagster_run_reactions or []] == [None]
    (record,) = automation.outbox().values()
    assert abs(datetime.fromisoformat(record["recorded_at"]) - datetime.now(UTC)).seconds < 300
    assert {name: record[name] for name in ("run_id", "job", "reason")} == {
        "run_id": result.run_id,
        "job": "ingest_upload",
        "reason": (
            "raw_transactions: a.csv was refused: missing columns kind, currency, payer_id, "
            "payee_id, occurred_at; found: transaction_id, amount"
        ),
    }
    # Again from the start, as after a daemon that died before it stored the cursor; and on.
    (file,) = (automation.lake / "outbox").rglob("*.json")
    file.write_text('{"reason": "delivered"}', encoding="utf-8")
    for cursor in (start, tick.cursor):
        repeated = automation.tick("failure_sensor", cursor)
        assert all(one.error is None for one in repeated.dagster_run_reactions or [])
        assert automation.outbox() == {result.run_id: {"reason": "delivered"}}


def test_every_failed_run_has_its_own_message(automation: "Automation") -> None:
    start = first_cursor(automation)
    first = refused(automation, "a.csv")
    second = refused(automation, "b.csv")
    cursor: str | None = start
    for _ in range(2):
        cursor = automation.tick("failure_sensor", cursor).cursor
    assert automation.outbox().keys() == {first.run_id, second.run_id}


def test_secrets_and_paths_stay_inside(
    automation: "Automation", monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> NoReturn:
        raise OSError("cannot open /home/ann/lake/raw.parquet with password=hunter2")

    start = first_cursor(automation)
    monkeypatch.setattr("fraud_assets.raw.read_upload", unreadable)
    result = refused(automation)
    automation.tick("failure_sensor", start)
    assert automation.outbox()[result.run_id]["reason"] == (
        "raw_transactions: OSError: cannot open <path> with password=<secret>"
    )
    (file,) = Path(automation.lake / "outbox").rglob("*.json")
    written = json.dumps(file.read_text(encoding="utf-8"))
    assert "hunter2" not in written
    assert "/home/ann" not in written


def test_a_run_that_was_lost_is_told_too(automation: "Automation") -> None:
    """No step failed; the run says itself what became of it."""
    start = first_cursor(automation)
    job = automation.definitions.resolve_job_def("train_model")
    run = automation.instance.create_run_for_job(job)
    automation.instance.report_run_failed(run, message="The process of this run was killed.")
    automation.tick("failure_sensor", start)
    record = automation.outbox()[run.run_id]
    assert (record["job"], record["reason"]) == (
        "train_model",
        "The process of this run was killed.",
    )


def test_an_asset_started_by_hand_is_told_too(automation: "Automation") -> None:
    """The UI's Materialize button runs an asset in no job of the project."""
    start = first_cursor(automation)
    job = automation.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=automation.instance,
        asset_selection=[dg.AssetKey("account_features")],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    assert not result.success
    automation.tick("failure_sensor", start)
    assert automation.outbox()[result.run_id]["reason"] == (
        "account_features: account_graph has no version yet; materialize it first."
    )


def test_a_run_that_succeeded_is_not_told(automation: "Automation") -> None:
    start = first_cursor(automation)
    job = automation.definitions.resolve_job_def("train_model")
    run = automation.instance.create_run_for_job(job)
    event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=job.name)
    automation.instance.report_dagster_event(event, run_id=run.run_id)
    automation.tick("failure_sensor", start)
    assert automation.outbox() == {}
