"""A file of labels with the transactions that it judges, as far as they have landed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.feeds import Feed, ReadLabels, RefusedError, read_labels
from fraud_assets.feeds.label_file import faults_of, in_quarantine
from fraud_assets.label_schemas import RAW_LABELS
from fraud_assets.labels import FeedLabels
from fraud_assets.uploads import Upload, Uploads
from gpu_ops.labels import EVENT_SCHEMA, contradicting, spells
from resources.attempts import sha256_of
from resources.lake import Lake
from resources.versions import Manifest, Versions

TRANSACTIONS: Final = "transactions"
"""Among the inputs of labels that wait: a digest of the transactions that were looked through."""

TOO_EARLY: Final = "the label is known before the transaction"
_COLUMNS: Final = list(RAW_LABELS.schema.columns)


@dataclass(frozen=True)
class Intake:
    """What one file of labels brought.

    Attributes:
        feed: Whose transactions it judges.
        file: Its name as landed.
        read: Its readable rows, and what became of the others.
        table: The accepted rows, `RAW_LABELS`.
        too_early: Rows known before their transaction happened.
        found_in: Slot to content of the raw versions that hold its transactions.
        looked_at: Digest of all that were looked through.
    """

    feed: Feed
    file: str
    read: ReadLabels
    table: pl.DataFrame
    too_early: pl.DataFrame
    found_in: Mapping[str, str]
    looked_at: str

    @property
    def waiting(self) -> int:
        """Labels whose transaction has not landed."""
        return self.table["occurred_at"].null_count()

    @property
    def quarantined(self) -> pl.DataFrame:
        """`QUARANTINE_SCHEMA`: every row that was set aside."""
        early = faults_of(self.too_early, "known_at", TOO_EARLY)
        named = in_quarantine(early, self.file)
        return pl.concat([self.read.quarantined, named]).sort("row")


def take_in(lake: Lake, uploads: Uploads, upload: Upload, feed: Feed) -> Intake:
    """Reads a registered file of labels and finds the transactions that they judge.

    Raises:
        dagster.Failure: The bytes are not those received, or the file was refused.
    """
    with lake.local_copy(upload.data_key) as path:
        if sha256_of(path) != upload.sha256:
            raise dg.Failure(
                description=f"{upload.data_key} is not what was received (another SHA-256); "
                f"restore it, or remove it and land {upload.name} again",
                allow_retries=False,
            )
        try:
            read = read_labels(path, feed, source_file=upload.name)
        except RefusedError as error:
            uploads.record_refusal(upload.key, str(error), feed_digest=feed.digest)
            raise dg.Failure(
                description=f"{upload.name} was refused: {error}", allow_retries=False
            ) from error
    versions = Versions(lake)
    raw = layers.visible(versions, "raw_transactions", feed.name)
    known = _transactions(versions, raw, read.table)
    dated = read.table.join(
        known.select("transaction_id", "occurred_at"),
        on="transaction_id",
        how="left",
        maintain_order="left",
    ).select(_COLUMNS)
    is_early = (pl.col("known_at") < pl.col("occurred_at")).fill_null(value=False)
    slots = set(known["slot"])
    return Intake(
        feed=feed,
        file=upload.name,
        read=read,
        table=dated.filter(~is_early),
        too_early=dated.filter(is_early),
        found_in={str(one.slot): one.content_id for one in raw.values() if str(one.slot) in slots},
        looked_at=transactions_digest(raw),
    )


def beside_others(versions: Versions, upload: Upload, intake: Intake) -> dict[str, int]:
    """How many of these labels take another back (`superseded`) or contradict one."""
    # A damaged one must not keep its successor out.
    labels, _ = FeedLabels.intact(versions, intake.feed)
    others = FeedLabels({key: one for key, one in labels.manifests.items() if key != upload.key})
    mine = intake.table.lazy().select(*EVENT_SCHEMA)
    ids = mine.select("transaction_id").unique()
    told = others.events(versions).join(ids, on="transaction_id", how="semi")
    raw = layers.visible(versions, "raw_transactions", intake.feed.name)
    files = [
        versions.scan(one).select(
            "transaction_id",
            "is_fraud",
            pl.col("label_known_at").alias("known_at"),
            pl.lit("file").alias("source"),
        )
        for one in raw.values()
        if str(one.slot) in intake.found_in
    ]
    told = pl.concat([told, *(one.join(ids, on="transaction_id", how="semi") for one in files)])
    every = pl.concat([mine, told])
    key = ["transaction_id", "known_at", "source"]
    is_change = pl.col("transaction_id").shift(1) == pl.col("transaction_id")
    taken_back = spells(every).filter(is_change).join(mine, on=key, how="semi")
    opposed = contradicting(every).join(mine, on=key, how="semi")
    return {
        "superseded": taken_back.select(pl.len()).collect().item(),
        "contradicting": opposed.select(pl.len()).collect().item(),
    }


def transactions_digest(raw: Mapping[str, Manifest]) -> str:
    """Changes when transactions of a feed land or are made anew; they may be waited for."""
    told = sorted(f"{one.slot} {one.content_id}" for one in raw.values())
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _transactions(
    versions: Versions, raw: Mapping[str, Manifest], labels: pl.DataFrame
) -> pl.DataFrame:
    """`transaction_id`, `occurred_at` and `slot` of the labelled transactions that have landed."""
    ids = labels.lazy().select("transaction_id").unique()
    held = [
        versions.scan(one).select("transaction_id", "occurred_at", slot=pl.lit(str(one.slot)))
        for one in raw.values()
    ]
    nothing = pl.LazyFrame(
        schema={
            "transaction_id": pl.String(),
            "occurred_at": pl.Datetime("us", "UTC"),
            "slot": pl.String(),
        }
    )
    return (
        pl.concat([nothing, *held])
        .join(ids, on="transaction_id", how="semi")
        .collect(engine="streaming")
        .unique("transaction_id", keep="first", maintain_order=True)
    )
