"""The code location: what it holds, what loading it needs, and who may import whom."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fraud_assets import step_rows
from fraud_assets.definitions import ASSETS, build
from resources.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("fraud_assets", "gpu_ops", "resources", "schedules", "simulator")

# Name: group, pool, partitions, upstream assets, checks.
GRAPH: dict[str, tuple[str, str | None, str | None, list[str], list[str]]] = {
    "raw_transactions": ("raw", None, "uploads", [], ["contract", "received_is_accounted_for"]),
    "raw_labels": (
        "raw",
        None,
        "label_uploads",
        ["raw_transactions"],
        ["agrees_with_other_labels", "contract", "received_is_accounted_for"],
    ),
    "prepped_transactions": (
        "prepped",
        "gpu",
        "uploads",
        ["raw_labels", "raw_transactions"],
        ["contract", "same_rows_as_raw"],
    ),
    "augmented_transactions": (
        "augmented",
        "gpu",
        "uploads",
        ["prepped_transactions", "raw_transactions"],
        ["contract", "models_fit", "same_rows_as_raw"],
    ),
    "account_graph": ("graph", "gpu", None, ["augmented_transactions"], ["contract"]),
    "account_features": ("graph", "gpu", None, ["account_graph"], ["contract"]),
    "fraud_rings": (
        "graph",
        "gpu",
        None,
        ["account_features", "account_graph", "augmented_transactions"],
        ["contract"],
    ),
    "transaction_alerts": (
        "alerts",
        None,
        None,
        ["account_graph", "augmented_transactions"],
        ["contract"],
    ),
    "ring_alerts": ("alerts", None, None, ["fraud_rings"], ["contract"]),
    "published_alerts": (
        "alerts",
        None,
        None,
        ["ring_alerts", "transaction_alerts"],
        ["contract", "none_withdrawn", "within_capacity"],
    ),
    "cases": (
        "alerts",
        None,
        None,
        ["published_alerts"],
        ["contract", "every_alert_has_its_place"],
    ),
    "training_set": (
        "model",
        None,
        None,
        ["prepped_transactions", "raw_transactions"],
        ["contract"],
    ),
    "fraud_model": ("model", "gpu", None, ["training_set"], []),
    "model_evaluation": ("model", None, None, ["fraud_model", "training_set"], ["contract"]),
    "registered_model": ("model", None, None, ["model_evaluation"], []),
    "drift_report": (
        "model",
        None,
        None,
        ["augmented_transactions", "prepped_transactions", "raw_transactions"],
        ["contract", "drift_check"],
    ),
}
JOBS = {
    "ingest_upload": {"raw_transactions", "prepped_transactions", "augmented_transactions"},
    "ingest_labels": {"raw_labels"},
    "score_upload": {"augmented_transactions"},
    "refresh_alerts": {
        "account_graph",
        "account_features",
        "fraud_rings",
        "transaction_alerts",
        "ring_alerts",
        "published_alerts",
        "drift_report",
    },
    "report_drift": {"drift_report"},
    "take_in_cases": {"cases"},
    "train_model": {"training_set", "fraud_model", "model_evaluation", "registered_model"},
    "clean_lake": set[str](),
}
HEAVY = (
    "sklearn",
    "scipy",
    "numba",
    "xgboost",
    "matplotlib",
    "graspologic_native",
    "cudf",
    "cuml",
    "cugraph",
    "boto3",
    "moto",
    "simulator",
)
MAY_IMPORT = {
    "gpu_ops": set[str](),
    "resources": {"gpu_ops"},
    "simulator": {"gpu_ops"},
    "fraud_assets": {"resources", "gpu_ops"},
    "schedules": {"fraud_assets", "resources", "gpu_ops"},
}
SEE_EVERYTHING = {"fraud_assets/definitions.py", "fraud_assets/cli.py"}

LOAD_WITHOUT_NETWORK = """
import json, socket, sys

def refuse(*_arguments, **_options):
    raise OSError("the network was asked for")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import dagster as dg
