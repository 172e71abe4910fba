"""Published alerts become cases in the store and a table in the lake, each once."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.case_due import why_due
from fraud_assets.case_labels import land_labels
from fraud_assets.case_log import LOG, restore
from fraud_assets.case_work import change_case
from fraud_assets.uploads import Uploads
from gpu_ops import case_actions
from gpu_ops.case_alerts import case_alerts
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_model import Case
from resources.case_store import CaseStore, CaseStoreError
from resources.errors import LakeUnavailableError
from resources.lake import utc_now
from resources.settings import Settings, SettingsError
from resources.versions import Versions
from tests.cases.made_lake import AT, figures, made, paid, published, reason, ringed, table
from tests.s3_server import BUCKET, REGION, s3_server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(lake=str(tmp_path / "lake"), case_capacity=2)


def store_of(settings: Settings) -> CaseStore:
    store = settings.open_cases(settings.lake)
    assert store is not None
    return store


def close(settings: Settings, case_id: str) -> None:
    def draft(book: Book, case: Case) -> Draft:
        return case_actions.close(
            book, case, verdict="confirmed", reason="denied, by phone", by="Bea", now=utc_now()
        )

    change_case(store_of(settings), case_id, draft)


def only_case(settings: Settings) -> str:
    (case,) = store_of(settings).book().cases()
    return case.case_id


def test_alerts_become_a_ranked_table_of_cases(settings: Settings) -> None:
    published(
        settings,
        paid("t1", expected_loss=300.0, reasons=["ANOMALY_HIGH", "EMPTIES_ACCOUNT"]),
        paid("t2", expected_loss=600.0),
        paid("t3", "7", expected_loss=20.0),
        paid("t4", "8", expected_loss=None, fraud_probability=None),
        ringed("r", ["t9"], amount=1000.0, score=0.4),
    )
    result = made(settings)
    assert result.success
    told = figures(result)
    assert {
        name: told[name] for name in ("open", "new", "closed", "overdue", "opened", "joined")
    } == {"open": 4, "new": 4, "closed": 0, "overdue": 0, "opened": 4, "joined": 1}
    assert told["beyond_capacity"] == 2
    rows = table(settings)
    assert rows.select(
        "place", "within_capacity", "account", "ring_id", "expected_loss", "alert_ids"
    ).rows() == [
        (1, True, "card:customer:1111222233334444", None, 900.0, ["tx-t1", "tx-t2"]),
        (2, True, None, "r", 400.0, ["ring-r"]),
        (3, False, "card:customer:7", None, 20.0, ["tx-t3"]),
        (4, False, "card:customer:8", None, None, ["tx-t4"]),
    ]
    assert rows["reasons"][0].to_list() == ["ANOMALY_HIGH", "EMPTIES_ACCOUNT"]
    # 300 of 900 are of an alert that rests on it for a half.
    assert rows["reason_weights"][0].to_list() == pytest.approx([5 / 6, 1 / 6])
    preview = str(told["preview"])
    assert "…4444" in preview
    assert "1111222233334444" not in preview


def test_nothing_new_makes_no_new_version(settings: Settings) -> None:
    published(settings, paid("t1"))
    assert made(settings).success
    assert made(settings).success
    assert Versions(settings.open_lake()).all_numbers(layers.snapshot_slot("cases")) == [1]
    assert len(store_of(settings).events()) == 2


def test_what_is_due_is_told_until_it_is_done(settings: Settings) -> None:
    store, versions = store_of(settings), Versions(settings.open_lake())
    assert why_due(versions, store, utc_now()) is None
    published(settings, paid("t1"))
    assert why_due(versions, store, utc_now()) == "alerts were published"
    made(settings)
    assert why_due(versions, store, utc_now()) is None
    close(settings, only_case(settings))
    assert why_due(versions, store, utc_now()) == "labels have to land"
    land_labels(store, Uploads(settings.open_lake(), ["card"]))
    assert why_due(versions, store, utc_now()) == "somebody worked on cases"
    assert why_due(versions, store, utc_now(), settings.case_due) is None
    made(settings)
    assert why_due(versions, store, utc_now()) is None
    versions.lake.delete([one.key for one in versions.lake.list("alerts/cases/attempt=run-1")])
    for info in versions.lake.list("alerts/cases"):
        if info.key.endswith(".parquet"):
            versions.lake.delete([info.key])
    assert why_due(versions, store, utc_now()) == "the table of cases is damaged"
    assert made(settings).success
    assert why_due(versions, store, utc_now()) is None


def test_an_alert_that_got_lost_keeps_the_table_from_being_published(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(settings, paid("t1"), paid("t2"))
    monkeypatch.setattr(
        "fraud_assets.case_assets.case_alerts", lambda rows, _: case_alerts(rows)[:1]
    )
    result = made(settings)
    assert not result.success
    assert "every_alert_has_its_place: 1 published alerts are in no case." in reason(result)


def test_a_run_that_died_before_the_table_changes_nothing_the_next_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(settings, paid("t1"), paid("t2"))
    with monkeypatch.context() as patch:
        patch.setattr(
            "fraud_assets.case_assets.case_table", lambda *_, **__: 1 // 0
        )  # After the intake.
        assert not made(settings).success
    assert len(store_of(settings).events()) == 3
    assert made(settings).success
    assert len(store_of(settings).events()) == 3
    assert table(settings)["alert_ids"].to_list() == [["tx-t1", "tx-t2"]]


def test_a_verdict_becomes_labels_known_when_it_was_given(settings: Settings) -> None:
    published(settings, paid("t1", related_transaction_ids=["t,2"]))
    made(settings)
    case_id = only_case(settings)
    close(settings, case_id)
    result = made(settings)
    assert figures(result)["labels_landed"] == 1
    case = store_of(settings).book().case(case_id)
    assert case is not None
    assert case.closed_at is not None
    known = case.closed_at.isoformat()
    landed = settings.open_lake().get(f"landing/card-labels/{case_id}-3.csv").decode()
    assert landed == (
        "transaction_id,is_fraud,known_at,source,by,reason\n"
        f't1,fraud,{known},analyst,Bea,"denied, by phone"\n'
        f'"t,2",fraud,{known},analyst,Bea,"denied, by phone"\n'
    )
    assert table(settings).select("case_verdict", "judged_transaction_ids").rows() == [
        ("confirmed", ["t1", "t,2"])
    ]


def test_labels_land_once_also_after_a_crash_in_between(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(settings, paid("t1"))
    made(settings)
    close(settings, only_case(settings))
    store, uploads = store_of(settings), Uploads(settings.open_lake(), ["card"])
    with monkeypatch.context() as patch:
        patch.setattr(store, "note_landed", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            land_labels(store, uploads)
    assert len(uploads.discover().new) == 1
    assert len(land_labels(store, uploads).keys) == 1
    assert uploads.discover().new == []
    assert len(uploads.labels("card")) == 1
    assert land_labels(store, uploads).keys == []


def test_labels_that_cannot_land_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    published(settings, paid("t1"))
    made(settings)
    close(settings, only_case(settings))
    store, uploads = store_of(settings), Uploads(settings.open_lake(), ["card"])

    def full(*_: object, **__: object) -> str:
        raise LakeUnavailableError("no space is left on the device")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "land", full)
        (problem,) = land_labels(store, uploads).problems
    assert "wait: no space is left on the device" in problem
    assert len(land_labels(store, uploads).keys) == 1


def test_a_lost_store_is_refused_and_brought_back_from_the_lake(
    settings: Settings, tmp_path: Path
) -> None:
    published(settings, paid("t1", expected_loss=60.0), paid("t2", "7"))
    made(settings)
    close(settings, table(settings)["case_id"][0])
    made(settings)
    events = store_of(settings).events()
    shutil.rmtree(tmp_path / "lake" / "cases")
    published(settings, paid("t1", expected_loss=60.0), paid("t2", "7"), paid("t3"))
    told = why_due(Versions(settings.open_lake()), store_of(settings), utc_now())
    assert told == "alerts were published"
    result = made(settings)
    assert not result.success
    assert "its event 5 is missing or another one" in reason(result)
    assert "fraud-assets cases restore" in reason(result)
    assert not (tmp_path / "lake" / "cases").exists()
    versions = Versions(settings.open_lake())
    snapshot = versions.latest(layers.snapshot_slot("cases"))
    assert snapshot is not None
    log = versions.scan(snapshot, LOG).collect()
    assert restore(store_of(settings), log) == 5
    assert store_of(settings).events() == events
    assert restore(store_of(settings), log) == 0
    assert made(settings).success
    followed = table(settings).filter(pl.col("alert_ids").list.contains("tx-t3"))
    assert followed["follows"].null_count() == 0
    with pytest.raises(CaseStoreError, match="events of its own that the lake does not know"):
        restore(store_of(settings), log)


def test_a_ring_that_merged_brings_its_case_along(settings: Settings) -> None:
    published(settings, ringed("old", ["t1"]), ringed("young", ["t2"]))
    made(settings)
    rings = pl.DataFrame(
        {
            "feed": ["card"] * 2,
            "ring_id": ["old", "young"],
            "merged_into": [None, "old"],
            "exposure": [40.0, 10.0],
        }
    )
    versions = Versions(settings.open_lake())
    attempt = versions.begin(layers.snapshot_slot("fraud_rings"), "run-1")
    attempt.write_table(rings)
    versions.publish(attempt, inputs={})
    assert made(settings).success
    rows = table(settings)
    assert rows.select("ring_id", "case_state", "alert_ids").rows() == [
        ("old", "new", ["ring-old", "ring-young"]),
        ("young", "merged", []),
    ]


def test_a_lake_in_s3_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(lake="s3://bucket/lake").open_cases("s3://bucket/lake") is None
    monkeypatch.setenv("FRAUD_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("FRAUD_CASES_URL", "sqlite:///var/lib/fraud/cases.sqlite")
    settings = Settings.load()
    store = settings.open_cases(settings.lake)
    assert store is not None
    assert store.place == "/var/lib/fraud/cases.sqlite"


def test_a_wrong_address_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_CASES_URL", "postgresql://ada:secret@db.example")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == (
        "wrong settings:\nFRAUD_CASES_URL: the address names no host and database; expected "
        "sqlite:///folder/file or postgresql://user:password@host/database"
    )
    monkeypatch.setenv("FRAUD_CASES_URL", "postgresql://ada:s3cr3t@db.example/cases")
    assert "s3cr3t" not in repr(Settings.load())


def test_reasons_of_the_model_count_by_what_they_added(settings: Settings) -> None:
    scored = pl.DataFrame(
        {
            "transaction_id": ["t1", "t9"],
            "feed": ["card", "card"],
            "occurred_at": [AT, AT],
            "may_alert": [True, True],
            "contributions": [
                [
                    {"code": "MODEL_AMOUNT", "weight": 3.0},
                    {"code": "MODEL_TIME", "weight": -2.0},
                    {"code": "BIAS", "weight": -5.0},
                ],
                [],
            ],
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
    )
    versions = Versions(settings.open_lake())
    attempt = versions.begin(layers.upload_slot("augmented_transactions", "card", "card-a"), "r")
    attempt.write_table(scored)
    versions.publish(attempt, inputs={})
    published(
        settings,
        paid("t1", reasons=["ANOMALY_HIGH", "MODEL_AMOUNT"]),
        paid("t2", "7", reasons=["ANOMALY_HIGH", "MODEL_AMOUNT"]),
    )
    assert made(settings).success
    weights = dict(table(settings).select("account", "reason_weights").iter_rows())
    assert weights["card:customer:1111222233334444"] == pytest.approx([0.75, 0.25])
    assert weights["card:customer:7"] == pytest.approx([0.5, 0.5])


@pytest.mark.slow
def test_a_lake_in_s3_with_a_store_elsewhere(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUD_CASES_URL", sqlite_url)
    monkeypatch.setenv("FRAUD_S3_ALLOW_HTTP", "true")
    monkeypatch.setenv("FRAUD_S3_REGION", REGION)
    monkeypatch.setenv("FRAUD_LAKE", f"s3://{BUCKET}/cases")
    with s3_server() as endpoint:
        monkeypatch.setenv("FRAUD_S3_ENDPOINT", endpoint)
        settings = Settings.load()
        published(settings, paid("t1"))
        assert made(settings).success
        close(settings, only_case(settings))
        assert figures(made(settings))["labels_landed"] == 1
        assert table(settings)["case_verdict"].to_list() == ["confirmed"]
        (key,) = (one.key for one in settings.open_lake().list("landing/card-labels"))
        assert settings.open_lake().get(key).startswith(b"transaction_id,is_fraud,")
