"""The raw layer: a landed file as typed, checked, deduplicated canonical transactions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.checks import column_schema, predicate_check
from fraud_assets.feed_turns import feed_lease, refuse_succeeded
from fraud_assets.feeds import Feed, ReadResult, RefusedError, load_feeds, read_upload
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import PREVIEW_ROWS, preview
from fraud_assets.partitions import UPLOADS
from fraud_assets.publication import (
    OWNERS,
    Draft,
    PublicationEvent,
    publish,
    rejected_label,
)
from fraud_assets.ring_history import RING_ROWS, ring_rows
from fraud_assets.schemas import MEANING, RAW
from fraud_assets.step_scratch import step_scratch
from fraud_assets.uploads import Upload, Uploads
from resources.attempts import sha256_of
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Attempt, Manifest, Versions

NAME: Final = "raw_transactions"
CONSERVATION: Final = "received_is_accounted_for"


@dg.asset(
    name=NAME,
    partitions_def=UPLOADS,
    group_name="raw",
    kinds={"polars", "parquet"},
    owners=list(OWNERS),
    code_version="1",
    check_specs=[
        RAW.spec(NAME),
        dg.AssetCheckSpec(
            CONSERVATION,
            asset=NAME,
            blocking=True,
            description="Every received row is accepted, a duplicate, or in quarantine.",
        ),
    ],
)
def raw_transactions(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """The transactions of one uploaded file, as sent, in one common table.

    Rows that cannot be read or break the contract are kept in quarantine with their row, column
    and reason. A transaction that another upload already brought is counted as a duplicate and
    left out, so nothing is counted twice.
    """
    with StepMeter() as meter, step_scratch(lake) as scratch:
        feeds = load_feeds(settings.feeds_dir)
        uploads = Uploads(lake, feeds)
        upload = uploads.get(context.partition_key)
        feed = known_feed(feeds, upload)
        versions = Versions(lake)
        with feed_lease(lake, upload.feed) as held:
            through = scratch if settings.engine == "cpu-streaming" else None
            intake = _take_in(lake, uploads, upload, feed, through)
            draft = _draft(versions, context.run.run_id, upload, intake)

            def guard() -> None:
                # Quarantine first: killed in between, the upload is still due and made again.
                # The other way round it would count as done, and its quarantine be missing.
                refuse_succeeded(held, upload.feed)
                _keep_quarantine(versions, context.run.run_id, upload, intake.read.quarantined)
                refuse_succeeded(held, upload.feed)

            yield from publish(versions, draft, meter, guard=guard)
        uploads.clear_refusal(upload.key)


def known_feed(feeds: Mapping[str, Feed], upload: Upload) -> Feed:
    """The feed of an upload.

    Raises:
        dagster.Failure: Its definition is not among those that are loaded here.
    """
    if upload.feed not in feeds:
        raise dg.Failure(
            description=f"{upload.file}: there is no feed {upload.feed!r} here; known feeds: "
            f"{', '.join(sorted(feeds))}. Put its definition back, or set FRAUD_FEEDS_DIR.",
            allow_retries=False,
        )
    return feeds[upload.feed]


@dataclass(frozen=True)
class Intake:
    """What one file brought.

    Attributes:
        feed: By which it was read.
        read: Its readable rows and what became of the others.
        known: Ids of those rows whose transaction another upload holds already.
    """

    feed: Feed
    read: ReadResult
    known: pl.Series

    @property
    def fresh(self) -> pl.LazyFrame:
        """The rows that no other upload holds, in order."""
        if self.known.is_empty():
            return self.read.table
        return self.read.table.filter(~pl.col("transaction_id").is_in(self.known.implode()))

    @property
    def accepted(self) -> int:
        """How many these are."""
        return self.read.rows - self.known.len()

    @property
    def duplicate(self) -> int:
        """Rows left out because their transaction is already held, in this file or another."""
        return self.read.duplicate + self.known.len()


def _take_in(
    lake: Lake, uploads: Uploads, upload: Upload, feed: Feed, scratch: Path | None
) -> Intake:
    with lake.local_copy(upload.data_key) as path:
        if sha256_of(path) != upload.sha256:
            raise dg.Failure(
                description=f"{upload.data_key} is not what was received (another SHA-256); "
                f"restore it, or remove it and land {upload.name} again",
                allow_retries=False,
            )
        try:
            read = read_upload(
                path, feed, source_file=upload.name, now=datetime.now(UTC), scratch=scratch
            )
        except RefusedError as error:
            uploads.record_refusal(upload.key, str(error), feed_digest=feed.digest)
            raise dg.Failure(
                description=f"{upload.name} was refused: {error}", allow_retries=False
            ) from error
    others = _others(Versions(lake), uploads, upload)
    return Intake(feed, read, _known(Versions(lake), read.table, others))


def _others(versions: Versions, uploads: Uploads, upload: Upload) -> dict[str, Manifest]:
    """The visible raw versions of the feed's other uploads.

    Damaged ones that landed later are left out: they are mended after this one, and then leave
    out what this one holds. So several damaged versions can be mended, in landing order.
    """
    own = layers.upload_slot(NAME, upload.feed, upload.key)
    later = {
        layers.upload_slot(NAME, one.feed, one.key)
        for one in uploads.all(upload.feed)
        if one.order > upload.order
    }
    found = versions.survey(f"{layers.UPLOAD_LAYERS[NAME]}/feed={upload.feed}")
    damaged = {slot for slot, one in found.items() if one.problem}
    return layers.visible(versions, NAME, upload.feed, skip={own, *(damaged & later)})


def _known(versions: Versions, table: pl.LazyFrame, others: dict[str, Manifest]) -> pl.Series:
    """The transaction ids of a table that other uploads hold, each once.

    Memory holds the 64-bit hashes of the table's ids; only ids whose hashes meet are compared.
    """
    name = "transaction_id"
    if not others:
        return pl.Series(name, dtype=pl.String)
    hashed = pl.col(name).hash().alias("hash")
    hashes = table.select(hashed).collect(engine="streaming").lazy()
    met = (
        versions.scan_all(list(others.values()))
        .select(name, hashed)
        .join(hashes, on="hash", how="semi")
        .select(name)
        .collect(engine="streaming")
    )
    if met.is_empty():
        return met.to_series()
    # Each id stands in the table once, and so it does in what is known of it.
    known = table.select(name).join(met.lazy(), on=name, how="semi")
    return known.collect(engine="streaming").to_series()


def _keep_quarantine(versions: Versions, run: str, upload: Upload, rows: pl.DataFrame) -> None:
    """Publish the rows that were set aside, also when a repaired feed leaves none."""
    slot = layers.quarantine_slot(upload.feed, upload.key)
    if rows.is_empty() and versions.latest(slot) is None:
        return
    attempt = versions.begin(slot, run)
    attempt.write_table(rows)
    versions.publish(attempt, inputs={"received": upload.sha256}, extra={})


def _draft(versions: Versions, run: str, upload: Upload, intake: Intake) -> Draft:
    attempt = versions.begin(layers.upload_slot(NAME, upload.feed, upload.key), run)
    staged = attempt.write_table(intake.fresh)
    figures = {
        "received": intake.read.received,
        "accepted": intake.accepted,
        "duplicate": intake.duplicate,
        "quarantined": intake.read.quarantined.height,
    }
    counted = {RING_ROWS: ring_rows(staged)}
    return Draft(
        attempt=attempt,
        checks=[
            RAW.evaluate(staged, rejected_label(attempt)),
            _conservation(attempt, staged, figures),
        ],
        inputs={"received": upload.sha256, "feed": intake.feed.digest},
        extra={**figures, **counted, "upload_order": upload.order},
        metadata={
            **figures,
            "duplicates_that_differ": intake.read.conflicting,
            "preview": preview(staged.head(PREVIEW_ROWS).collect()),
            "dagster/column_schema": column_schema(RAW, MEANING.get),
            "quarantine": _reasons(intake.read.quarantined),
        },
    )


def _conservation(
    attempt: Attempt, staged: pl.LazyFrame, figures: dict[str, int]
) -> dg.AssetCheckResult:
    """Received = accepted + duplicate + quarantined, with accepted counted in what was staged."""
    accepted = int(staged.select(pl.len()).collect().item())
    found = accepted + figures["duplicate"] + figures["quarantined"]
    return predicate_check(
        CONSERVATION,
        passed=found == figures["received"],
        rejected=rejected_label(attempt),
        description=f"{found} of {figures['received']} received rows are accounted for.",
        figures=figures,
    )


def _reasons(quarantined: pl.DataFrame) -> dg.MetadataValue:
    """How many rows were set aside for which reason; never their values."""
    counted = quarantined.group_by("column", "reason").len().sort("len", descending=True).head(20)
    lines = ["| column | reason | rows |", "| --- | --- | --- |"]
    lines += [f"| {column} | {reason} | {rows} |" for column, reason, rows in counted.iter_rows()]
    return dg.MetadataValue.md("\n".join(lines) if counted.height else "none")
