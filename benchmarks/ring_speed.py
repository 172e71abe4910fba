"""How fast rings are searched, and in how much memory, as payments grow.

    python benchmarks/ring_speed.py [1000000 5000000 20000000]

The payments are made up at AMLSim's density: for each account about 17 payments in two years, most
to known partners at regular intervals, one in twenty to anybody, and one in ten from or to a hub
(shops that thousands pay, payrolls that pay thousands). Each size runs in a process of its own, so
that the peak (VmHWM) is its own: once to load what is compiled, then once measured. The last figure
is what one more day costs a state that is kept.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.pattern_state import RingState  # noqa: E402 - runs from a checkout
from gpu_ops.patterns import as_known, hindsight, search_rings  # noqa: E402

DAYS = 720
PER_ACCOUNT = 17
SIZES = ("1000000", "5000000", "20000000")


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


def measured(rows: int) -> None:
    """Print one size's figures."""
    few = payments(20_000).lazy()
    search_rings(few)
    hindsight(as_known(RingState.empty("speed"), few)[0])
    table = payments(rows)
    before = peak_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    found = search_rings(table.lazy())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{rows:,} rows: {wall:.1f} s, {cpu:.1f} CPU s, {rows / wall:,.0f} rows/s, "
        f"peak {peak_mib():,} MiB (the table alone {before:,}), {found.rings.height} rings, "
        f"{found.cut}",
        flush=True,
    )
    last = pl.col("occurred_at").dt.date() == table["occurred_at"].dt.date().max()
    wall = time.perf_counter()
    state, _ = as_known(RingState.empty("speed"), table.lazy().filter(~last))
    wall = time.perf_counter() - wall
    print(f"  as known, all days but one: {wall:.1f} s, {state.pairs.height:,} pairs kept")
    wall = time.perf_counter()
    state, _ = as_known(state, table.lazy().filter(last))
    wall = time.perf_counter() - wall
    print(f"  as known, one more day: {wall:.2f} s")
    wall = time.perf_counter()
    hindsight(state)
    wall = time.perf_counter() - wall
    print(f"  hindsight of what is kept: {wall:.1f} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measured(int(sys.argv[2]))
    else:
        for size in sys.argv[1:] or SIZES:
            subprocess.run([sys.executable, __file__, "--one", size], check=True)
