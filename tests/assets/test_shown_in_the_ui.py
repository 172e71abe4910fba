"""What the UI shows of every asset: rows, columns and their meaning, lineage, a preview."""

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import dagster as dg
import pytest
from dagster import DagsterEventType

from fraud_assets import layers
from fraud_assets.definitions import ASSETS
from fraud_assets.partitions import LABEL_UPLOADS
from gpu_ops.features import CATALOGUE
from resources.manifests import Manifest

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Trained

Shown: TypeAlias = Mapping[str, Mapping[str, dg.MetadataValue]]

NAMES = [asset.key.to_user_string() for asset in ASSETS]
MADE_OF = {
    "raw_transactions": set[str](),
    "raw_labels": {"raw_transactions"},
    "prepped_transactions": {"raw_transactions"},
    "augmented_transactions": {"raw_transactions", "prepped_transactions"},
    "account_graph": {"augmented_transactions"},
    "account_features": {"account_graph"},
    "fraud_rings": {"augmented_transactions", "account_features"},
    "transaction_alerts": {"augmented_transactions"},
    "ring_alerts": {"fraud_rings"},
    "published_alerts": {"transaction_alerts", "ring_alerts"},
    "cases": {"published_alerts"},
    "training_set": {"raw_transactions", "prepped_transactions"},
    "fraud_model": {"training_set"},
    "model_evaluation": {"training_set", "fraud_model"},
    "registered_model": {"model_evaluation"},
    "drift_report": {"prepped_transactions", "augmented_transactions"},
}
WHOLLY_TRACED = NAMES[NAMES.index("account_graph") :]


def shown_by(project: "Project", run_id: str) -> Shown:
    """The metadata of a run's materializations, by asset."""
    events = [log.dagster_event for log in project.instance.all_logs(run_id)]
    found = [
        one.step_materialization_data.materialization
        for one in events
        if one is not None and one.event_type is DagsterEventType.ASSET_MATERIALIZATION
    ]
    return {one.asset_key.to_user_string(): one.metadata for one in found}


@pytest.fixture(scope="module")
def refreshed(trained: "Trained", session_project_of: "ProjectOf") -> "Project":
    """The trained project with graph, rings and alerts."""
    project = session_project_of("shown")
    shutil.copytree(trained.project.folder / "lake", project.folder / "lake")
    for job in ("refresh_alerts", "take_in_cases"):
        outcome = project.run(job)
        assert outcome.success, outcome.reason
    return project


@pytest.fixture(scope="module")
def labelled(refreshed: "Project") -> Manifest:
    """Two labels of the refreshed project's transactions that arrived apart from them."""
    file = refreshed.folder / "verdicts.csv"
    file.write_text(
        "transaction_id,is_fraud,known_at,source\n"
        "later-00001,fraud,2026-05-01T00:00:00Z,chargeback\n"
        "later-00002,genuine,2026-05-01T00:00:00Z,analyst\n"
    )
    refreshed.uploads.land(file, "sim", labels=True)
    (upload,) = refreshed.uploads.discover().new
    refreshed.instance.add_dynamic_partitions(str(LABEL_UPLOADS.name), [upload.key])
    refreshed.must("raw_labels", key=upload.key)
    manifest = refreshed.versions.latest(layers.label_slot("sim", upload.key))
    assert manifest is not None
    return manifest


@pytest.fixture(scope="module")
def shown(refreshed: "Project", labelled: Manifest, trained: "Trained") -> Shown:
    """What the UI shows of every asset after the whole path."""
    manifests = [
        refreshed.manifest("raw_transactions", trained.later),
        labelled,
        refreshed.manifest("training_set"),
        refreshed.manifest("published_alerts"),
        refreshed.manifest("cases"),
    ]
    return {
        name: metadata
        for manifest in manifests
        for name, metadata in shown_by(refreshed, manifest.run_id).items()
    }


