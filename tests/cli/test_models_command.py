"""`fraud-assets models`: what is there, and what a person decides."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from gpu_ops.gate import Status, Verdict
from resources.lake import Lake
from resources.model_store import CARD_FILE
from resources.registry import ModelRegistry
from resources.versions import Versions

Cli = Callable[..., Result]


def challenged(place: Path) -> None:
    """A second version of the only model, which the gate held."""
    versions = Versions(Lake.open(str(place / "lake")))
    registry = ModelRegistry(versions)
    first = registry.get("sim", 1)
    attempt = versions.begin(registry.slot("sim"), "second")
    for file in first.manifest.files:
        data = versions.read_bytes(first.manifest, file.name)
        attempt.write_bytes(file.name, data + b"\n" if file.name == CARD_FILE else data)
    versions.publish(attempt, inputs={"made": "again"}, extra=first.manifest.extra)
    registry.register("sim", 2, Verdict(Status.PENDING, ("few frauds",)), by="gate")


def test_list_show_approve_and_rollback(cli: Cli, copied: Path) -> None:
    challenged(copied)

    def roles() -> list[tuple[str, str | None, str, str]]:
        told = json.loads(cli(copied, "models", "list", "--json").stdout)["models"]
        return [(one["version"], one["role"], one["status"], one["by"]) for one in told]

    held = ("sim-2", "challenger", "Pending", "gate")
    assert roles() == [held, ("sim-1", "champion", "Approved", "gate")]
    listed = cli(copied, "models", "list").stdout
    assert "sim-2  challenger  Pending   gate" in listed

    shown = cli(copied, "models", "show", "sim-1").stdout
    for words in (
        "Ranks transactions of this feed for review by people",
        "Features use only what was known strictly before the transaction",
        "average_precision",
        "max_average_precision_loss  0.1",
        "booster.ubj",
        "Approved by gate: ROC AUC",
    ):
        assert words in shown
    card = json.loads(cli(copied, "models", "show", "1", "--json").stdout)["card"]
    assert (
        card["spread"]["average_precision"]["lower"] < card["metrics"]["average_precision"]["value"]
    )
    assert len(card["catalogue"]) == 16

    refused = cli(copied, "models", "approve", "sim-1", "--by", "ann", "--reason", "why")
    assert refused.exit_code == 1
    assert "sim-1 is the champion already" in refused.stderr
    why = ("--by", "ann", "--reason", "fits March")
    done = cli(copied, "models", "approve", "sim-2", *why)
    assert (done.exit_code, done.stdout) == (0, "sim-2 is the champion of sim\n")
    assert roles()[0] == ("sim-2", "champion", "Approved", "ann")
    back = cli(copied, "models", "rollback", "--by", "bob", "--reason", "too many alerts")
    assert back.stdout == "sim-2 is withdrawn; sim-1 is the champion of sim\n"
    assert roles() == [
        ("sim-2", None, "Rejected", "bob"),
        ("sim-1", "champion", "Approved", "gate"),
    ]
    again = cli(copied, "models", "approve", "sim-2", *why)
    assert again.exit_code == 1
    assert "rejected by bob: rolled back: too many alerts" in again.stderr
    log = cli(copied, "models", "show", "sim-2").stdout
    assert "Approved (was Pending) by ann: fits March" in log
    assert "Rejected (was Approved) by bob: rolled back: too many alerts" in log


def test_a_damaged_champion_with_a_model_that_waits_is_left_to_a_person(
    cli: Cli, copied: Path
) -> None:
    """Training on the same rows could only end as the second model did, at every run anew."""
    challenged(copied)
    first = json.loads((copied / "lake/models/sim/manifest/1.json").read_text())
    (copied / f"lake/models/sim/attempt={first['attempt']}/booster.ubj").unlink()
    told = cli(copied, "run")
    assert told.exit_code == 1
    assert "fraud-assets models approve sim-2" in told.stderr
    assert "pending: few frauds" in told.stderr
    listed = json.loads(cli(copied, "models", "list", "--json").stdout)["models"]
    assert [one["version"] for one in listed] == ["sim-2", "sim-1"]
    why = ("--by", "ann", "--reason", "the other one is damaged")
    assert cli(copied, "models", "approve", "sim-2", *why).exit_code == 0
    assert cli(copied, "run").exit_code == 0


def test_what_is_not_there_is_said(cli: Cli, copied: Path, tmp_path: Path) -> None:
    for arguments, status, told in (
        (("show", "sim-9"), 1, "the feed sim has no model version 9"),
        (("show", "best"), 2, "'best' is no model version; write it as in sim-3"),
        (("show", "card-1"), 2, "no model"),
        (("list", "--feed", "nosuch"), 2, "there is no feed 'nosuch'"),
        (("approve", "sim-1"), 2, "Missing option '--by'"),
        (("rollback", "--by", "ann", "--reason", "x"), 1, "with --allow-none it is withdrawn"),
    ):
        done = cli(copied, "models", *arguments)
        assert done.exit_code == status
        assert told in done.stderr
    assert "No model yet" in cli(tmp_path / "empty", "models", "list").stdout
