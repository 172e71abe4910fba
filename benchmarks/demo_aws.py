"""The demo's whole path over AWS's protocols, compared row by row with the same path in a folder.

python benchmarks/demo_aws.py [--rows N] [--out DIR]

The lake is a bucket of a moto S3 server on 127.0.0.1, heavy steps run as jobs of the local Batch:
no account, no container engine. Exit status 1 where any table differs from the folder's.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg
import polars as pl
from moto.server import ThreadedMotoServer

from fraud_assets.definitions import ASSETS
from fraud_assets.layers import SNAPSHOTS, UPLOAD_LAYERS
from fraud_assets.step_rows import COUNTED
from resources.settings import Settings
from resources.versions import Versions

BUCKET: Final = "fraud-demo"
REPOSITORY: Final = Path(__file__).resolve().parents[1]
TABLES: Final = (*UPLOAD_LAYERS, *(name for name in SNAPSHOTS if name != "cases"))
"""Cases hold the moments at which they were opened, and a lake in S3 has none by itself."""


@dataclass(frozen=True)
class Place:
    """A lake with a Dagster instance, and the settings by which the command line finds them."""

    name: str
    folder: Path
    settings: Mapping[str, str]

    def call(self, *arguments: str) -> str:
        """Run the command line; what it printed."""
        environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("FRAUD_")},
            "DAGSTER_HOME": str(self.folder / "instance"),
            **self.settings,
        }
        done = subprocess.run(
            [sys.executable, "-m", "fraud_assets.cli", *arguments],
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{self.name}: fraud-assets {' '.join(arguments)} failed")
        return done.stdout

    def run(self, files: Path) -> float:
        """Land the files and process them; the seconds of the run."""
        self.call("land", *map(str, sorted(files.glob("*.csv"))), "--feed", "sim")
        started = time.perf_counter()
        told = json.loads(self.call("run", "--json"))
        seconds = time.perf_counter() - started
        print(f"\n{self.name}: {seconds:.1f} s, alerts {told['alerts']}")
        return seconds

    def table(self, asset: str) -> pl.DataFrame:
        """The visible version of an asset's table."""
        path = self.folder / f"{asset}.parquet"
        self.call("export", asset, "--out", str(path))
        # The run's own id is no result.
        return pl.read_parquet(path).drop("published_in", strict=False)

    def placement(self, asset: str) -> tuple[str, str]:
        """Where the latest step of an asset ran, and why there."""
        with dg.DagsterInstance.from_config(str(self.folder / "instance")) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        made = None if event is None else event.asset_materialization
        if made is None or "placement" not in made.metadata:
            return "in process", "runs there always"
        return str(made.metadata["placement"].value), str(made.metadata["placement_reason"].value)


@contextmanager
def bucket(out: Path) -> Iterator[Place]:
    """A place in a new bucket of a server of our own."""
    import boto3

    # A line a request would bury the table.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    credentials = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo"}
    os.environ |= {**credentials, "AWS_DEFAULT_REGION": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    try:
        yield Place(
            "S3 and local Batch",
            out / "s3",
            {
                "FRAUD_LAKE": f"s3://{BUCKET}/lake",
                "FRAUD_S3_ENDPOINT": endpoint,
                "FRAUD_S3_ALLOW_HTTP": "true",
                "FRAUD_S3_REGION": "us-east-1",
                "FRAUD_S3_ENCRYPTION": "AES256",
                "FRAUD_BATCH": "local",
            },
        )
    finally:
        server.stop()


def differing(one: pl.DataFrame, other: pl.DataFrame) -> int:
    """Rows that are in one of two tables and not in the other, their order counted too."""
    if one.schema != other.schema:
        return max(one.height, other.height)
    if one.equals(other):
        return 0
    heights = min(one.height, other.height)
    mine, theirs = one.head(heights).rows(), other.head(heights).rows()
    unequal = sum(a != b for a, b in zip(mine, theirs, strict=True))
    return max(unequal + abs(one.height - other.height), 1)


def misplaced(s3: Place) -> list[str]:
    """The heavy assets whose last step did not run on Batch."""
    return sorted(asset for asset in COUNTED if s3.placement(asset)[0] != "batch")


def models(place: Place) -> list[str]:
    """Name and hash of every file of the models; the lake of each place holds the same."""
    given = {name.removeprefix("FRAUD_").lower(): value for name, value in place.settings.items()}
    versions = Versions(Settings.model_validate(given).open_lake())
    found = versions.latest_below("models")
    return sorted(
        f"{slot.prefix}/{entry.name} {entry.sha256}"
        for slot, one in found.items()
        for entry in one.files
        if slot.prefix.count("/") == 1
    )


def compared(folder: Place, s3: Place) -> int:
    """Print each table's rows on both sides; how many tables differ, models among them."""
    wrong = 0
    print(f"\n{'table':24} {'rows':>9}  {'as in the folder':16}  where its last step ran")
    for asset in TABLES:
        one, other = folder.table(asset), s3.table(asset)
        rows = differing(one, other)
        wrong += rows > 0
        place, reason = s3.placement(asset)
        same = "row for row" if not rows else f"{rows} rows differ"
        print(f"{asset:24} {other.height:>9,}  {same:16}  {place}: {reason}")
    same_models = models(folder) == models(s3)
    wrong += not same_models
    for name in sorted({spec.key.to_user_string() for asset in ASSETS for spec in asset.specs}):
        if name not in TABLES:
            place, reason = s3.placement(name)
            same = "byte for byte" if same_models else "differ"
            print(f"{name:24} {'':>9}  {same:16}  {place}: {reason}")
    return wrong


def main() -> None:
    """Run both paths and compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("build/demo-aws"))
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    folder = Place("folder", out / "folder", {"FRAUD_LAKE": str(out / "folder" / "lake")})
    with bucket(out) as s3:
        for place in (folder, s3):
            (place.folder / "instance").mkdir(parents=True)
            shutil.copy(REPOSITORY / "dagster.yaml", place.folder / "instance")
        files = out / "files"
        folder.call(
            *("simulate", "--rows", str(chosen.rows), "--days", "60", "--rings", "200"),
            *("--seed", "7", "--files", "2", "--out", str(files)),
        )
        for place in (folder, s3):
            place.run(files)
        wrong = compared(folder, s3)
        here = misplaced(s3)
    if wrong:
        raise SystemExit(f"\n{wrong} tables or models differ from the folder's")
    if here:
        raise SystemExit(f"\nnot on Batch: {', '.join(here)}; are there fewer than 50,000 rows?")
    print("\nEvery table and model in S3 equals the folder's.")


if __name__ == "__main__":
    main()
