"""What `deploy/aws/dagster.yaml` says is what Dagster makes of it; nothing is connected to."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster_aws.s3 import S3ComputeLogManager

REPOSITORY: Final = Path(__file__).resolve().parents[2]
FILE: Final = REPOSITORY / "deploy" / "aws" / "dagster.yaml"
ENVIRONMENT: Final = {
    "DAGSTER_PG_HOST": "database.internal",
    "DAGSTER_PG_USER": "dagster",
    "DAGSTER_PG_PASSWORD": "of-these-tests",
    "DAGSTER_PG_DB": "runs",
    "DAGSTER_LOGS_BUCKET": "logs-of-tests",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copyfile(FILE, tmp_path / "dagster.yaml")
    return tmp_path


@pytest.fixture
def without_postgres(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The same instance on SQLite; everything but the storage is as in the file."""
    config = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    config["storage"] = {"sqlite": {"base_dir": str(tmp_path)}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


def test_runs_and_events_are_kept_in_postgres(home: Path) -> None:
    storage = InstanceRef.from_dir(str(home)).storage_data
    assert storage is not None
    assert (storage.module_name, storage.class_name) == (
        "dagster_postgres",
        "DagsterPostgresStorage",
    )
    (database,) = storage.config_dict.values()
    assert database == {
        "hostname": {"env": "DAGSTER_PG_HOST"},
        "username": {"env": "DAGSTER_PG_USER"},
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "db_name": {"env": "DAGSTER_PG_DB"},
        "port": 5432,
        "scheme": "postgresql+psycopg2",
        "params": {"sslmode": "require"},
    }


def test_the_file_holds_no_secret() -> None:
    assert "of-these-tests" not in FILE.read_text(encoding="utf-8")


def test_output_of_runs_goes_to_s3(home: Path) -> None:
    found = InstanceRef.from_dir(str(home)).compute_logs_data
    assert found is not None
    manager = found.rehydrate(as_type=S3ComputeLogManager)
    assert manager.upload_interval == 30
    assert manager._s3_bucket == "logs-of-tests"
    assert manager._s3_prefix == "dagster/compute-logs"


@pytest.mark.parametrize(
    ("place", "misspelt"),
    [
        ("compute_logs", "compute_log"),
        ("max_runtime_seconds", "max_run_time_seconds"),
        ("default_limit", "default"),
        ("applyLimitPerUniqueValue", "apply_limit_per_unique_value"),
        ("local_startup_timeout", "startup_timeout"),
        ("    postgres_db:", "    postgres_database:"),
        ("db_name", "database"),
    ],
)
def test_a_misspelt_setting_is_refused(home: Path, place: str, misspelt: str) -> None:
    """So the file as it stands has none: the schema is Dagster's own."""
    dagster_instance_config(str(home))
    text = FILE.read_text(encoding="utf-8")
    assert place in text
    (home / "dagster.yaml").write_text(text.replace(place, misspelt), encoding="utf-8")
    with pytest.raises(dg.DagsterInvalidConfigError):
        dagster_instance_config(str(home))


def test_runs_are_limited_and_watched(without_postgres: dg.DagsterInstance) -> None:
    limits = without_postgres.get_concurrency_config()
    assert limits.run_queue_config is not None
    assert limits.run_queue_config.max_concurrent_runs == 10
    assert limits.pool_config.default_pool_limit == 4
    assert without_postgres.run_monitoring_max_runtime_seconds == 43_200
    assert without_postgres.telemetry_enabled is False


def test_what_the_laptop_needs_for_correct_results_holds_here_too() -> None:
    laptop = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))
    aws = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert (
        aws["concurrency"]["runs"]["tag_concurrency_limits"]
        == laptop["concurrency"]["runs"]["tag_concurrency_limits"]
    )
    for same in ("run_retries", "retention", "telemetry", "nux"):
        assert aws[same] == laptop[same]
