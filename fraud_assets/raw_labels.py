"""Labels that arrive apart from their transactions: a file of them, typed and checked."""

from collections.abc import Iterator, Mapping
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.checks import predicate_check
from fraud_assets.described import described
from fraud_assets.feed_turns import feed_lease, refuse_succeeded
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.label_intake import TRANSACTIONS, Intake, beside_others, take_in
from fraud_assets.label_schemas import RAW_LABELS
from fraud_assets.labels import REACH, reach_of_table
from fraud_assets.measure import StepMeter
from fraud_assets.partitions import LABEL_UPLOADS
from fraud_assets.publication import OWNERS, Draft, PublicationEvent, publish, rejected_label
from fraud_assets.raw import CONSERVATION
from fraud_assets.upload_names import feed_of_labels
from fraud_assets.uploads import Upload, Uploads
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

NAME: Final = "raw_labels"
AGREEMENT: Final = "agrees_with_other_labels"
_LINEAGE: Final = {"raw_transactions": {"occurred_at": ["transaction_id", "occurred_at"]}}
_SHOWN: Final = ("transaction_id", "occurred_at", "is_fraud", "known_at", "source", "source_row")
"""Who judged and why is for the table, not for the previews."""


@dg.asset(
    name=NAME,
    deps=["raw_transactions"],
    partitions_def=LABEL_UPLOADS,
    group_name="raw",
    kinds={"polars", "parquet"},
    owners=list(OWNERS),
    code_version="1",
    check_specs=[
        RAW_LABELS.spec(NAME),
        dg.AssetCheckSpec(
            CONSERVATION,
            asset=NAME,
            blocking=True,
            description="Every received label is accepted, a duplicate, or in quarantine.",
        ),
        dg.AssetCheckSpec(
            AGREEMENT,
            asset=NAME,
            blocking=False,
            description="No other upload has the same source say the opposite at one moment.",
        ),
    ],
)
def raw_labels(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """The labels of one uploaded file: which transaction is fraud, who says so, since when.

    A label whose transaction has not landed waits for it. Rows that cannot be read, contradict
    each other or judge what had not happened yet are kept in quarantine with their reason.
    """
    with StepMeter() as meter:
        feeds = load_feeds(settings.feeds_dir)
        uploads = Uploads(lake, feeds)
        upload = uploads.get(context.partition_key)
        feed = judged_feed(feeds, upload)
        versions = Versions(lake)
        with feed_lease(lake, feed.name) as held:
            intake = take_in(lake, uploads, upload, feed)
            draft = _draft(versions, context.run.run_id, upload, intake)

            def guard() -> None:
                # Quarantine first, as for transactions: else a kill in between would lose it.
                refuse_succeeded(held, feed.name)
                _keep_quarantine(versions, context.run.run_id, upload, intake)
                refuse_succeeded(held, feed.name)

            yield from publish(versions, draft, meter, guard=guard)
        uploads.clear_refusal(upload.key)


def judged_feed(feeds: Mapping[str, Feed], upload: Upload) -> Feed:
    """The feed whose transactions a file of labels judges.

    Raises:
        dagster.Failure: Its definition is not among those that are loaded here.
    """
    name = feed_of_labels(upload.feed) or upload.feed
    if name not in feeds:
        raise dg.Failure(
            description=f"{upload.file}: there is no feed {name!r} here; known feeds: "
            f"{', '.join(sorted(feeds))}. Put its definition back, or set FRAUD_FEEDS_DIR.",
            allow_retries=False,
        )
    return feeds[name]


def _keep_quarantine(versions: Versions, run: str, upload: Upload, intake: Intake) -> None:
    slot = layers.quarantine_slot(intake.feed.name, upload.key)
    rows = intake.quarantined
    if rows.is_empty() and versions.latest(slot) is None:
        return
    attempt = versions.begin(slot, run)
    attempt.write_table(rows)
    versions.publish(attempt, inputs={"received": upload.sha256}, extra={})


def _draft(versions: Versions, run: str, upload: Upload, intake: Intake) -> Draft:
    attempt = versions.begin(layers.label_slot(intake.feed.name, upload.key), run)
    staged = attempt.write_table(intake.table).collect()
    quarantined = intake.quarantined
    figures = {
        "received": intake.read.received,
        "accepted": staged.height,
        "duplicate": intake.read.duplicate,
        "quarantined": quarantined.height,
        "waiting": intake.waiting,
    }
    others = beside_others(versions, upload, intake)
    waits = {TRANSACTIONS: intake.looked_at} if intake.waiting else {}
    rejected = rejected_label(attempt)
    total = figures["accepted"] + figures["duplicate"] + figures["quarantined"]
    return Draft(
        attempt=attempt,
        checks=[
            RAW_LABELS.evaluate(staged, rejected),
            predicate_check(
                CONSERVATION,
                passed=total == figures["received"],
                rejected=rejected,
                description=f"{total} of {figures['received']} received labels are accounted for.",
                figures=figures,
            ),
            predicate_check(
                AGREEMENT,
                passed=not others["contradicting"],
                rejected=rejected,
                description=f"{others['contradicting']} labels contradict those of other uploads "
                "or files, at the same moment and of the same source; neither counts.",
                figures={"contradicting": others["contradicting"]},
                blocking=False,
            ),
        ],
        inputs={
            "received": upload.sha256,
            "feed": intake.feed.digest,
            **intake.found_in,
            **waits,
        },
        extra={**figures, "upload_order": upload.order, REACH: reach_of_table(staged)},
        metadata={
            **figures,
            **others,
            "unsure": staged["is_fraud"].null_count(),
            "frauds": int(staged["is_fraud"].sum()),
            "by_source": _by_source(staged),
            **described(RAW_LABELS, staged, _LINEAGE, _SHOWN),
        },
    )


def _by_source(table: pl.DataFrame) -> dg.MetadataValue:
    counted = table.group_by("source").len().sort("source")
    lines = ["| source | labels |", "| --- | --- |"]
    lines += [f"| {source} | {rows} |" for source, rows in counted.iter_rows()]
    return dg.MetadataValue.md("\n".join(lines))
