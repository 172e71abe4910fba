"""One lake, one kept Dagster instance, and ticks of what the code location holds."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dagster as dg
import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.definitions import build
from fraud_assets.feeds import load_feeds
from fraud_assets.partitions import UPLOADS
from fraud_assets.uploads import Upload, Uploads
from resources.settings import Settings
from resources.versions import Manifest, Slot, Versions

if TYPE_CHECKING:
    from dagster._core.definitions.schedule_definition import ScheduleExecutionData
    from dagster._core.definitions.sensor_definition import SensorExecutionData

LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Automation:
    """A project whose sensors and schedule are evaluated by hand."""

    folder: Path
    instance: dg.DagsterInstance
    settings: Settings

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def definitions(self) -> dg.Definitions:
        return build(self.settings)

    @property
    def versions(self) -> Versions:
        return Versions(self.settings.open_lake())

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.settings.open_lake(), load_feeds(None))

    def configure(self, **changes: object) -> None:
        """Other settings from now on."""
        self.settings = self.settings.model_copy(update=changes)

    def tick(self, sensor: str, cursor: str | None = None) -> "SensorExecutionData":
        """One evaluation of a sensor with the code location's own resources."""
        definitions = self.definitions
        context = dg.build_sensor_context(
            instance=self.instance,
            # Without it the keys of dynamic partitions cannot be looked up.
            instance_ref=self.instance.get_ref(),
            cursor=cursor,
            definitions=definitions,
            sensor_name=sensor,
            resources=dict(definitions.resources or {}),
        )
        return definitions.resolve_sensor_def(sensor).evaluate_tick(context)

    def night(self, schedule: str = "nightly_training") -> "ScheduleExecutionData":
        """One evaluation of a nightly schedule."""
        definitions = self.definitions
        context = dg.build_schedule_context(
            instance=self.instance,
            repository_def=definitions.get_repository_def(),
            resources=dict(definitions.resources or {}),
        )
        return definitions.resolve_schedule_def(schedule).evaluate_tick(context)

    def drop(self, path: str, content: str = "a\n1\n", *, changed: float | None = LONG_AGO) -> Path:
        """Write a file below landing/, as any program would; `changed` is its time of change."""
        file = self.lake / "landing" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        if changed is not None:
            os.utime(file, (changed, changed))
        return file

    def register(self) -> list[Upload]:
        """What the command line does with landed files."""
        return self.uploads.discover().new

    def publish(
        self, slot: Slot, table: Mapping[str, object], inputs: dict[str, str] | None = None
    ) -> Manifest:
        """A version with a small table, made by nobody's code."""
        attempt = self.versions.begin(slot, "seeded")
        attempt.write_table(pl.DataFrame(dict(table)))
        return self.versions.publish(attempt, inputs=inputs or {})

    def score(self, key: str, feed: str = "sim", *, model: str = "none", value: int = 1) -> None:
        """A scored version of an upload; another `value` is another content."""
        slot = layers.upload_slot("augmented_transactions", feed, key)
        self.publish(slot, {"value": [value]}, {"model": model})

    def run(self, job: str, key: str | None = None) -> dg.ExecuteInProcessResult:
        """Run a job to its end, whether it succeeds or not."""
        if key is not None:
            self.instance.add_dynamic_partitions(str(UPLOADS.name), [key])
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=key, run_config=_QUIET, raise_on_error=False
        )

    def outbox(self) -> dict[str, dict[str, str]]:
        """The failures that were told, by run id."""
        files = (self.lake / "outbox" / "failures").glob("*.json")
        return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def _open(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(
        str(home), overrides={"telemetry": {"enabled": False}, "nux": {"enabled": False}}
    )


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of a new instance; making them takes two seconds."""
    home = tmp_path_factory.mktemp("home")
    with _open(home) as instance:
        instance.get_runs_count()
        instance.get_dynamic_partitions(str(UPLOADS.name))
        instance.all_instigator_state()
    return home


@pytest.fixture
def automation(tmp_path: Path, empty_home: Path) -> Iterator[Automation]:
    shutil.copytree(empty_home, tmp_path / "home")
    with _open(tmp_path / "home") as instance:
        yield Automation(tmp_path, instance, Settings(lake=str(tmp_path / "lake"), threads=1))
