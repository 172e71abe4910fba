"""A lake that an earlier release wrote: it stays readable, and what is too old is named."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fraud_assets import layers
from fraud_assets.feeds import load_feeds
from fraud_assets.report import status_lines
from fraud_assets.scoring import scorer_of
from fraud_assets.training import NotTrainable, assess
from gpu_ops.matrices import IDENTIFIERS

if TYPE_CHECKING:
    from resources.manifests import Manifest
    from tests.assets.conftest import Project, ProjectOf, Trained

NEW_FEATURE = "payee_known_frauds_30d_delay_7d"
NEW_SCORES = [
    "fraud_margin",
    "decision",
    "model_version",
    "contributions",
    "challenger_probability",
    "challenger_version",
]


def rewritten(
    project: "Project", asset: str, key: str, dropped: list[str], inputs: dict[str, str]
) -> "Manifest":
    """The table of an upload as a release published it that knew fewer columns."""
    before = project.manifest(asset, key)
    attempt = project.versions.begin(layers.upload_slot(asset, "sim", key), "earlier-release")
    attempt.write_table(project.table(asset, key).drop(dropped))
    return project.versions.publish(attempt, inputs={**before.inputs, **inputs})


@pytest.fixture
def upgraded(trained: "Trained", copy_of: "ProjectOf") -> "Project":
    """The earlier upload is of an earlier release, the later one of this one."""
    project = copy_of(trained.project)
    prepped = rewritten(
        project, "prepped_transactions", trained.learned, [NEW_FEATURE], {"catalogue": "of before"}
    )
    made_of = {prepped.slot: prepped.content_id}
    rewritten(project, "augmented_transactions", trained.learned, NEW_SCORES, made_of)
    return project


def test_tables_of_two_releases_are_read_as_one(upgraded: "Project", trained: "Trained") -> None:
    project = upgraded
    upgraded.must("account_graph", "transaction_alerts")
    graph = project.manifest("account_graph")
    assert graph.inputs["refresh"]
    alerts = project.table("transaction_alerts")
    flagged = {
        key: project.table("augmented_transactions", key).filter("may_alert").height
        for key in (trained.learned, trained.later)
    }
    assert min(flagged.values()) > 0
    assert alerts.height == sum(flagged.values())

    both = project.versions.scan_all(
        [
            project.manifest("augmented_transactions", key)
            for key in (trained.learned, trained.later)
        ]
    ).collect()
    old = project.manifest("augmented_transactions", trained.learned).rows
    assert both["fraud_margin"].is_null().to_list() == [True] * old + [False] * (both.height - old)

    # Features of two catalogues make neither a model nor a forest together.
    feed = load_feeds(project.settings.feeds_dir)["sim"]
    found = assess(project.versions, feed, project.settings, datetime(2026, 5, 1, tzinfo=UTC))
    assert isinstance(found, NotTrainable)
    assert found.reason == (
        "1 of its 2 uploads have features of another catalogue than this version's; make them "
        "anew: fraud-assets run --backfill"
    )
    states = project.states()
    assert (states[trained.learned].is_stale, states[trained.later].is_stale) == (True, False)
    told = "\n".join(status_lines([*states.values()], project.versions, [], ["sim"]))
    assert "a change of its feed or of the features; run --backfill" in " ".join(told.split())


def test_a_forest_is_fitted_on_features_of_one_release(
    upgraded: "Project", trained: "Trained"
) -> None:
    versions = upgraded.versions
    for key in (trained.learned, trained.later):
        prepped = upgraded.manifest("prepped_transactions", key)
        # No upload has these columns, so there is nothing to fit on.
        other = prepped.model_copy(update={"columns": {**prepped.columns, "of another": "Int64"}})
        assert scorer_of(versions, "sim", f"a-{key}", upgraded.settings, other).forest is None
    old = upgraded.manifest("prepped_transactions", trained.learned)
    scorer = scorer_of(versions, "sim", "a-run", upgraded.settings, old)
    assert scorer.model is None
    assert NEW_FEATURE in scorer.refused[0]
    assert scorer.forest is not None
    assert set(scorer.forest.columns) == set(old.columns) - set(IDENTIFIERS)
