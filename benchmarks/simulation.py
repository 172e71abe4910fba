"""Seconds and peak memory of a simulation: `python benchmarks/simulation.py 1000000 4000000`."""

import resource
import sys
import time

from simulator import simulate

DAYS = 60
RINGS = 30


def main() -> None:
    """Prints one row a size; the first size also pays for loading and compiling the ledger."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000_000]
    print(f"{'rows':>12} {'seconds':>9} {'peak MiB so far':>16}")
    for rows in sizes:
        start = time.perf_counter()
        simulate(rows=rows, days=DAYS, rings=RINGS, seed=0)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{rows:>12,} {seconds:>9.2f} {peak:>16,.0f}")


if __name__ == "__main__":
    main()
