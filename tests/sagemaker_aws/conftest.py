"""A lake in S3 with a training set in it, and a SageMaker of this machine."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

import dagster as dg
import numpy as np
import polars as pl
import pytest

# These tests share helpers; plain `pytest` does not add the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fraud_assets import layers
from fraud_assets.definitions import SAGEMAKER_ASSETS
from fraud_assets.modelling import SPLIT, FeedRows, fit
from gpu_ops.gate import Status, Verdict
from gpu_ops.latency import Latency
from gpu_ops.splits import TimeSplit, Window
from resources.registry import ModelParts, ModelRegistry, write_model
from resources.sagemaker.api import SageMaker, SageMakerApi
from resources.sagemaker.config import SageMakerConfig
from resources.settings import Settings
from resources.versions import Manifest, Slot, Versions
from tests.sagemaker_aws.fake_containers import REGION, Containers, s3
from tests.sagemaker_aws.fake_protocol import served
from tests.sagemaker_aws.fake_sagemaker import FakeSageMaker
from tests.sagemaker_aws.fake_serving import ACCOUNT

BUCKET: Final = "lake-of-sagemaker"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/fraud-sagemaker"
IMAGE: Final = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/fraud:1"
START: Final = datetime(2026, 3, 2, tzinfo=UTC)
DAY: Final = timedelta(days=1)
SIM_SPLIT: Final = TimeSplit(
    Window(START, START + 10 * DAY),
    Window(START + 11 * DAY, START + 16 * DAY),
    Window(START + 17 * DAY, START + 22 * DAY),
    DAY,
)
UPLOAD: Final = "sim-first-00000000"


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """An S3 server of this process with one bucket."""
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.delenv(name, raising=False)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3(endpoint).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield endpoint
        server.stop()


def labelled_rows(seed: int = 1) -> pl.DataFrame:
    """Rows of the three windows whose fraud a model can learn, but not surely."""
    random = np.random.default_rng(seed)
    windows = [("train", SIM_SPLIT.train, 2_000), ("validation", SIM_SPLIT.validation, 1_000)]
    parts = []
    for window, span, rows in [*windows, ("test", SIM_SPLIT.test, 1_000)]:
        amount = random.normal(size=rows)
        odds = 2.0 * amount - 3.0
        parts.append(
            pl.DataFrame(
                {
                    "transaction_id": [f"{window}-{seed}-{number:05d}" for number in range(rows)],
                    "occurred_at": pl.Series(
                        [span.start + number * span.length / rows for number in range(rows)],
                        dtype=pl.Datetime("us", "UTC"),
                    ),
                    "feed": "sim",
                    "payer_id": [f"payer-{number:05d}" for number in range(rows)],
                    "transaction_amount": np.exp(amount),
                    "window": window,
                    "is_fraud": random.random(rows) < 1.0 / (1.0 + np.exp(-odds)),
                    "weight": pl.Series(np.ones(rows), dtype=pl.Float32),
                    "amount_log": pl.Series(amount, dtype=pl.Float32),
                    "payments_1d": pl.Series(random.poisson(2.0, rows), dtype=pl.Float32),
                    # Some values are absent, as in real features.
                    "since_last": pl.Series(
                        np.where(random.random(rows) < 0.1, np.nan, random.exponential(1.0, rows)),
                        dtype=pl.Float32,
                    ).fill_nan(None),
                }
            )
        )
    return pl.concat(parts)


@dataclass(frozen=True)
class Account:
    """An AWS account of this machine: a lake, a SageMaker, and the assets on them."""

    settings: Settings
    fake: FakeSageMaker
    sagemaker: SageMaker
    instance: dg.DagsterInstance

    @property
    def versions(self) -> Versions:
        return Versions(self.settings.open_lake())

    def publish_rows(self, rows: pl.DataFrame) -> Manifest:
        """Make rows the training set, and their features an upload of the feed."""
        slot = Slot.upload("prepped", "sim", UPLOAD)
        prepped = self.versions.begin(slot, uuid4().hex)
        prepped.write_table(
            rows.drop("feed", "payer_id", "transaction_amount", "window", "is_fraud", "weight")
        )
        features = self.versions.publish(prepped, inputs={})
        attempt = self.versions.begin(layers.snapshot_slot("training_set"), uuid4().hex)
        attempt.write_table(rows, part="part-sim")
        return self.versions.publish(
            attempt,
            inputs={features.slot: features.content_id},
            extra={"splits": {"sim": SPLIT.dump_python(SIM_SPLIT, mode="json")}},
        )

    def make(self, asset: str, **config: object) -> tuple[str, Mapping[str, dg.MetadataValue]]:
        """Materialize one asset; why it failed, or nothing, and its metadata."""
        result = dg.materialize(
            [one for one in SAGEMAKER_ASSETS if one.key.to_user_string() == asset],
            instance=self.instance,
            resources={
                "settings": self.settings,
                "lake": self.settings.open_lake(),
                "sagemaker": self.sagemaker,
            },
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                **({"ops": {asset: {"config": config}}} if config else {}),
            },
            raise_on_error=False,
        )
        for event in result.all_events:
            if event.is_step_failure:
                told = event.step_failure_data.user_failure_data
                error = event.step_failure_data.error
                reason = told.description if told is not None else None
                return reason or str(error), {}
        (made,) = result.asset_materializations_for_node(asset)
        return "", made.metadata

    def must(self, asset: str, **config: object) -> Mapping[str, dg.MetadataValue]:
        """Materialize one asset; it must succeed."""
        reason, metadata = self.make(asset, **config)
        assert reason == ""
        return metadata

    def objects(self, prefix: str) -> list[str]:
        return [info.key for info in self.versions.lake.list(prefix)]


AccountOf = Callable[[], Account]


@pytest.fixture(scope="session")
def account_of(
    object_store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Account]]:
    """Makes accounts, each with a lake and a SageMaker of its own."""
    fakes = []
    servers = []
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        # A busy machine must not decide what the gate says.
        environment.setattr("fraud_assets.comparison.call_latency", _calm_latency)

        def make() -> Account:
            containers = Containers(object_store, tmp_path_factory.mktemp("containers"))
            fake = FakeSageMaker(containers)
            server = served(fake)
            fakes.append(fake)
            servers.append(server)
            address = f"http://127.0.0.1:{server.server_address[1]}"
            environment.setenv("AWS_ENDPOINT_URL_SAGEMAKER", address)
            environment.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", address)
            settings = Settings(
                lake=f"s3://{BUCKET}/{uuid4().hex}",
                s3_endpoint=object_store,
                s3_allow_http=True,
                s3_region=REGION,
                threads=1,
                forest_rows=256,
                gate_max_average_precision_loss=LENIENT,
                gate_resamples=200,
                sagemaker_role=ROLE,
                sagemaker_image=IMAGE,
                sagemaker_endpoint_timeout_minutes=1,
            )
            config = SageMakerConfig.of(settings)
            assert config is not None
            api = SageMakerApi(REGION)
            # Clients read their address when they are made.
            assert api._client is not None
            assert api._runtime is not None
            return Account(settings, fake, SageMaker(config, api, 0.05), instance)

        yield make
        for fake in fakes:
            fake.close()
        for server in servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def account(account_of: AccountOf) -> Account:
    """A new account with an empty lake."""
    return account_of()


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    return labelled_rows()


@cache
def fitted(seed: int) -> ModelParts:
    """The model of the rows of a seed, fitted in this process."""
    settings = Settings(
        threads=1, forest_rows=256, gate_max_average_precision_loss=LENIENT, gate_resamples=200
    )
    return fit(FeedRows("sim", SIM_SPLIT, labelled_rows(seed)), settings, "cpu")


LENIENT: Final = 0.1
"""Of so few rows a model need not be better than a regression."""

APPROVED: Final = Verdict(Status.APPROVED, ("all is well",))
REJECTED: Final = Verdict(Status.REJECTED, ("average precision 0.1 < 0.5: Rejected",))


@pytest.fixture(scope="session")
def trained(account_of: AccountOf, rows: pl.DataFrame) -> Account:
    """An account whose model was trained by a job and registered; read by several tests."""
    account = account_of()
    account.fake.as_processes = True
    account.publish_rows(rows)
    account.must("sagemaker_training_job")
    account.must("sagemaker_model_package")
    return account


def with_model(account: Account, verdict: Verdict | None = APPROVED, seed: int = 1) -> int:
    """Publish rows, a model of them that was fitted here, and its verdict; its version."""
    training = account.publish_rows(labelled_rows(seed))
    registry = ModelRegistry(account.versions)
    attempt = account.versions.begin(registry.slot("sim"), f"by-hand-{training.content_id}")
    write_model(attempt, fitted(seed))
    made = account.versions.publish(attempt, inputs={training.slot: training.content_id})
    if verdict is not None:
        registry.register("sim", made.number, verdict, by="gate")
    return made.number


def _calm_latency(call: Callable[[int], object]) -> Latency:
    call(0)
    return Latency(p50_ms=1.0, p99_ms=1.0, calls=1)
