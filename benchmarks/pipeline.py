"""Time, memory and quality of the whole path, on the real tables and on the simulator.

python benchmarks/pipeline.py TABLE [--data DIR] [--form parquet|csv] [--repeats N]

TABLE is paysim, paysim-without-balances, handbook, amlsim or growth.

Each run works in a lake of its own, through the command line, as a user would.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

import polars as pl

from simulator import simulate, write

COMMAND = (sys.executable, "-m", "fraud_assets.cli")
Json = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Place:
    """A lake and a Dagster instance of their own."""

    folder: Path
    engine: str = "cpu"
    feeds: Path | None = None

    def call(self, *arguments: str) -> str:
        """Run the command line and return what it printed."""
        environment = {
            **os.environ,
            "FRAUD_LAKE": str(self.folder / "lake"),
            "DAGSTER_HOME": str(self.folder / "instance"),
            "FRAUD_ENGINE": self.engine,
        }
        if self.feeds is not None:
            environment["FRAUD_FEEDS_DIR"] = str(self.feeds)
        done = subprocess.run(
            [*COMMAND, *arguments], env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr)
        return done.stdout

    def run(self, title: str) -> float:
        """`run --json`, its figures printed; the wall seconds of the whole command."""
        seconds, printed = self.timed()
        show(title, seconds, printed)
        return seconds

    def timed(self) -> tuple[float, Json]:
        """`run --json`: the wall seconds of the whole command, and what it printed."""
        start = time.perf_counter()
        printed = json.loads(self.call("run", "--json"))
        return time.perf_counter() - start, printed


def show(title: str, seconds: float, printed: Json) -> None:
    """Print what a run took and made."""
    peak = max((one["peak_mib"] for one in printed["assets"].values()), default=0.0)
    print(f"\n{title}: {seconds:.1f} s wall, peak {peak:.0f} MiB")
    for name, one in printed["assets"].items():
        rows, took, memory = int(one["rows"]), one["seconds"], one["peak_mib"]
        print(f"  {name:24} {rows:>12,} rows {took:>8.1f} s {memory:>7.0f} MiB")
    print(f"  alerts {printed['alerts']}, uploads {len(printed['uploads'])}")
    for problem in printed["problems"]:
        print(f"  ! {problem}")


def show_model(place: Place) -> None:
    """Print the newest models' figures, each beside its ceiling."""
    for feed, model in json.loads(place.call("status", "--json"))["model"]["feeds"].items():
        print(f"  model {model['version']} of {feed}: {model['status']}")
        for name, value in model["metrics"].items():
            ceiling = model["ceilings"][name]
            print(f"    {name:24} {value if value is not None else '-':<22} of {ceiling}")


def median_of(runs: Sequence[tuple[float, Json]]) -> tuple[float, Json]:
    """The median of each figure over repeated runs; all else as in the first."""
    middle = statistics.median(seconds for seconds, _ in runs)
    printed = runs[0][1]
    for name, one in printed["assets"].items():
        for figure in ("seconds", "peak_mib"):
            one[figure] = statistics.median(other["assets"][name][figure] for _, other in runs)
    return middle, printed


def paysim(data: Path, form: str, folder: Path, repeats: int) -> None:
    """One file of 1.29 million rows: first without a model, then with that champion."""
    table = data / "paysim" / "paysim_1.3m.parquet"
    source = folder / f"paysim.{form}"
    if form == "csv":
        pl.scan_parquet(table).sink_csv(source)
    else:
        shutil.copy(table, source)
    first = Place(folder / "training")
    first.call("land", str(source), "--feed", "paysim")
    first.run(f"PaySim as {form}, training included")
    show_model(first)
    runs = []
    for repeat in range(repeats):
        second = Place(folder / f"champion-{repeat}")
        (second.folder / "lake").mkdir(parents=True)
        shutil.copytree(first.folder / "lake" / "models", second.folder / "lake" / "models")
        # Where there is a champion, there is an instance: making its databases is no part of a run.
        second.call("run")
        second.call("land", str(source), "--feed", "paysim")
        runs.append(second.timed())
        shutil.rmtree(second.folder)
    seconds, printed = median_of(runs)
    show(f"PaySim as {form}, landing to alerts with a champion, medians", seconds, printed)
    print("  each: " + ", ".join(f"{one:.1f} s" for one, _ in runs))


