"""Kills the command line in the middle of every asset, runs it again, and compares all rows.

    python benchmarks/faults.py [ASSET ...] [--moments writing before after]

An undisturbed run comes first. Then, for every asset and moment, a process works on a lake in which
that asset is the next to be made, and kills itself with `kill -9` while it writes the new version's
file, just before the version is published, or just after. The same command again must report the
dead run, free its pool slot and end with the same rows in every table, quarantine and outbox.

A lake in which an asset is next is a copy of the undisturbed one without what comes later.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "cli" / "killed_main.py"
MOMENTS = ("writing", "before", "after")
SLOTS = {
    "raw_transactions": "raw",
    "prepped_transactions": "prepped",
    "augmented_transactions": "augmented",
    "training_set": "training/training_set",
    "fraud_model": "models/sim",
    "model_evaluation": "training/model_evaluation",
    "registered_model": "models/sim/registry",
    "account_graph": "graphs/account_graph",
    "account_features": "graphs/account_features",
    "fraud_rings": "graphs/fraud_rings",
    "transaction_alerts": "alerts/transaction_alerts",
    "ring_alerts": "alerts/ring_alerts",
    "published_alerts": "alerts/published_alerts",
}
"""Every asset with the slot of its versions, in the order in which a run makes them."""


def main() -> int:
    """Print a line for each kill; 1 if any of them left a trace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", nargs="*", default=list(SLOTS))
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=list(MOMENTS))
    options = parser.parse_args()
    unknown = set(options.assets) - SLOTS.keys()
    if unknown:
        parser.error(f"no such assets: {', '.join(sorted(unknown))}")
    os.environ["FRAUD_DAILY_CAPACITY"] = "5"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        expected = undisturbed(folder)
        print(f"{'asset':24} {'killed':8} {'exit':>5} {'again':>5} {'reported':>8} {'rows':>6}  s")
        wrong = 0
        for asset in options.assets:
            for moment in options.moments:
                wrong += not killed(folder, asset, moment, expected)
    print(f"{wrong} kills left a trace" if wrong else "no kill left a trace")
    return 1 if wrong else 0


def undisturbed(folder: Path) -> dict[str, object]:
    """Make the data, run once, and return all that the run made."""
    from tests.cli.conftest import write_learnable

    write_learnable(folder / "a.csv")
    place = folder / "undisturbed"
    command(place, "land", str(folder / "a.csv"), "--feed", "sim")
    command(place, "run")
    return outcome(place)


def killed(folder: Path, asset: str, moment: str, expected: dict[str, object]) -> bool:
    """Kill at one moment, run again, print what came of it; whether all is as undisturbed."""
    place = folder / f"{asset}-{moment}"
    shutil.copytree(folder / "undisturbed" / "lake", place / "lake")
    forget_from(place / "lake", asset)
    started = time.perf_counter()
    died = subprocess.run(
        [sys.executable, SCRIPT, SLOTS[asset], moment, "run"],
        env=environment(place),
        capture_output=True,
        check=False,
    )
    again = command(place, "run", check=False)
    reported = again.stderr.count("reported as failed")
    found = outcome(place)
    differing = [name for name in expected if found.get(name) != expected[name]]
    is_right = (died.returncode, again.exit_code, reported, differing) == (-9, 0, 1, [])
    seconds = time.perf_counter() - started
    print(
        f"{asset:24} {moment:8} {died.returncode:>5} {again.exit_code:>5} {reported:>8} "
        f"{'differ' if differing else 'same':>6}  {seconds:.0f} {' '.join(differing)}",
        flush=True,
    )
    if not is_right:
        print(again.stderr)
    shutil.rmtree(place)
    return is_right


def forget_from(lake: Path, asset: str) -> None:
    """Remove an asset's versions and those of all later assets."""
    later = list(SLOTS)[list(SLOTS).index(asset) :]
    for name in later:
        shutil.rmtree(lake / SLOTS[name], ignore_errors=True)
    shutil.rmtree(lake / "outbox", ignore_errors=True)
    if "augmented_transactions" in later:
        shutil.rmtree(lake / "forests", ignore_errors=True)
    elif "registered_model" in later:
        # The second version holds the scores of the model that is not there yet.
        for manifest in (lake / "augmented").rglob("manifest/2.json"):
            manifest.unlink()


def outcome(place: Path) -> dict[str, object]:
    """All that a run made and that a killed and repeated one must make too."""
    import polars as pl

    from tests.cli.conftest import TABLES, in_own_order

    found: dict[str, object] = {}
    for name in TABLES:
        path = place / f"{name}.parquet"
        command(place, "export", name, "--out", str(path))
        found[name] = in_own_order(pl.read_parquet(path)).write_ndjson()
    told: list[str] = []
    for file in sorted((place / "lake" / "outbox" / "alerts").iterdir()):
        told += [json.loads(line)["alert_id"] for line in file.read_text().splitlines()]
    found["outbox"] = sorted(told)
    status = json.loads(command(place, "status", "--json").stdout)
    found["uploads"] = status["uploads"]
    found["problems"] = status["problems"]
    found["alerts"] = status["alerts"]
    found["model"] = {key: status["model"][key] for key in ("version", "status", "metrics")}
    return found


def command(place: Path, *arguments: str, check: bool = True) -> "Result":
    """The command line in this process: starting one for each would take longer than the work."""
    from click.testing import CliRunner

    from fraud_assets.cli import main as fraud_assets

    done = CliRunner().invoke(fraud_assets, arguments, env=environment(place))
    if check and done.exit_code:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return done


def environment(place: Path) -> dict[str, str]:
    """The variables of a process that works on a place."""
    return {**os.environ, "FRAUD_LAKE": f"{place}/lake", "DAGSTER_HOME": f"{place}/home"}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