from fraud_assets import step_rows
from fraud_assets.definitions import defs
loaded = defs()
dg.Definitions.validate_loadable(loaded)
assets = [key.to_user_string() for key in loaded.resolve_asset_graph().get_all_asset_keys()]
modules = {name.split(".")[0] for name in sys.modules}
print(json.dumps({"assets": sorted(assets), "modules": sorted(modules)}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Assets and imported packages after loading in a bare process."""
    folder = tmp_path_factory.mktemp("bare")
    done = subprocess.run(
        [sys.executable, "-c", LOAD_WITHOUT_NETWORK],
        cwd=folder,
        env={"HOME": str(folder), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "loading the code location wrote something"
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build(Settings(lake=str(tmp_path_factory.mktemp("unused") / "lake")))


def test_it_loads_without_network_environment_or_lake(loaded: dict[str, list[str]]) -> None:
    assert loaded["assets"] == sorted(GRAPH)


def test_loading_imports_nothing_heavy(loaded: dict[str, list[str]]) -> None:
    assert [name for name in HEAVY if name in loaded["modules"]] == []


def test_the_asset_graph_is_the_reviewed_one() -> None:
    found = {
        spec.key.to_user_string(): (
            spec.group_name,
            asset.op.pool,
            getattr(asset.partitions_def, "name", None),
            sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            sorted(check.name for check in asset.check_specs),
        )
        for asset in ASSETS
        for spec in asset.specs
    }
    assert found == GRAPH


def test_the_heavy_assets_are_those_that_may_run_on_batch() -> None:
    heavy = {
        asset.key.to_user_string() for asset in ASSETS if "batch" in asset.required_resource_keys
    }
    assert heavy == {name for name, (_, pool, *_) in GRAPH.items() if pool == "gpu"}
    assert heavy == set(step_rows.COUNTED)


def test_every_check_blocks_but_three() -> None:
    checks = [check for asset in ASSETS for check in asset.check_specs]
    assert len(checks) == 24
    assert all(check.description for check in checks)
    # Which of two uploads is wrong nobody can tell: both stay, and neither label counts.
    # Without a model that fits, anomaly scores and rules still speak.
    # What drift tells is about the world, not about the report.
    warning = {one.name for one in checks if not one.blocking}
    assert warning == {"agrees_with_other_labels", "models_fit", "drift_check"}


def test_jobs_sensors_and_schedules_are_the_reviewed_ones(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {
        job.name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    assert jobs == JOBS
    assert {(one.name, one.job_name) for one in repository.schedule_defs} == {
        ("nightly_training", "train_model"),
        ("nightly_drift", "report_drift"),
        ("nightly_cleaning", "clean_lake"),
    }
    targets = {
        (sensor.name, target.job_name)
        for sensor in repository.sensor_defs
        for target in sensor.targets
    }
    assert targets == {
        ("uploads_sensor", "ingest_upload"),
        ("labels_sensor", "ingest_labels"),
        ("labels_sensor", "ingest_upload"),
        ("first_model_sensor", "score_upload"),
        ("refresh_sensor", "refresh_alerts"),
        ("cases_sensor", "take_in_cases"),
        ("drift_retraining", "train_model"),
    }
    assert {one.name for one in repository.sensor_defs} - {name for name, _ in targets} == {
        "failure_sensor",
        "delivery_sensor",
    }


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.key.to_user_string())
def test_an_analyst_can_read_what_an_asset_is(asset: dg.AssetsDefinition) -> None:
    (spec,) = asset.specs
    assert spec.description is not None
    assert spec.description.endswith(".")
    assert len(spec.description.split()) >= 12
    # Plain words: no code, no names with underscores, no docstring sections.
    assert re.search(r"[`_()\[\]{}<>]|Args:|Returns:|Raises:", spec.description) is None
    assert spec.kinds
    assert spec.code_version
    assert all(re.fullmatch(r"team:fraud-[a-z-]+", owner) for owner in spec.owners)
    assert spec.owners


def _imports(path: Path) -> set[str]:
    """First names of all modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    files = sorted((REPOSITORY / package).rglob("*.py"))
    assert files
    allowed = MAY_IMPORT[package] | {package}
    wrong = {
        str(name): sorted(strangers)
        for path in files
        if str(name := path.relative_to(REPOSITORY)) not in SEE_EVERYTHING
        if (strangers := (_imports(path) & set(PACKAGES)) - allowed)
    }
    assert wrong == {}


def test_the_maths_knows_neither_dagster_nor_the_world() -> None:
    outside = {"dagster", "pydantic_settings", "obstore", "boto3", "click"}
    wrong = {
        path.name: sorted(found)
        for path in (REPOSITORY / "gpu_ops").rglob("*.py")
        if (found := _imports(path) & outside)
    }
    assert wrong == {}
