"""What a step on Batch costs beside its own work: `python benchmarks/batch_overhead.py --runs 7`.

A step that does nothing runs in process and as a job of the local Batch, in turn. The difference is
a container's own cost: its interpreter, the imports of the project's code location, and the way of
the step and its events through the lake. AWS adds the start of a machine and of its image. The
processor time of the container depends less on what else the machine does than the seconds do.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

REPOSITORY = Path(__file__).resolve().parents[1]
# Not as the first: Dagster passes over that one when it loads a code location.
sys.path.append(str(REPOSITORY))

from resources.batch import entry  # noqa: E402 - runs from a checkout as it is
from resources.batch.launcher import BatchStepLauncher, StepJob  # noqa: E402
from resources.batch.local import LocalBatch  # noqa: E402
from resources.batch.payload import PROJECT, CodeLocation  # noqa: E402
from resources.batch.watch import Patience  # noqa: E402
from resources.lake import Lake  # noqa: E402

CONTAINER = "container"
LOCATION = CodeLocation("benchmarks.batch_overhead", "defs", PROJECT.packages, PROJECT.distribution)


@dg.asset
def nothing(batch: dg.ResourceParam[object]) -> None:
    """A step without any work of its own."""


def build(batch: object) -> dg.Definitions:
    """One asset that runs where the resource says."""
    return dg.Definitions(
        assets=[nothing],
        jobs=[dg.define_asset_job("nothing_job", ["nothing"])],
        resources={"batch": batch},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the container loads: as much code as for a step of the project."""
    import fraud_assets.definitions  # noqa: F401 - imported for its cost

    return build(dg.ResourceDefinition.none_resource())


def seconds(batch: BatchStepLauncher | dg.ResourceDefinition) -> float:
    """How long a run of the step takes."""
    job = build(batch).resolve_job_def("nothing_job")
    config = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        start = time.perf_counter()
        job.execute_in_process(instance=instance, run_config=config)
        return time.perf_counter() - start


def children_seconds() -> float:
    """Processor time of all ended jobs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints one row a run, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake")
        command = ("python", str(Path(__file__).resolve()), CONTAINER)
        launcher = BatchStepLauncher(
            LocalBatch(),
            lake,
            StepJob("local", "local", {"FRAUD_LAKE": lake.url, "FRAUD_BATCH": "off"}, command),
            rows=lambda _asset, _partition: None,
            limit=0,
            location=LOCATION,
            patience=Patience(ending=5, shortest_pause=0.1, longest_pause=1),
        )
        overheads, processor = [], []
        print(f"{'run':>4} {'in process s':>13} {'on Batch s':>11} {'overhead s':>11} {'CPU s':>6}")
        for run in range(1, runs + 1):
            here = seconds(dg.ResourceDefinition.none_resource())
            before = children_seconds()
            there = seconds(launcher)
            overheads.append(there - here)
            processor.append(children_seconds() - before)
            costs = f"{overheads[-1]:>11.2f} {processor[-1]:>6.2f}"
            print(f"{run:>4} {here:>13.2f} {there:>11.2f} {costs}")
        print(f"median overhead of a step on Batch: {statistics.median(overheads):.2f} s")
        print(f"median processor time of a container: {statistics.median(processor):.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == [CONTAINER]:
        sys.exit(entry.main(sys.argv[2:], LOCATION))
    main()
