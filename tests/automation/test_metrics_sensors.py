"""Every run that ends becomes measurements, where metrics are switched on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from resources.measurements import Measurement, Metric
from schedules.run_measurements import Ended, Made, run_measurements

if TYPE_CHECKING:
    from tests.automation.conftest import Automation

AT = datetime(2026, 1, 31, 10, tzinfo=UTC)
SENSORS = {"succeeded_runs_metrics", "failed_runs_metrics"}
GOOD = (
    "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id\n"
    "t1,2026-01-01T10:00:00Z,payment,12.50,USD,ann,shop\n"
    "t2,2026-01-01T11:00:00Z,payment,7.50,USD,ben,shop\n"
    "t2,2026-01-01T11:00:00Z,payment,7.50,USD,ben,shop\n"
)


@pytest.fixture
def lines(automation: "Automation", tmp_path: Path) -> Path:
    """The file that gets the lines."""
    file = tmp_path / "metrics.jsonl"
    automation.configure(metrics="emf", metrics_file=file)
    return file


def measured(file: Path) -> dict[tuple[str, ...], dict[str, float]]:
    """Dimension values to metrics."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        dimensions = tuple(document[name] for name in directive["Dimensions"][0])
        found[dimensions] = {one["Name"]: document[one["Name"]] for one in directive["Metrics"]}
    return found


def test_without_settings_nothing_is_measured(automation: "Automation") -> None:
    names = {sensor.name for sensor in automation.definitions.sensors or []}
    assert not SENSORS & names
    assert "metrics" not in (automation.definitions.resources or {})


def test_a_run_that_succeeded_is_measured(automation: "Automation", lines: Path) -> None:
    start = automation.tick("succeeded_runs_metrics").cursor
    automation.drop("sim/a.csv", GOOD)
    (upload,) = automation.register()
    automation.instance.add_dynamic_partitions("uploads", [upload.key])
    result = automation.definitions.resolve_job_def("ingest_upload").execute_in_process(
        instance=automation.instance,
        partition_key=upload.key,
        tags={"feed": "sim"},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    tick = automation.tick("succeeded_runs_metrics", start)
    assert [one.error for one in tick.dagster_run_reactions or []] == [None]
    found = measured(lines)
    run = found["ingest_upload",]
    assert (run["RunsSucceeded"], run["RunsFailed"]) == (1, 0)
    assert 0 < run["RunSeconds"] < 300
    raw = found["raw_transactions", "sim"]
    assert {name: raw[name] for name in ("Rows", "RowsReceived", "RowsDuplicate")} == {
        "Rows": 2,
        "RowsReceived": 3,
        "RowsDuplicate": 1,
    }
    assert raw["RowsQuarantined"] == 0
    scored = found["augmented_transactions", "sim"]
    assert scored["Rows"] == 2
    assert 0 <= scored["AnomalyScoreMean"] <= 1
    text = lines.read_text(encoding="utf-8")
    assert result.run_id in text
    assert not any(account in text for account in ("ann", "ben", "shop", "a.csv"))
    assert automation.tick("failed_runs_metrics", start).dagster_run_reactions in ([], None)


def test_a_run_that_failed_is_measured(automation: "Automation", lines: Path) -> None:
    start = automation.tick("failed_runs_metrics").cursor
    automation.drop("sim/a.csv", "transaction_id,amount\n1,2\n")
    (upload,) = automation.register()
    assert not automation.run("ingest_upload", upload.key).success
    tick = automation.tick("failed_runs_metrics", start)
    assert [one.error for one in tick.dagster_run_reactions or []] == [None]
    (run,) = measured(lines).values()
    assert (run["RunsSucceeded"], run["RunsFailed"]) == (0, 1)


def test_a_run_that_never_started_has_no_duration(automation: "Automation", lines: Path) -> None:
    start = automation.tick("failed_runs_metrics").cursor
    job = automation.definitions.resolve_job_def("train_model")
    run = automation.instance.create_run_for_job(job)
    automation.instance.report_run_failed(run, message="The process of this run was killed.")
    automation.tick("failed_runs_metrics", start)
    assert measured(lines) == {("train_model",): {"RunsSucceeded": 0, "RunsFailed": 1}}


def test_an_outage_of_metrics_fails_no_more_than_the_metrics(
    automation: "Automation", tmp_path: Path
) -> None:
    automation.configure(metrics="emf", metrics_file=tmp_path)  # a folder
    start = automation.tick("failed_runs_metrics").cursor
    job = automation.definitions.resolve_job_def("train_model")
    run = automation.instance.create_run_for_job(job)
    automation.instance.report_run_failed(run)
    tick = automation.tick("failed_runs_metrics", start)
    (reaction,) = tick.dagster_run_reactions or []
    assert reaction.error is not None
    assert "correct FRAUD_METRICS_FILE" in str(reaction.error)
    assert tick.cursor != start


def test_only_known_figures_leave_and_drift_does_where_it_is() -> None:
    run = Ended("5f7c", "refresh_alerts", None, succeeded=True, at=AT, seconds=2.5)
    made = [
        Made("published_alerts", AT, {"new": 4, "dagster/row_count": 9, "account_4711": 1}),
        Made("transaction_alerts", AT, {"new": 4}),
        Made("account_graph", AT, {"seconds": float("nan"), "peak_mib": 2}),
        Made("drift_report", AT, {"psi_amount": 0.25, "psi_kind": float("inf")}),
    ]
    expected = [
        (
            {"Job": "refresh_alerts"},
            {"RunsSucceeded": 1, "RunsFailed": 0, "RunSeconds": 2.5},
        ),
        ({"Asset": "published_alerts"}, {"AlertsPublished": 4, "Rows": 9}),
        ({"Asset": "account_graph"}, {"PeakMemory": 2_097_152}),
        ({"Feed": "all", "Column": "amount"}, {"PopulationStabilityIndex": 0.25}),
    ]
    found = run_measurements(run, made)
    assert [
        (dict(one.dimensions), {m.name: m.value for m in one.metrics}) for one in found
    ] == expected
    assert {(one.run_id, one.at) for one in found} == {("5f7c", AT)}
    assert found[0] == Measurement(
        (
            Metric("RunsSucceeded", 1, "Count"),
            Metric("RunsFailed", 0, "Count"),
            Metric("RunSeconds", 2.5, "Seconds"),
        ),
        {"Job": "refresh_alerts"},
        AT,
        "5f7c",
    )


def test_the_sensors_run_without_being_switched_on(automation: "Automation", lines: Path) -> None:
    found = {
        sensor.name: sensor.default_status
        for sensor in automation.definitions.sensors or []
        if sensor.name in SENSORS
    }
    assert found == dict.fromkeys(SENSORS, dg.DefaultSensorStatus.RUNNING)
