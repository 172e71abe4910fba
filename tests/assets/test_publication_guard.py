"""What is asked just before a version of an upload becomes visible, and what comes with it."""

from dataclasses import replace

import dagster as dg
import pytest

from fraud_assets import layers, publication, raw
from fraud_assets.feeds import ReadResult, read_upload
from resources.versions import Attempt, Manifest, Versions
from tests.assets.conftest import Project

FILE = "\n".join(
    [
        "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud",
        *(f"o-{n},2026-03-{n:02d}T08:00:00Z,payment,{n}.5,EUR,ann,shop," for n in range(1, 21)),
        "x-bad,2026-03-21T10:00:00Z,transfer,many,EUR,ann,bob,",
    ]
)
LEASE = "leases/feed-sim"


@pytest.fixture
def key(project: Project) -> str:
    """An upload of 20 good rows and a bad one."""
    return project.land(FILE, "week.csv")


def succeed(project: Project) -> None:
    """Let another process take the lease of the feed."""
    names = [info.key.rsplit("/", 1)[-1] for info in project.lake.list(LEASE)]
    number = max(int(name.removesuffix(".json")) for name in names if name.endswith(".json"))
    claim = project.lake.get(f"{LEASE}/{number}.json")
    project.lake.put(f"{LEASE}/{number + 1}.json", claim)


def quarantined(project: Project, key: str) -> int | None:
    """Rows in the visible quarantine of an upload; None without one."""
    manifest = project.versions.latest(layers.quarantine_slot("sim", key))
    return None if manifest is None else manifest.rows


@pytest.mark.parametrize("asset", ["raw_transactions", "prepped_transactions"])
def test_a_run_whose_lease_was_succeeded_while_it_slept_publishes_nothing(
    project: Project, key: str, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asset == "prepped_transactions":
        project.must("raw_transactions", key=key)
    refuse_failed = publication.refuse_failed

    def asleep(checks: list[dg.AssetCheckResult]) -> None:
        refuse_failed(checks)
        succeed(project)

    with monkeypatch.context() as patch:
        patch.setattr(publication, "refuse_failed", asleep)
        outcome = project.make(asset, key)
    assert outcome.reason == "Another process took over the feed sim meanwhile; run it again."
    assert project.versions.latest(layers.upload_slot(asset, "sim", key)) is None
    if asset == "raw_transactions":
        assert quarantined(project, key) is None
    project.lake.delete([info.key for info in project.lake.list(LEASE)])
    project.must(asset, key=key)
    assert project.table(asset, key).height == 20


def test_rows_that_a_failed_check_rejected_leave_the_quarantine_alone(
    project: Project, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_upload

    def lossy(*arguments: object, **options: object) -> ReadResult:
        read = whole(*arguments, **options)  # type: ignore[arg-type] # passed on
        return replace(read, table=read.table.head(read.rows - 1))

    monkeypatch.setattr(raw, "read_upload", lossy)
    outcome = project.make("raw_transactions", key)
    assert "20 of 21 received rows are accounted for" in outcome.reason
    assert quarantined(project, key) is None


def test_killed_between_quarantine_and_rows_the_next_run_makes_both(
    project: Project, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Versions.publish

    def killed(versions: Versions, attempt: Attempt, **options: object) -> Manifest:
        if attempt.slot.prefix.startswith("raw/"):
            raise RuntimeError("killed")
        return whole(versions, attempt, **options)  # type: ignore[arg-type] # passed on

    with monkeypatch.context() as patch:
        patch.setattr(Versions, "publish", killed)
        assert "killed" in project.make("raw_transactions", key).reason
    assert quarantined(project, key) == 1
    assert project.states()[key].is_due
    project.must("raw_transactions", key=key)
    assert project.manifest("raw_transactions", key).extra["quarantined"] == 1
    assert project.versions.all_numbers(layers.quarantine_slot("sim", key)) == [1]