def paysim_without_balances(data: Path, folder: Path) -> None:
    """The same file through a feed that maps no balance: what the rest of the row tells.

    Nearly every fraud of PaySim takes exactly the balance, so the first benchmark's figures prove
    little.
    """
    shipped = resources.files("fraud_assets.feeds").joinpath("paysim.yaml").read_text()
    kept = [line for line in shipped.splitlines() if "_balance_before:" not in line]
    feeds = folder / "feeds"
    feeds.mkdir()
    (feeds / "paysim.yaml").write_text("\n".join(kept))
    place = Place(folder / "without", feeds=feeds)
    place.call("land", str(data / "paysim" / "paysim_1.3m.parquet"), "--feed", "paysim")
    place.run("PaySim without any balance, training included")
    show_model(place)


def weekly(table: pl.DataFrame, week: pl.Expr, folder: Path) -> Iterator[Path]:
    """The table as one file a week, in order."""
    folder.mkdir(parents=True)
    parts = table.with_columns(week=week).partition_by("week", as_dict=True, maintain_order=True)
    for (number,), rows in sorted(parts.items()):
        path = folder / f"week-{int(number):03d}.parquet"
        rows.drop("week").write_parquet(path)
        yield path


def handbook(data: Path, folder: Path) -> None:
    """Card transactions of 4.5 months, a file a week, all landed before one run."""
    table = pl.read_parquet(data / "handbook" / "transactions_to_2018-08-14.parquet")
    by_week(table, pl.col("TX_TIME_DAYS") // 7, "card", folder)


def amlsim(data: Path, folder: Path) -> None:
    """Transfers of 720 days, a file a week, without what tells who launders."""
    table = pl.read_parquet(data / "amlsim" / "transactions.parquet").drop("alertID")
    by_week(table, pl.col("step") // 7, "aml", folder)


def by_week(table: pl.DataFrame, week: pl.Expr, feed: str, folder: Path) -> None:
    """Land the weeks in order and run once."""
    place = Place(folder)
    for path in weekly(table, week, folder / "files"):
        place.call("land", str(path), "--feed", feed)
    place.run(f"{feed}, {table.height:,} rows, a file a week")
    show_model(place)


def growth(folder: Path, rows: int = 125_000) -> None:
    """The simulator at growing sizes, in memory and streamed."""
    for engine, sizes in (("cpu", (1, 4, 8)), ("cpu-streaming", (1, 4, 8, 16))):
        base = 0.0
        for size in sizes:
            place = Place(folder / f"{engine}-{size}", engine)
            simulation = simulate(rows=rows * size, days=60, rings=30 * size, seed=7)
            place.folder.mkdir(parents=True)
            paths = write(simulation, place.folder / "files", files=1)
            place.call("land", *map(str, paths), "--feed", "sim")
            seconds = place.run(f"simulator x {size}, {engine}")
            base = base or seconds
            print(f"  time x {seconds / base:.2f} for rows x {size}")
            shutil.rmtree(place.folder)


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "table", choices=["paysim", "paysim-without-balances", "handbook", "amlsim", "growth"]
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--form", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--repeats", type=int, default=3, help="runs with a champion, of paysim")
    chosen = parser.parse_args()
    started = time.perf_counter()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="fraud-assets-benchmark-") as name:
        folder = Path(name)
        if chosen.table == "paysim":
            paysim(chosen.data, chosen.form, folder, chosen.repeats)
        elif chosen.table == "paysim-without-balances":
            paysim_without_balances(chosen.data, folder)
        elif chosen.table == "handbook":
            handbook(chosen.data, folder)
        elif chosen.table == "amlsim":
            amlsim(chosen.data, folder)
        else:
            growth(folder)
    took = timedelta(seconds=round(time.perf_counter() - started))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end, {took}")


if __name__ == "__main__":
    main()
