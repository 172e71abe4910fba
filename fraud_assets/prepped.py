"""The prepped layer: every transaction with what was known of its parties before it happened."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
import numpy as np
import polars as pl

from fraud_assets import layers
from fraud_assets.checks import column_schema
from fraud_assets.feeds import load_feeds
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import lineage, preview
from fraud_assets.partitions import UPLOADS
from fraud_assets.publication import (
    HEAVY_POOL,
    OWNERS,
    Draft,
    PublicationEvent,
    publish,
    rejected_label,
)
from fraud_assets.raw import NAME as RAW_NAME
from fraud_assets.raw import feed_lease, refuse_succeeded
from fraud_assets.same_rows import same_rows_check, same_rows_spec
from fraud_assets.schemas import MEANING, prepped_contract
from fraud_assets.step_scratch import step_scratch
from fraud_assets.uploads import Upload, Uploads
from gpu_ops.engine import Engine
from gpu_ops.feature_model import WindowFeature
from gpu_ops.features import CATALOGUE, column_lineage, feature_table, history_needed
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Manifest, Versions

NAME: Final = "prepped_transactions"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FEATURE_MEANING: Final = {feature.name: feature.description for feature in CATALOGUE}
CATALOGUE_DIGEST: Final = hashlib.sha256(
    "\n".join(f"{one.name}: {one.formula}" for one in CATALOGUE).encode()
).hexdigest()[:16]
"""Changes when a feature is added, dropped or defined otherwise; older versions are stale then."""

CONTRACT: Final = prepped_contract(
    {feature.name: feature.dtype for feature in CATALOGUE},
    [
        one.name
        for one in CATALOGUE
        if isinstance(one, WindowFeature)
        and (one.dtype.is_unsigned_integer() or one.statistic == "sum")
    ],
)


@dg.asset(
    name=NAME,
    deps=[RAW_NAME],
    partitions_def=UPLOADS,
    group_name="prepped",
    kinds={"polars", "parquet"},
    owners=list(OWNERS),
    code_version=CATALOGUE_DIGEST,
    pool=HEAVY_POOL,
    check_specs=[CONTRACT.spec(NAME), same_rows_spec(NAME)],
)
def prepped_transactions(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[PublicationEvent]:
    """What was known of payer, payee and the pair just before each transaction.

    Counts, sums, means, maxima and distinct counterparties over one hour to thirty days, confirmed
    fraud at the payee as far as it was known by then, and the amount against the payer's own
    history. No value looks at the same moment or later.
    """
    with StepMeter() as meter:
        upload = Uploads(lake, load_feeds(settings.feeds_dir)).get(context.partition_key)
        versions = Versions(lake)
        with feed_lease(lake, upload.feed) as held, step_scratch(lake) as scratch:
            history = _history(versions, upload)
            features = feature_table(
                history.rows,
                is_target=pl.col("is_target"),
                engine=Engine(settings.engine),
                scratch=scratch,
            )
            draft = _draft(versions, context.run.run_id, upload, history, features)
            yield from publish(
                versions, draft, meter, guard=lambda: refuse_succeeded(held, upload.feed)
            )


@dataclass(frozen=True)
class History:
    """An upload's rows with those of its look-back."""

    rows: pl.LazyFrame
    target: Manifest
    inputs: dict[str, str]


class RawVersions:
    """A feed's visible raw versions, ready to tell which of them an upload's features read."""

    def __init__(self, raw: Mapping[str, Manifest]) -> None:
        """Takes the versions by upload key; those without rows are read by nobody else."""
        self._raw = raw
        spans = [
            (key, one.event_from, one.event_to)
            for key, one in raw.items()
            if one.event_from is not None and one.event_to is not None
        ]
        self._keys = [key for key, _, _ in spans]
        self._first = np.array([_microseconds(first) for _, first, _ in spans], dtype=np.int64)
        self._last = np.array([_microseconds(last) for _, _, last in spans], dtype=np.int64)

    def read_by(self, key: str) -> dict[str, Manifest]:
        """The versions whose event times reach into an upload's span or its look-back.

        A version of the features is stale when this set differs from the one it was made of.

        Raises:
            dagster.Failure: The upload has no raw version.
        """
        target = self._raw.get(key)
        if target is None:
            raise dg.Failure(
                description=f"{key} has no raw version; materialize raw_transactions first.",
                allow_retries=False,
            )
        if target.event_from is None or target.event_to is None:
            return {key: target}
        start = _microseconds(target.event_from - history_needed(CATALOGUE))
        reached = (self._last >= start) & (self._first <= _microseconds(target.event_to))
        return {self._keys[place]: self._raw[self._keys[place]] for place in reached.nonzero()[0]}


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def input_versions(read: dict[str, Manifest]) -> dict[str, str]:
    """How a prepped version names what it was made of."""
    named = {manifest.slot: manifest.content_id for manifest in read.values()}
    return {**named, "catalogue": CATALOGUE_DIGEST}


def _history(versions: Versions, upload: Upload) -> History:
    read = RawVersions(layers.visible(versions, RAW_NAME, upload.feed)).read_by(upload.key)
    target = read[upload.key]
    scans = [
        versions.scan(manifest).with_columns(is_target=pl.lit(key == upload.key))
        for key, manifest in sorted(read.items())
    ]
    rows = pl.concat(scans)
    if target.event_from is not None and target.event_to is not None:
        # A late upload's future is on disk too; it stays out of the scan.
        start = target.event_from - history_needed(CATALOGUE)
        rows = rows.filter(pl.col("occurred_at").is_between(start, target.event_to))
    return History(rows, target, input_versions(read))


def _draft(
    versions: Versions, run: str, upload: Upload, history: History, features: pl.LazyFrame
) -> Draft:
    attempt = versions.begin(layers.upload_slot(NAME, upload.feed, upload.key), run)
    staged = attempt.write_table(features)
    rejected = rejected_label(attempt)
    return Draft(
        attempt=attempt,
        checks=[
            CONTRACT.evaluate(staged, rejected),
            same_rows_check(staged, versions.scan(history.target), rejected),
        ],
        inputs=history.inputs,
        metadata={
            "uploads_read": len(history.inputs) - 1,
            "preview": preview(staged.head(8).collect(), staged.collect_schema().names()[:14]),
            "dagster/column_schema": column_schema(
                CONTRACT, lambda name: MEANING.get(name) or FEATURE_MEANING.get(name)
            ),
            "dagster/column_lineage": lineage(RAW_NAME, column_lineage()),
        },
    )
