"""How fast rings are searched, and in how much memory, as payments grow.

    python benchmarks/ring_speed.py [1000000 5000000 20000000]
    python benchmarks/ring_speed.py --amlsim FOLDER

The payments are made up at AMLSim's density: for each account about 17 payments in two years, most
to known partners at regular intervals, one in twenty to anybody, and one in ten from or to a hub
(shops that thousands pay, payrolls that pay thousands). Each size runs in a process of its own, so
that the peak (VmHWM) is its own: a small search first, to load what is compiled, then the median of
five (of one from ten million rows on). Then all days but the last are taken in as known, about a
million rows at once; the last day alone; and what is kept is searched in hindsight.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.pattern_state import RingState  # noqa: E402 - runs from a checkout
from gpu_ops.patterns import as_known, hindsight, search_rings  # noqa: E402

DAYS = 720
PER_ACCOUNT = 17
SIZES = ("1000000", "5000000", "20000000")
AT_ONCE = 1_000_000
MANY_ROWS = 10_000_000
MOST_TIMES = 5

T = TypeVar("T")


def payments(rows: int, seed: int = 1) -> pl.DataFrame:
    """Return payments of `DAYS` days, in the order of time."""
    rng = np.random.default_rng(seed)
    n = rows // PER_ACCOUNT
    kind = rng.random(rows)
    payer = rng.integers(0, n, rows)
    payee = (payer * 7919 + rng.integers(1, 4, rows)) % n
    stranger = kind < 0.05
    payee[stranger] = rng.integers(0, n, int(stranger.sum()))
    hubs = max(1, n // 2000)
    shop, payroll = (kind >= 0.05) & (kind < 0.13), (kind >= 0.13) & (kind < 0.15)
    payee[shop] = rng.integers(0, hubs, int(shop.sum()))
    payer[payroll] = rng.integers(0, hubs, int(payroll.sum()))
    day = np.sort(rng.integers(0, DAYS, rows))
    return pl.select(
        transaction_id=pl.int_range(rows).cast(pl.String),
        occurred_at=pl.datetime(2026, 1, 1, time_unit="us", time_zone="UTC")
        + pl.duration(days=pl.lit(pl.Series(day))),
        kind=pl.lit("transfer"),
        amount=pl.lit(pl.Series(rng.uniform(1, 1000, rows))),
        feed=pl.lit("speed"),
        payer=pl.lit("speed:account:") + pl.lit(pl.Series(payer)).cast(pl.String),
        payee=pl.lit("speed:account:") + pl.lit(pl.Series(payee)).cast(pl.String),
        fraud_probability=pl.lit(None, pl.Float32),
    )


def peak_mib() -> int:
    """Return the highest resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


def warmed_up() -> None:
    """Load what is compiled."""
    few = payments(20_000).lazy()
    search_rings(few)
    hindsight(as_known(RingState.empty("speed"), few)[0])


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Return the seconds that work took, those of the processor, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def searched(table: pl.DataFrame) -> None:
    """Print the median of several searches."""
    before = peak_mib()
    times = MOST_TIMES if table.height < MANY_ROWS else 1
    runs = [timed(lambda: search_rings(table.lazy())) for _ in range(times)]
    wall = statistics.median(seconds for seconds, _, _ in runs)
    cpu = statistics.median(seconds for _, seconds, _ in runs)
    found = runs[-1][2]
    print(
        f"{table.height:,} rows: {wall:.2f} s ({min(run[0] for run in runs):.2f} at best of "
        f"{times}), {cpu:.2f} CPU s, {table.height / wall:,.0f} rows/s, peak {peak_mib():,} MiB "
        f"(the table alone {before:,}), {found.rings.height} rings, {found.cut}",
        flush=True,
    )


def day_by_day(table: pl.DataFrame) -> None:
    """Print what it costs to take in all days but one, that day, and to search what is kept."""
    day = table["occurred_at"].dt.date()
    last = day == day.max()
    state = RingState.empty("speed")
    chunk = (day.rank("dense") * (table.height // AT_ONCE + 1) // (DAYS + 1)).filter(~last)
    earlier = table.filter(~last)
    wall = 0.0
    for part in chunk.unique().sort():
        seconds, _, (state, _) = timed(
            partial(as_known, state, earlier.filter(chunk == part).lazy())
        )
        wall += seconds
    print(f"  as known, all days but one: {wall:.1f} s, {state.pairs.height:,} pairs kept")
    wall, _, (state, _) = timed(partial(as_known, state, table.filter(last).lazy()))
    print(f"  as known, one more day: {wall:.2f} s, {int(last.sum()):,} rows")
    wall, _, _ = timed(partial(hindsight, state))
    print(f"  hindsight of what is kept: {wall:.1f} s, peak {peak_mib():,} MiB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--amlsim"]:
        from benchmarks.rings import amlsim, as_scored

        warmed_up()
        searched(as_scored(amlsim(Path(sys.argv[2]))[0]).collect())
    elif sys.argv[1:2] == ["--one"]:
        warmed_up()
        made_up = payments(int(sys.argv[2]))
        searched(made_up)
        day_by_day(made_up)
    else:
        for size in sys.argv[1:] or SIZES:
            subprocess.run([sys.executable, __file__, "--one", size], check=True)
