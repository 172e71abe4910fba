"""How long the code location takes to load: `python benchmarks/loading.py [--repeats N]`.

Each time in a process of its own, as `dagster dev` and every run do.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

LOAD = "from fraud_assets.definitions import defs; defs().get_repository_def()"


def main() -> None:
    """Print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", LOAD], check=True)
        seconds.append(time.perf_counter() - start)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    each = ", ".join(f"{one:.2f}" for one in seconds)
    print(f"the code location loads in {statistics.median(seconds):.2f} s (median of {each})")


if __name__ == "__main__":
    main()