def columns_of(shown: Shown, name: str) -> dict[str, dg.TableColumn]:
    schema = shown[name]["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchemaMetadataValue)
    return {column.name: column for column in schema.schema.columns}


def sources_of(shown: Shown, name: str) -> Mapping[str, list[dg.TableColumnDep]]:
    lineage = shown[name].get("dagster/column_lineage")
    if lineage is None:
        return {}
    assert isinstance(lineage, dg.TableColumnLineageMetadataValue)
    return {
        column: list(sources) for column, sources in lineage.column_lineage.deps_by_column.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_described(shown: Shown, name: str) -> None:
    columns = columns_of(shown, name)
    assert columns
    assert [one.name for one in columns.values() if not one.description or not one.type] == []


@pytest.mark.parametrize("name", [*layers.UPLOAD_LAYERS, *layers.SNAPSHOTS])
def test_no_stored_column_is_left_out(
    shown: Shown, refreshed: "Project", trained: "Trained", name: str
) -> None:
    key = trained.later if name in layers.UPLOAD_LAYERS else None
    stored = refreshed.manifest(name, key).columns
    assert list(columns_of(shown, name)) == list(stored)


def test_no_stored_column_of_labels_is_left_out(shown: Shown, labelled: Manifest) -> None:
    assert list(columns_of(shown, "raw_labels")) == list(labelled.columns)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_count_and_a_preview_that_fits_the_columns(shown: Shown, name: str) -> None:
    rows = shown[name]["dagster/row_count"].value
    assert isinstance(rows, int)
    assert rows > 0
    header, _, *lines = str(shown[name]["preview"].value).splitlines()
    named = [cell.strip() for cell in header.strip("|").split("|")]
    assert set(named) <= columns_of(shown, name).keys()
    assert 1 <= len(lines) <= 8
    assert {line.count(" | ") for line in lines} == {len(named) - 1}


@pytest.mark.parametrize("name", NAMES)
def test_lineage_leads_to_columns_of_its_parents(shown: Shown, name: str) -> None:
    sources = sources_of(shown, name)
    assert sources.keys() <= columns_of(shown, name).keys()
    deps = [dep for found in sources.values() for dep in found]
    parents = {dep.asset_key.to_user_string() for dep in deps}
    assert parents == MADE_OF[name]
    (spec,) = next(asset.specs for asset in ASSETS if asset.key == dg.AssetKey(name))
    assert parents <= {dep.asset_key.to_user_string() for dep in spec.deps}
    for dep in deps:
        upstream = columns_of(shown, dep.asset_key.to_user_string())
        assert dep.column_name in upstream, dep


@pytest.mark.parametrize("name", WHOLLY_TRACED)
def test_every_column_that_comes_from_upstream_is_traced(shown: Shown, name: str) -> None:
    # Constants of the asset itself, and names that no table holds.
    own = {
        "transaction_alerts": {"alert_type", "published_in"},
        "ring_alerts": {"alert_type", "published_in"},
        # What people decide is in no table.
        "cases": {
            "case_state",
            "opened_at",
            "due_at",
            "escalated",
            "assignee",
            "case_verdict",
            "judged_transaction_ids",
            "closed_at",
            "closed_by",
            "close_reason",
            "follows",
            "merged_into_case",
            "case_version",
        },
        "training_set": {"feed"},
        "fraud_model": {"feature"},
        "model_evaluation": {"metric"},
        "drift_report": {"model", "column"},
    }
    untraced = columns_of(shown, name).keys() - sources_of(shown, name).keys()
    assert untraced == own.get(name, set())


def test_the_model_is_shown_by_the_features_that_it_rests_on(shown: Shown) -> None:
    told = shown["fraud_model"]
    # The catalogue's features and the forest's score.
    assert told["dagster/row_count"].value == len([*CATALOGUE]) + 1
    header, _, *lines = str(told["preview"].value).splitlines()
    assert header == "| feed | feature | gain | gain_share | splits |"
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    shares = [float(row[3]) for row in cells]
    assert shares == sorted(shares, reverse=True)
    # Frauds of the made traffic show in their amounts.
    assert "amount" in cells[0][1]
    assert shares[0] > 0.2
    assert all(int(row[4]) >= 1 for row in cells)
    trained_on = told["sim_train_rows"].value
    assert isinstance(trained_on, int)
    assert trained_on > 1_000


def test_the_verdict_is_shown_figure_by_figure(shown: Shown) -> None:
    told = shown["registered_model"]
    _, _, *lines = str(told["preview"].value).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert told["dagster/row_count"].value == 6
    assert [row[3] for row in cells] == [
        "roc_auc",
        "average_precision",
        "positives",
        "calibration_slope",
        "mean_score_ratio",
        "p99_latency_ms",
    ]
    assert {(row[0], row[1], row[2], row[7]) for row in cells} == {
        ("sim", "sim-1", "Approved", "Approved")
    }
    assert cells[0][6] == ">= 0.7000"
    assert float(cells[0][4]) > 0.7
    # There was no champion to compare the first model with.
    assert {row[5] for row in cells} == {""}
