"""A small code location whose heavy assets require the resource `batch`."""

import os
import signal
import time
from collections.abc import Iterator

import dagster as dg

from resources.batch.payload import CodeLocation
from resources.batch.routing import COMPUTE
from resources.lake import Lake
from resources.leases import lease
from resources.settings import Settings

LOCATION = CodeLocation(
    "tests.batch.batch_location", "defs", ("tests.batch.batch_location_code",), "fraud-assets"
)

PARTS = dg.DynamicPartitionsDefinition(name="parts")
POLICY = dg.RetryPolicy(max_retries=2, delay=0.05)


@dg.asset(code_version="3")
def numbers(lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
    """What the heavy asset is made of; it runs in process."""
    lake.put("numbers.txt", b"1 2 3")
    return dg.MaterializeResult(data_version=dg.DataVersion("numbers-of-today"))


@dg.asset(partitions_def=PARTS)
def pieces(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The upstream of a partitioned heavy asset."""
    return dg.MaterializeResult(data_version=dg.DataVersion(f"piece {context.partition_key}"))


@dg.asset(
    deps=[numbers],
    code_version="7",
    retry_policy=POLICY,
    check_specs=[dg.AssetCheckSpec("positive", asset="doubled")],
)
def doubled(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    batch: dg.ResourceParam[object],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """A heavy asset with a policy of retries."""
    if os.environ.get("RAISE_ON_TRY") == str(context.retry_number):
        raise ValueError("no luck")
    history = context.instance.get_latest_materialization_event(dg.AssetKey("numbers"))
    context.log.info("doubling")
    made = [int(number) * 2 for number in lake.get("numbers.txt").split()]
    attempt = os.environ.get("AWS_BATCH_JOB_ATTEMPT", "here")
    lake.put(f"made/{os.getpid()}.txt", attempt.encode())
    yield dg.AssetCheckResult(check_name="positive", passed=True, metadata={"least": min(made)})
    yield dg.MaterializeResult(
        metadata={
            "table": dg.MetadataValue.md("|a|\n|-|\n|2|"),
            "sum": sum(made),
            "try": context.retry_number,
            "knows_its_input": history is not None,
        }
    )
    if os.environ.get("AFTER_RESULTS") == "wait" and attempt == "1":
        _wait()


@dg.asset(partitions_def=PARTS, deps=[pieces], code_version="1")
def parted(
    context: dg.AssetExecutionContext, batch: dg.ResourceParam[object]
) -> dg.MaterializeResult[None]:
    """A heavy asset with dynamic partitions."""
    return dg.MaterializeResult(metadata={"key": context.partition_key})


@dg.asset(op_tags={COMPUTE: "cpu"})
def fragile(lake: dg.ResourceParam[Lake], batch: dg.ResourceParam[object]) -> None:
    """A heavy asset without a policy of retries."""
    if os.environ.get("FRAGILE") == "wait":
        lake.put("pid.txt", str(os.getpid()).encode())
        _wait()
    if os.environ.get("FRAGILE") == "hold":
        with lease(lake, "held"):
            print("ready", flush=True)  # noqa: T201 - a line for the job's log
            time.sleep(60)


def _wait() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("ready", flush=True)  # noqa: T201 - a line for the job's log
    time.sleep(60)


def build(lake: Lake, batch: object) -> dg.Definitions:
    """The location on a lake, with a launcher or none."""
    return dg.Definitions(
        assets=[numbers, doubled, pieces, parted, fragile],
        jobs=[
            dg.define_asset_job("numbers_job", ["numbers", "doubled"]),
            dg.define_asset_job("parts_job", ["pieces", "parted"]),
            dg.define_asset_job("fragile_job", ["fragile"]),
        ],
        resources={"lake": lake, "batch": batch},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What a container loads, from its own environment."""
    return build(Settings.load().open_lake(), dg.ResourceDefinition.none_resource())
