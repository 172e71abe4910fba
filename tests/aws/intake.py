"""A bucket that tells a queue of what lands in it, for tests of the sensor that reads the queue."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from fraud_assets.definitions import build
from fraud_assets.feeds import load_feeds
from fraud_assets.uploads import Uploads
from resources.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

    from tests.aws.conftest import AwsClient

ONE: Final = b"a\n1\n"  # SHA-256 309b0e45...
PREFIX: Final = "team-one/lake"


@dataclass
class Intake:
    """A bucket that tells a queue of what lands in it, and the sensor that reads the queue."""

    client: "AwsClient"
    instance: dg.DagsterInstance
    settings: Settings
    bucket: str
    queue_url: str
    dead_url: str

    def land(self, path: str, body: bytes = ONE) -> None:
        self.client("s3").put_object(Bucket=self.bucket, Key=f"{PREFIX}/landing/{path}", Body=body)

    def remove(self, path: str) -> None:
        self.client("s3").delete_object(Bucket=self.bucket, Key=f"{PREFIX}/landing/{path}")

    def send(self, body: str) -> None:
        self.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)

    def waiting(self, url: str | None = None) -> int:
        """Messages in a queue, also those that somebody has received and not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client("sqs").get_queue_attributes(
            QueueUrl=url or self.queue_url, AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def tick(self, cursor: str | None = None) -> "SensorExecutionData":
        """One look; without a cursor right after a full listing, so that only the queue tells."""
        definitions = build(self.settings)
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            cursor=cursor or listed(ago=1),
            definitions=definitions,
            sensor_name="uploads_sensor",
            resources=dict(definitions.resources or {}),
        )
        return definitions.resolve_sensor_def("uploads_sensor").evaluate_tick(context)

    def registered(self) -> dict[str, bytes]:
        """The uploads and their bytes, in landing order."""
        lake = self.settings.open_lake()
        found = Uploads(lake, load_feeds(None)).all()
        return {upload.key: lake.get(upload.data_key) for upload in found}


def listed(ago: int, order: int = 0) -> str:
    """The cursor of a sensor that listed everything so many seconds ago."""
    return f"{order} {(datetime.now(UTC) - timedelta(seconds=ago)).isoformat()}"


def requested(tick: "SensorExecutionData") -> list[str | None]:
    return [one.partition_key for one in tick.run_requests or []]
