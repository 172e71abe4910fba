"""`run` ends with cases: all that was published is in them, and a second run opens none again."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from fraud_assets import layers
from resources.lake import Lake
from resources.versions import Versions


def test_a_run_takes_its_alerts_into_cases(cli: Callable[..., Result], copied: Path) -> None:
    versions = Versions(Lake.open(str(copied / "lake")))
    alerts = versions.latest(layers.snapshot_slot("published_alerts"))
    table = versions.latest(layers.snapshot_slot("cases"))
    assert alerts is not None
    assert table is not None
    held = [name for ids in versions.scan(table).collect()["alert_ids"] for name in ids]
    assert len(set(held)) == len(held) == alerts.rows > 0
    first = json.loads(cli(copied, "cases", "list", "--json", "--limit", "1").stdout)["cases"][0]
    picture = copied / "case.svg"
    shown = cli(copied, "cases", "show", first["case_id"], "--picture", str(picture))
    assert shown.exit_code == 0, shown.stderr
    assert "Case about" in shown.stdout
    assert "There was no case about it before." in " ".join(shown.stdout.split())
    # The case that comes first is drawn beside the table, too.
    beside = versions.read_bytes(table, f"{first['case_id']}.svg")
    assert beside == picture.read_bytes()
    closed = cli(
        *(copied, "cases", "close", first["case_id"], "--verdict", "false"),
        *("--by", "Ada", "--reason", "customer confirms"),
    )
    assert closed.exit_code == 0, closed.stderr
    again = cli(copied, "run", "--json")
    assert again.exit_code == 0, again.stderr
    assert "cases: somebody worked on cases" in again.stderr
    labels = json.loads(again.stdout)["labels"]
    assert [one["file"] for one in labels] == [closed.stdout.splitlines()[1].rpartition("/")[2]]
    listed = json.loads(cli(copied, "cases", "list", "--json").stdout)["cases"]
    assert first["case_id"] not in {one["case_id"] for one in listed}
    assert not any(one["follows"] for one in listed)
