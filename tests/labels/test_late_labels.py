"""Labels that arrive after their transactions: from the landing folder to features and models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from fraud_assets import definitions, layers
from fraud_assets.label_cli import land_verdict
from fraud_assets.label_state import LabelState
from fraud_assets.pipeline import Pipeline
from fraud_assets.uploads import Uploads
from gpu_ops.canonical import CANONICAL_SCHEMA
from resources.settings import Settings
from resources.versions import Versions
from schedules.labels import labels_sensor

START = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = "payee_known_frauds_30d_delay_7d"


@dataclass(frozen=True)
class Place:
    """A lake, and what is done to it."""

    folder: Path
    settings: Settings
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.settings.open_lake(), ["sim"])

    def pipeline(self) -> Pipeline:
        lake = self.settings.open_lake()
        return Pipeline(self.definitions, self.instance, lake, self.settings, lambda _line: None)

    def run(self) -> Pipeline:
        pipeline = self.pipeline()
        pipeline.run()
        return pipeline

    def land(self, rows: Sequence[tuple[str, float, str]], name: str) -> None:
        """Land card payments of 10.00 by strangers: id, day, payee."""
        table = pl.DataFrame(
            [
                {
                    "transaction_id": one,
                    "occurred_at": START + timedelta(days=day),
                    "kind": "payment",
                    "amount": 10.0,
                    "currency": "EUR",
                    "payer_id": f"payer of {one}",
                    "payee_id": payee,
                }
                for one, day, payee in rows
            ],
            schema=CANONICAL_SCHEMA,
        )
        file = self.folder / name
        table.write_parquet(file)
        self.uploads.land(file, "sim")

    def land_labels(self, text: str, name: str) -> None:
        file = self.folder / name
        file.write_text(text)
        self.uploads.land(file, "sim", labels=True)

    def features(self, column: str = KNOWN) -> dict[str, float]:
        versions = Versions(self.settings.open_lake())
        found = layers.visible(versions, "prepped_transactions").values()
        table = versions.scan_all(list(found)).select("transaction_id", column).collect()
        return dict(table.iter_rows())

    def manifests(self) -> dict[str, int]:
        """The number of the visible version of every slot."""
        versions = Versions(self.settings.open_lake())
        return {
            str(slot): one.number
            for folder in ("raw", "prepped", "augmented", "labels", "quarantine")
            for slot, one in versions.latest_below(folder).items()
        }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    # What comes after the scores is not looked at here.
    monkeypatch.setattr(Pipeline, "_refresh", lambda _self: None)
    monkeypatch.setattr("fraud_assets.pipeline.load_libraries_ahead", lambda: None)
    monkeypatch.setattr("fraud_assets.pictures.score_histogram", lambda *_, **__: b"")
    with dg.DagsterInstance.ephemeral() as instance:
        values = {"lake": str(tmp_path / "lake"), "threads": 1, "forest_rows": 256}
        settings = Settings.model_validate(values)
        yield Place(tmp_path, settings, instance, definitions.build(settings))


def label(states: Sequence[LabelState], file: str) -> LabelState:
    (found,) = [one for one in states if one.upload.file == file]
    return found


def at(day: float) -> str:
    return (START + timedelta(days=day)).isoformat()


@pytest.mark.slow
def test_features_know_each_label_from_its_own_moment_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.land([("a", 0, "shop"), ("b", 1, "shop"), ("c", 20, "shop")], "first.parquet")
    place.land([("d", 21, "shop"), ("e", 24, "shop"), ("f", 25, "other")], "second.parquet")
    place.land([("g", 200, "shop")], "long-after.parquet")
    place.run()
    assert place.features() == dict.fromkeys("abcdefg", 0)
    before = place.manifests()

    # a is known on day 19 and withdrawn on day 22; b is known to be fraud on day 23.
    place.land_labels(
        "transaction_id,is_fraud,known_at,source\n"
        f"a,fraud,{at(19)},chargeback\n"
        f"a,genuine,{at(22)},analyst\n"
        f"b,1,{at(23)},\n"
        f"b,unsure,{at(23.5)},analyst\n",
        "late.csv",
    )
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "_ingest", _killed)
        with pytest.raises(KeyboardInterrupt):
            place.run()
    assert place.features() == dict.fromkeys("abcdefg", 0)
    found = [(one.is_stale, one.misses_labels, one.is_due) for one in place.pipeline().states()]
    assert found == [(True, True, False), (True, True, False), (False, False, False)]

    # The next run makes up for what was killed between the labels and the features.
    pipeline = place.run()
    assert pipeline.report.went_through, pipeline.report
    # c sees a; d sees a; e sees b alone, as a was withdrawn; f is another shop; g looks back less.
    expected = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 1, "f": 0, "g": 0}
    assert place.features() == expected
    assert place.features("payee_label_risk_30d_delay_7d")["e"] == pytest.approx(1 / 2)
    after = place.manifests()
    remade = {slot for slot in before if after[slot] != before[slot]}
    assert {slot.split("upload=sim-")[1][:5] for slot in remade} == {"first", "secon"}
    assert label(pipeline.labels.states(), "late.csv").counts == {
        "received": 4,
        "accepted": 4,
        "duplicate": 0,
        "quarantined": 0,
        "waiting": 0,
    }

    # Once more: nothing is left to do, and nothing is made twice.
    assert place.run().report.went_through
    assert place.manifests() == after


def test_a_label_waits_for_its_transaction_and_bad_rows_for_a_person(place: Place) -> None:
    place.land([("a", 5, "shop"), ("z", 30, "shop")], "first.parquet")
    place.land_labels(
        "transaction_id,is_fraud,known_at,source,by,reason\n"
        f"later,fraud,{at(20)},analyst,Ada,seen it\n"
        f"a,fraud,{at(4)},chargeback,,\n"
        f"z,fraud,{at(40)},chargeback,,\n"
        f"z,genuine,{at(40)},chargeback,,\n"
        f"z,fraud,{at(41)},file,,\n"
        f"z,fraud,{at(41)},,,\n"
        f",fraud,{at(41)},,,\n"
        f"z,perhaps,{at(41)},,,\n",
        "mixed.csv",
    )
    pipeline = place.run()
    state = label(pipeline.labels.states(), "mixed.csv")
    assert state.state == "refused"
    assert "2 of 8 rows are bad" in state.reason

    text = (place.folder / "mixed.csv").read_text()
    place.land_labels("".join(text.splitlines(keepends=True)[:-1]), "mended.csv")
    pipeline = place.run()
    state = label(pipeline.labels.states(), "mended.csv")
    assert state.counts == {
        "received": 7,
        "accepted": 2,
        "duplicate": 1,
        "quarantined": 4,
        "waiting": 1,
    }
    versions = Versions(place.settings.open_lake())
    kept = versions.latest(layers.quarantine_slot("sim", state.upload.key))
    assert kept is not None
    bad = versions.scan(kept).collect()
    assert bad.select("file", "row", "column", "reason").rows() == [
        ("mended.csv", 2, "known_at", "the label is known before the transaction"),
        *(
            (
                "mended.csv",
                row,
                "is_fraud",
                "the same source says both of it at one moment; neither counts",
            )
            for row in (3, 4)
        ),
        # One unreadable row refuses no file of several.
        ("mended.csv", 7, "transaction_id", "transaction_id is missing"),
    ]
    assert place.features()["z"] == 0

    place.land([("later", 15, "shop")], "second.parquet")
    judged = ("z", "genuine", "Ada Lovelace", "called the customer")
    land_verdict(place.uploads, "sim", judged, START + timedelta(days=50))
    pipeline = place.run()
    assert label(pipeline.labels.states(), "mended.csv").counts["waiting"] == 0
    assert place.features() == {"a": 0, "later": 0, "z": 1}
    assert not any(one.is_due for one in pipeline.labels.states())
    told = versions.scan_all(list(layers.visible_labels(versions, "sim").values())).collect()
    columns = ("transaction_id", "occurred_at", "is_fraud", "source", "reason")
    assert told.filter(by="Ada Lovelace").select(columns).rows() == [
        ("z", START + timedelta(days=30), False, "analyst", "called the customer")
    ]
    scored = versions.scan_all(list(layers.visible(versions, "augmented_transactions").values()))
    assert scored.select("transaction_id", "is_fraud", "label_known_at").collect().rows() == [
        ("a", None, None),
        ("z", False, START + timedelta(days=50)),
        ("later", True, START + timedelta(days=20)),
    ]


def _killed(_pipeline: Pipeline, **_options: bool) -> None:
    raise KeyboardInterrupt


def test_the_sensor_takes_labels_in_and_then_renews(place: Place) -> None:
    place.land([("a", 0, "shop"), ("b", 20, "shop")], "first.parquet")
    place.run()
    place.land_labels(f"transaction_id,is_fraud,known_at\na,fraud,{at(19)}\n", "late.csv")
    place.uploads.discover()
    cursor = None
    asked = []
    for _ in range(3):
        context = dg.build_sensor_context(
            instance=place.instance,
            definitions=place.definitions,
            cursor=cursor,
            resources=_resources(place),
        )
        result = labels_sensor(context)
        if isinstance(result, dg.SkipReason):
            break
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        for request in result.run_requests or []:
            asked.append((request.job_name, request.partition_key))
            for partitions in result.dynamic_partitions_requests or []:
                place.instance.add_dynamic_partitions(
                    partitions.partitions_def_name, list(partitions.partition_keys)
                )
            job = place.definitions.resolve_job_def(str(request.job_name))
            assert job.execute_in_process(
                instance=place.instance, partition_key=request.partition_key
            ).success
    pipeline = place.pipeline()
    (labels,), (first,) = pipeline.labels.states(), pipeline.states()
    assert asked == [("ingest_labels", labels.upload.key), ("ingest_upload", first.upload.key)]
    assert place.features() == {"a": 0, "b": 1}


def _resources(place: Place) -> dict[str, object]:
    return {"lake": place.settings.open_lake(), "settings": place.settings}
