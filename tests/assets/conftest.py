"""A whole project on a lake of its own: land a file, run a job, look at what became visible."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import numpy as np
import polars as pl
import pytest
from dagster import AssetCheckEvaluation, DagsterEventType

from fraud_assets import definitions, layers
from fraud_assets.feeds import load_feeds
from fraud_assets.partitions import UPLOADS
from fraud_assets.state import UploadState, upload_states
from fraud_assets.uploads import Uploads
from gpu_ops.canonical import CANONICAL_SCHEMA
from gpu_ops.latency import Latency
from resources.explainer import TemplateExplainer
from resources.lake import Lake
from resources.manifests import Manifest
from resources.settings import Settings
from resources.versions import Versions

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday; every made transaction happens on it or later."""

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_DEFAULTS: Final[dict[str, object]] = {
    "kind": "transfer",
    "amount": 10.0,
    "currency": "EUR",
    "payer_id": "payer-0001",
    "payee_id": "payee-0001",
    "payer_balance_before": None,
    "payee_balance_before": None,
    "is_fraud": None,
    "label_known_at": None,
}


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it left in the instance's event log."""

    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def run_id(self) -> str:
        return self.result.run_id

    @property
    def reason(self) -> str:
        """The description of the first failed step; empty where none failed."""
        for event in self.result.all_events:
            if event.event_type is DagsterEventType.STEP_FAILURE:
                failure = event.step_failure_data
                if failure.user_failure_data is not None:
                    return str(failure.user_failure_data.description)
                return failure.error.to_string() if failure.error is not None else "no error"
        return ""

    @property
    def checks(self) -> dict[tuple[str, str], AssetCheckEvaluation]:
        """What the log says of this run's checks, by asset and check."""
        records = self.instance.get_records_for_run(
            self.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        events = [one.event_log_entry.dagster_event for one in records]
        found = [event.asset_check_evaluation_data for event in events if event is not None]
        return {(one.asset_key.to_user_string(), one.check_name): one for one in found}

    @property
    def metadata(self) -> dict[str, Mapping[str, dg.MetadataValue]]:
        """The metadata of this run's materializations, by asset."""
        return {
            event.step_materialization_data.materialization.asset_key.to_user_string(): (
                event.step_materialization_data.materialization.metadata
            )
            for event in self.result.all_events
            if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
        }


@dataclass(frozen=True)
class Project:
    """One lake, one Dagster instance and the definitions between them."""

    folder: Path
    settings: Settings
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @property
    def lake(self) -> Lake:
        return self.settings.open_lake()

    @property
    def versions(self) -> Versions:
        return Versions(self.lake)

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.lake, load_feeds(self.settings.feeds_dir))

    def land(self, content: pl.DataFrame | str | bytes, name: str, feed: str = "sim") -> str:
        """Land a table (as Parquet) or the bytes of a file; its upload key."""
        path = self.folder / "outside" / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.uploads.land(path, feed)
        (upload,) = self.uploads.discover().new
        self.instance.add_dynamic_partitions(str(UPLOADS.name), [upload.key])
        return upload.key

    def run(
        self, job: str, key: str | None = None, config: Mapping[str, object] | None = None
    ) -> Outcome:
        """Run a job to its end, whether it succeeds or not."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=key,
            run_config={**_QUIET, **(config or {})},
            raise_on_error=False,
        )
        return Outcome(self.instance, result)

    def make(self, asset: str, key: str | None = None) -> Outcome:
        """Materialize one asset, whether that succeeds or not."""
        result = dg.materialize(
            list(definitions.ASSETS),
            selection=[asset],
            partition_key=key,
            instance=self.instance,
            resources={
                "settings": self.settings,
                "lake": self.lake,
                "explainer": TemplateExplainer(),
                "batch": None,
            },
            run_config=_QUIET,
            raise_on_error=False,
        )
        return Outcome(self.instance, result)

    def must(self, *assets: str, key: str | None = None) -> None:
        """Materialize assets one after the other; all of them must succeed."""
        for asset in assets:
            outcome = self.make(asset, key)
            assert outcome.success, outcome.reason

    def ingest(self, content: pl.DataFrame | str | bytes, name: str, feed: str = "sim") -> str:
        """Land a file and take it through raw, prepped and augmented."""
        key = self.land(content, name, feed)
        outcome = self.run("ingest_upload", key)
        assert outcome.success, outcome.reason
        return key

    def manifest(self, asset: str, key: str | None = None) -> Manifest:
        """The visible version of an asset."""
        slot = (
            layers.snapshot_slot(asset)
            if key is None
            else layers.upload_slot(asset, self.uploads.get(key).feed, key)
        )
        manifest = self.versions.latest(slot)
        assert manifest is not None, f"{slot} has no version"
        return manifest

    def table(self, asset: str, key: str | None = None) -> pl.DataFrame:
        """The rows of the visible version of an asset."""
        return self.versions.scan(self.manifest(asset, key)).collect()

    def states(self) -> dict[str, UploadState]:
        """What became of every upload."""
        feeds = load_feeds(self.settings.feeds_dir)
        return {one.upload.key: one for one in upload_states(self.versions, self.uploads, feeds)}


ProjectOf = Callable[..., Project]
Rows = Callable[..., pl.DataFrame]


def canonical(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Canonical rows; each gives what differs from an ordinary transfer, and `hours` from `START`.

    A row without an id is called after its place.
    """
    filled = [
        {
            "transaction_id": f"t-{number:05d}",
            "occurred_at": START + timedelta(hours=float(str(row.get("hours", number)))),
            **_DEFAULTS,
            **{name: value for name, value in row.items() if name != "hours"},
        }
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame(filled, schema=CANONICAL_SCHEMA)


def traffic(name: str, rows: int, days: float, seed: int, after_days: float = 0.0) -> pl.DataFrame:
    """Labelled payments of strangers, one in twelve of them fraud and most of that far larger.

    One in ten is a transfer to another payer. A label is known a day later. Payers rarely repeat,
    so few of them are known compromised.
    """
    random = np.random.default_rng(seed)
    fraud = random.random(rows) < 1 / 12
    showing = fraud & (random.random(rows) < 0.75)
    amount = np.exp(random.normal(3.0, 0.6, rows) + np.where(showing, 2.5, 0.0)).round(2)
    seconds = np.sort(random.integers(0, int(days * 86_400), rows)) + int(after_days * 86_400)
    payers = random.integers(0, 3_000, rows)
    payees = random.integers(0, 200, rows)
    friends = random.integers(0, 3_000, rows)
    kinds = np.where(random.random(rows) < 0.1, "transfer", "payment")
    at = pl.Series(seconds, dtype=pl.Int64) * 1_000_000 + int(START.timestamp()) * 1_000_000
    occurred = at.cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "transaction_id": [f"{name}-{number:05d}" for number in range(rows)],
            "occurred_at": occurred,
            "kind": kinds,
            "amount": amount,
            "currency": pl.repeat("EUR", rows, eager=True),
            "payer_id": [f"payer-{number:05d}" for number in payers],
            "payee_id": [
                f"payer-{friend:05d}" if kind == "transfer" else f"payee-{payee:05d}"
                for kind, friend, payee in zip(kinds, friends, payees, strict=True)
            ],
            "payer_balance_before": pl.repeat(None, rows, dtype=pl.Float64, eager=True),
            "payee_balance_before": pl.repeat(None, rows, dtype=pl.Float64, eager=True),
            "is_fraud": fraud,
            "label_known_at": occurred + timedelta(days=1),
        },
        schema=CANONICAL_SCHEMA,
    )


