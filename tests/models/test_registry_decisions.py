from pathlib import Path

import pytest

from gpu_ops.gate import GateBounds, Status, Verdict
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.registry_decisions import DecisionRefusedError, approve, rollback
from resources.versions import Versions

APPROVED = Verdict(Status.APPROVED, ("good",), bounds=GateBounds(min_positives=7))
PENDING = Verdict(Status.PENDING, ("few frauds",))
REJECTED = Verdict(Status.REJECTED, ("too weak",))


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    """Three versions: approved, held, rejected; one that nobody judged; one that was cut off."""
    versions = Versions(Lake.open(str(tmp_path)))
    registry = ModelRegistry(versions)
    for number, verdict in enumerate((APPROVED, PENDING, REJECTED, None), start=1):
        attempt = versions.begin(registry.slot("sim"), f"run{number}")
        attempt.write_bytes("booster.ubj", b"model %d" % number)
        versions.publish(attempt, inputs={})
        if verdict is not None:
            registry.register("sim", number, verdict, "gate")
    # A training that was killed between writing and publishing.
    versions.begin(registry.slot("sim"), "killed").write_bytes("booster.ubj", b"half")
    return registry


def champion(registry: ModelRegistry) -> int | None:
    found = registry.champion("sim")
    return None if found is None else found.version


def test_the_challenger_is_the_newest_after_the_champion_that_is_not_rejected(
    registry: ModelRegistry,
) -> None:
    def challenger() -> int | None:
        found = registry.challenger("sim")
        return None if found is None else found.version

    assert challenger() == 4
    latest = registry.latest("sim")
    assert latest is not None
    assert latest.version == 4
    registry.register("sim", 4, REJECTED, "gate")
    assert challenger() == 2
    registry.register("sim", 3, APPROVED, "gate")
    assert challenger() is None
    assert registry.challenger("card") is None


def test_a_person_approves_what_was_held_and_the_log_says_who_and_why(
    registry: ModelRegistry,
) -> None:
    assert registry.list("sim")[0].bounds == GateBounds(min_positives=7)
    approve(registry, registry.get("sim", 2), " ann ", "seen on March's cases")
    assert champion(registry) == 2
    entry = registry.list("sim")[-1]
    assert (entry.by, entry.reasons) == ("ann", ("seen on March's cases",))
    assert (entry.overrides, entry.bounds, entry.is_a_persons) == (Status.PENDING, None, True)
    with pytest.raises(DecisionRefusedError, match="sim-2 is the champion already"):
        approve(registry, registry.get("sim", 2), "ann", "again")
    # A former champion, too: the newest decision wins.
    approve(registry, registry.get("sim", 1), "bob", "it was better")
    assert champion(registry) == 1


def test_a_rejected_model_needs_a_word_more_and_it_is_logged(registry: ModelRegistry) -> None:
    model = registry.get("sim", 3)
    with pytest.raises(DecisionRefusedError, match=r"rejected by gate: too weak.*--despite-rejec"):
        approve(registry, model, "ann", "no other")
    assert champion(registry) == 1
    approve(registry, model, "ann", "no other", despite_rejection=True)
    assert champion(registry) == 3
    assert registry.list("sim")[-1].overrides is Status.REJECTED


@pytest.mark.parametrize(
    ("by", "reason", "told"),
    [
        ("", "why", "the name must be 1 to 500"),
        ("ann", "  ", "the reason must be"),
        ("ann\nbob", "why", "the name must be"),
        ("Gate", "why", "'Gate' is no person"),
    ],
)
def test_who_and_why_are_asked_for(
    registry: ModelRegistry, by: str, reason: str, told: str
) -> None:
    before = registry.list("sim")
    with pytest.raises(DecisionRefusedError, match=told):
        approve(registry, registry.get("sim", 2), by, reason)
    with pytest.raises(DecisionRefusedError, match=told):
        rollback(registry, "sim", by, reason, allow_none=True)
    assert registry.list("sim") == before


def test_a_rollback_goes_to_the_champion_before(registry: ModelRegistry) -> None:
    approve(registry, registry.get("sim", 2), "ann", "good")
    approve(registry, registry.get("sim", 4), "ann", "better")
    _, now = rollback(registry, "sim", "bob", "slow")
    assert now is not None
    assert (now.version, champion(registry)) == (2, 2)
    entry, now = rollback(registry, "sim", "bob", "alerts doubled")
    assert now is not None
    assert (now.version, champion(registry)) == (1, 1)
    assert (entry.version, entry.status, entry.by) == (2, Status.REJECTED, "bob")
    assert entry.reasons == ("rolled back: alerts doubled",)
    with pytest.raises(DecisionRefusedError, match="no champion before sim-1; with --allow-none"):
        rollback(registry, "sim", "bob", "worse still")
    assert champion(registry) == 1
    rollback(registry, "sim", "bob", "worse still", allow_none=True)
    assert champion(registry) is None
    with pytest.raises(DecisionRefusedError, match="nothing to take back"):
        rollback(registry, "sim", "bob", "again", allow_none=True)
    assert [(one.version, one.by) for one in registry.list("sim")] == [
        (1, "gate"),
        (2, "gate"),
        (3, "gate"),
        (2, "ann"),
        (4, "ann"),
        (4, "bob"),
        (2, "bob"),
        (1, "bob"),
    ]


def test_a_damaged_model_is_not_put_in_charge(registry: ModelRegistry) -> None:
    approve(registry, registry.get("sim", 2), "ann", "good")
    first = registry.get("sim", 1)
    first.versions.lake.put(first.manifest.key_of("booster.ubj"), b"model X")
    with pytest.raises(DecisionRefusedError, match=r"sim-1 is damaged.*another content"):
        rollback(registry, "sim", "bob", "why")
    with pytest.raises(DecisionRefusedError, match="sim-1 is damaged"):
        approve(registry, first, "bob", "why")
    assert champion(registry) == 2
