"""Drift of a trained feed: what the report finds, and what the sensor asks for."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.drift_report import latest_records, made_report
from fraud_assets.drift_schemas import DTYPES, WindowRecord
from gpu_ops.drift_windows import Condition
from gpu_ops.labels import EVENT_SCHEMA
from schedules.drift import drift_retraining

if TYPE_CHECKING:
    from pydantic import JsonValue

    from tests.assets.conftest import Project, ProjectOf, Rows, Trained

RAW = ("raw_transactions", "sim")
ASKED = "sim-2026-04-13T00:00:00Z"


def report(project: "Project") -> tuple[dict[str, WindowRecord], dg.AssetCheckResult]:
    """The windows after a run of the job by their first days, and what the check says."""
    outcome = project.run("report_drift")
    assert outcome.success, outcome.reason
    check = outcome.checks["drift_report", "drift_check"]
    told = dg.AssetCheckResult(passed=check.passed, description=check.description)
    return {f"{one.start:%m-%d}": one for one in latest_records(project.versions)}, told


def tick(project: "Project", cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(
        instance=project.instance,
        cursor=cursor,
        resources={"lake": project.lake, "settings": project.settings},
    )
    found = drift_retraining(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def said(project: "Project", first: Condition, second: Condition, model: str = "sim/1") -> None:
    """Publishes a report of two weeks in which the score moved, or a data fault was found."""
    records = [
        WindowRecord(
            feed="sim",
            model=model,
            made_of=f"{first} {second} {model} {day}",
            start=datetime(2026, 3, day, tzinfo=UTC),
            end=datetime(2026, 3, day + 7, tzinfo=UTC),
            condition=one,
            reasons=(),
            is_bad=one is Condition.DRIFT,
            labels_fell=None,
            reference_scores=(1,),
            scores=(1,),
            figures={},
        )
        for day, one in ((9, first), (16, second))
    ]
    attempt = project.versions.begin(layers.snapshot_slot("drift_report"), "said")
    attempt.write_table(pl.DataFrame(schema=DTYPES))
    extra: dict[str, JsonValue] = {"windows": [one.model_dump(mode="json") for one in records]}
    project.versions.publish(attempt, inputs={"said": records[0].made_of}, extra=extra)


def test_the_sensor_asks_after_two_bad_weeks_of_the_champion_and_after_nothing_else(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    drift, fault, stable = Condition.DRIFT, Condition.DATA_FAULT, Condition.STABLE
    nothing = dg.SkipReason("No feed has two bad windows in a row.")
    for weeks in ((stable, drift), (drift, stable), (drift, fault), (fault, fault)):
        said(project, *weeks)
        assert tick(project) == nothing, weeks
    said(project, drift, drift, model="sim/0")
    assert tick(project) == nothing
    said(project, drift, drift)
    asked = tick(project)
    assert isinstance(asked, dg.SensorResult)
    (request,) = asked.run_requests or []
    assert request.run_key == "sim-2026-03-23T00:00:00Z"
    off = copy_of(trained.project, drift_retraining=False)
    assert tick(off) == dg.SkipReason("FRAUD_DRIFT_RETRAINING is off.")


def test_the_sensor_waits_for_a_training_on_its_way_and_for_labels_to_train_on(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    said(project, Condition.DRIFT, Condition.DRIFT)
    asked = tick(project)
    assert isinstance(asked, dg.SensorResult)
    strict = copy_of(trained.project, min_fraud_labels=100_000)
    refused = tick(strict)
    assert isinstance(refused, dg.SkipReason)
    assert str(refused.skip_message).startswith("Drift, but nothing to train on. sim: ")

    def start(job: str, status: dg.DagsterRunStatus) -> str:
        definition = project.definitions.resolve_job_def(job)
        tags = dict(definition.run_tags)
        return project.instance.create_run_for_job(definition, status=status, tags=tags).run_id

    for status in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED):
        run_id = start("train_model", status)
        assert tick(project) == dg.SkipReason("A training is queued or running."), status
        project.instance.delete_run(run_id)
    # What has ended, and what is no training, is not waited for.
    start("train_model", dg.DagsterRunStatus.FAILURE)
    start("report_drift", dg.DagsterRunStatus.STARTED)
    assert tick(project) == asked


def test_dear_weeks_are_drift_and_ask_once_and_promote_nothing(
    trained: "Trained", copy_of: "ProjectOf", payments: "Rows"
) -> None:
    project = copy_of(trained.project)
    before, check = report(project)
    # The made traffic is the same in every week; only what looks back far was still filling up.
    assert list(before) == ["03-23"]
    assert before["03-23"].condition is Condition.MOVED
    assert (before["03-23"].is_bad, before["03-23"].labels_fell) == (False, False)
    assert check.passed
    own = project.table("drift_report").filter(column="amount").row(0, named=True)
    assert own["psi"] < 0.1
    # A week of the 5,000 rows of 28 days.
    assert 1_150 < own["current_rows"] < 1_350
    assert own["condition"] == "stable"
    # What was still filling up counts for nothing, however few columns make a window bad.
    few = project.settings.model_copy(update={"drift_feature_share": 0.01})
    (unsettled,) = made_report(project.versions, few, datetime.now(UTC)).records
    assert len(unsettled.reasons) == 1
    assert (unsettled.condition, unsettled.is_bad) == (Condition.MOVED, False)

    dear = payments("dear", 1_900, 11.1, seed=7, after_days=31)
    project.ingest(dear.with_columns(pl.col("amount") * 20), "dear.parquet")
    after, check = report(project)
    assert list(after) == ["03-23", "03-30", "04-06"]
    # What is known already is kept as it was.
    assert after["03-23"] == before["03-23"]
    for week in ("03-30", "04-06"):
        assert after[week].condition is Condition.DRIFT
        assert after[week].is_bad
        assert after[week].labels_fell
    assert not check.passed
    assert "sim, 2026-04-06 to 2026-04-13: drift; average_precision" in str(check.description)
    assert "amount" in str(check.description)
    moved = project.table("drift_report").filter(column="amount", window_condition="drift")
    assert moved["condition"].to_list() == ["moved", "moved"]

    number = project.manifest("drift_report").number
    again, _ = report(project)
    assert again == after
    assert project.manifest("drift_report").number == number

    asked = tick(project)
    assert isinstance(asked, dg.SensorResult)
    (request,) = asked.run_requests or []
    assert request.run_key == asked.cursor == ASKED
    assert request.run_config == {"ops": {"training_set": {"config": {"feeds": ["sim"]}}}}
    assert isinstance(tick(project, asked.cursor), dg.SkipReason)

    # On the day itself labels of the last week are not known yet.
    noon = datetime(2026, 4, 13, 12, tzinfo=UTC)
    last = made_report(project.versions, project.settings, noon).records[-1]
    assert (last.start, last.is_bad) == (after["04-06"].start, True)
    assert (last.labels_fell, last.figures) == (None, {})
    # Where fewer rows than in training are a fault of the data, nothing else is said of them.
    strict = copy_of(trained.project, drift_volume_share=1.0)
    faulty, check = report(strict)
    for week in ("03-30", "04-06"):
        assert faulty[week].condition is Condition.DATA_FAULT
        assert not faulty[week].is_bad
    assert "rows a day instead of" in str(check.description)
    assert isinstance(tick(strict), dg.SkipReason)


def test_a_label_that_comes_late_has_its_window_measured_anew(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    (before,) = report(project)[0].values()
    raw = project.versions.scan_all([*layers.visible(project.versions, *RAW).values()])
    week = pl.col("occurred_at").is_between(before.start, before.end, closed="left")
    names = raw.filter(week & ~pl.col("is_fraud")).select("transaction_id").head(50).collect()
    verdicts = [(name, True, before.end, "analyst") for (name,) in names.iter_rows()]
    attempt = project.versions.begin(layers.label_slot("sim", "late"), "said")
    attempt.write_table(pl.DataFrame(verdicts, schema=EVENT_SCHEMA, orient="row"))
    project.versions.publish(attempt, inputs={})
    anew = made_report(project.versions, project.settings, datetime.now(UTC)).records[0]
    assert anew.start == before.start
    assert anew.figures["positives"] > before.figures["positives"]