def fan_in(name: str, after_days: float) -> pl.DataFrame:
    """Ten accounts that were never seen pay one that was never seen, within three hours."""
    return canonical(
        *(
            {
                "transaction_id": f"{name}-{number}",
                "hours": after_days * 24 + number * 0.3,
                "amount": 900.0 + number,
                "payer_id": f"{name}-runner-{number:03d}",
                "payee_id": f"{name}-collector",
                "is_fraud": False,
                "label_known_at": START + timedelta(days=after_days + 1),
            }
            for number in range(10)
        )
    )


def _project(folder: Path, instance: dg.DagsterInstance, **changes: object) -> Project:
    values: dict[str, object] = {
        "lake": str(folder / "lake"),
        "threads": 1,
        "forest_rows": 256,
        "daily_capacity": 5,
        # Of so few rows a model need not be better than a regression.
        "gate_max_average_precision_loss": 0.1,
        "gate_resamples": 200,
        **changes,
    }
    settings = Settings.model_validate(values)
    return Project(folder, settings, instance, definitions.build(settings))


@pytest.fixture(scope="session")
def session_project_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectOf]:
    """Makes projects that several tests read; a name tells their folders apart."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda name, **changes: _project(tmp_path_factory.mktemp(name), instance, **changes)


@pytest.fixture
def project_of(tmp_path: Path) -> Iterator[ProjectOf]:
    """Makes projects; settings are given by name, a folder decides which lake."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda folder=tmp_path, **changes: _project(folder, instance, **changes)


@pytest.fixture
def copy_of(project_of: ProjectOf, tmp_path: Path) -> ProjectOf:
    """A project of one's own on a copy of another's lake, for tests that change something."""

    def copy(other: Project, **changes: object) -> Project:
        if not (tmp_path / "lake").exists():
            shutil.copytree(other.folder / "lake", tmp_path / "lake")
        project = project_of(tmp_path, **changes)
        keys = [upload.key for upload in project.uploads.all()]
        project.instance.add_dynamic_partitions(str(UPLOADS.name), keys)
        return project

    return copy


@pytest.fixture
def project(project_of: ProjectOf) -> Project:
    """A new project on an empty lake."""
    return project_of()


@pytest.fixture(scope="session")
def rows() -> Rows:
    return canonical


@pytest.fixture(scope="session")
def payments() -> Rows:
    return traffic


@dataclass(frozen=True)
class Trained:
    """A project whose feed has an approved model; its lake is read by many tests, not changed.

    Attributes:
        project: The project.
        learned: The upload that the model was trained on: 28 days, scored before and after.
        later: An upload of the three days after, scored by the model; ends in a fan-in ring.
        unscored: The rows of `learned` as they were before there was a model.
    """

    project: Project
    learned: str
    later: str
    unscored: pl.DataFrame


@pytest.fixture(scope="session")
def trained(session_project_of: ProjectOf) -> Trained:
    """Ingest, train, score again, ingest more; about as little as the gate approves."""
    with pytest.MonkeyPatch.context() as patch:
        # A busy machine must not decide what the gate says.
        patch.setattr("fraud_assets.comparison.call_latency", _calm_latency)
        project = session_project_of("trained")
        learned = project.ingest(traffic("learn", 5_000, 28, seed=1), "first.parquet")
        unscored = project.table("augmented_transactions", learned)
        for job, key in (("train_model", None), ("score_upload", learned)):
            outcome = project.run(job, key)
            assert outcome.success, outcome.reason
        more = pl.concat([traffic("later", 400, 3, seed=2, after_days=28), fan_in("ring", 30.5)])
        later = project.ingest(more.sort("occurred_at"), "second.parquet")
    return Trained(project, learned, later, unscored)


def _calm_latency(call: Callable[[int], object]) -> Latency:
    call(0)
    return Latency(p50_ms=1.0, p99_ms=1.0, calls=1)
