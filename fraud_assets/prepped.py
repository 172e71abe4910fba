"""The prepped layer: every transaction with what was known of its parties before it happened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import numpy as np
import polars as pl

from fraud_assets import layers
from fraud_assets.checks import column_schema
from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feed_turns import feed_lease, refuse_succeeded
from fraud_assets.feeds import load_feeds
from fraud_assets.labelled_features import LateLabels, labelled_features
from fraud_assets.labels import FeedLabels
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
from fraud_assets.raw import known_feed
from fraud_assets.ring_history import RINGS, RingHistory, RingSources, ring_history
from fraud_assets.same_rows import same_rows_check, same_rows_spec
from fraud_assets.schemas import MEANING, prepped_contract
from fraud_assets.step_scratch import step_scratch
from fraud_assets.uploads import Upload, Uploads
from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue, RingFeature, RowFeature
from gpu_ops.features import CATALOGUE, column_lineage, feature_table, history_needed
from gpu_ops.flow_features import FlowFeature
from gpu_ops.labels import no_events
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Manifest, Versions

NAME: Final = "prepped_transactions"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FEATURE_MEANING: Final = {feature.name: feature.description for feature in CATALOGUE}
CATALOGUE_DIGEST: Final = catalogue_digest(CATALOGUE)
"""That of a feed which says nothing of its own about its features."""

CONTRACT: Final = prepped_contract(
    {feature.name: feature.dtype for feature in CATALOGUE},
    [
        one.name
        for one in CATALOGUE
        # What went through an account is null where payers and payees are of different kinds.
        if not isinstance(one, RowFeature | FlowFeature | RingFeature) and one.empty_is_zero
    ],
)


@dg.asset(
    name=NAME,
    deps=[RAW_NAME, "raw_labels"],
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

    Counts, sums, means, maxima and distinct counterparties over one hour to thirty days, habits,
    bursts, ages, the amount against the parties' own history, what went through their accounts,
    and confirmed fraud as far as it was known by then. No value looks at the same moment or later.
    """
    with StepMeter() as meter:
        feeds = load_feeds(settings.feeds_dir)
        upload = Uploads(lake, feeds).get(context.partition_key)
        versions = Versions(lake)
        with feed_lease(lake, upload.feed) as held, step_scratch(lake) as scratch:
            feed = known_feed(feeds, upload)
            catalogue = feed_catalogue(feed)
            history = _history(versions, upload, FeedLabels.of(versions, feed), catalogue)
            rings = _rings_before(versions, upload.feed, history, context.run.run_id)
            known = None if rings is None else rings.log

            def plan(rows: pl.LazyFrame, is_target: pl.Expr, folder: Path) -> pl.LazyFrame:
                engine = Engine(settings.engine)
                return feature_table(
                    rows,
                    is_target=is_target,
                    engine=engine,
                    catalogue=catalogue,
                    rings=known,
                    scratch=folder,
                )

            features = labelled_features(history.rows, history.labels, plan, scratch)
            draft = _draft(versions, context.run.run_id, upload, history, features)
            draft = replace(draft, metadata={**draft.metadata, **_limits(rings)})
            yield from publish(
                versions, draft, meter, guard=lambda: refuse_succeeded(held, upload.feed)
            )


@dataclass(frozen=True)
class History:
    """An upload's rows with those of its look-back."""

    rows: pl.LazyFrame
    target: Manifest
    rings: RingSources
    inputs: dict[str, str]
    labels: LateLabels


class RawVersions:
    """A feed's visible raw versions, ready to tell which of them an upload's features read."""

    def __init__(self, raw: Mapping[str, Manifest], catalogue: Catalogue) -> None:
        """Takes the versions by upload key; those without rows are read by nobody else."""
        self.catalogue = catalogue_digest(catalogue)
        self.rings = RingSources(raw, same_entities=catalogue.same_entities)
        self._reach = history_needed(catalogue)
        self._raw = raw
        spans = [
            (key, one.event_from, one.event_to)
            for key, one in raw.items()
            if one.event_from is not None and one.event_to is not None
        ]
        self._keys = [key for key, _, _ in spans]
        self._first = np.array([_microseconds(first) for _, first, _ in spans], dtype=np.int64)
        self._last = np.array([_microseconds(last) for _, _, last in spans], dtype=np.int64)

    def inputs_of(self, key: str, labels: Mapping[str, str]) -> dict[str, str]:
        """How a prepped version names what it was made of: rows, `labels_read`, rings, catalogue.

        Raises:
            dagster.Failure: The upload has no raw version.
        """
        named = {manifest.slot: manifest.content_id for manifest in self.read_by(key).values()}
        rings = self.rings.inputs_for(self._raw[key])
        return {**named, **labels, **rings, "catalogue": self.catalogue}

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
        start = _microseconds(target.event_from - self._reach)
        reached = (self._last >= start) & (self._first <= _microseconds(target.event_to))
        return {self._keys[place]: self._raw[self._keys[place]] for place in reached.nonzero()[0]}


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def labels_read(labels: FeedLabels, target: Manifest, catalogue: Catalogue) -> dict[str, str]:
    """How a prepped version names the late labels that it saw."""
    first = None if target.event_from is None else target.event_from - history_needed(catalogue)
    return labels.inputs_for(first, target.event_to)


def _history(
    versions: Versions, upload: Upload, labels: FeedLabels, catalogue: Catalogue
) -> History:
    raw = layers.visible(versions, RAW_NAME, upload.feed)
    visible = RawVersions(raw, catalogue)
    read = visible.read_by(upload.key)
    target = read[upload.key]
    scans = [
        versions.scan(manifest).with_columns(is_target=pl.lit(key == upload.key))
        for key, manifest in sorted(read.items())
    ]
    rows = pl.concat(scans)
    if target.event_from is not None and target.event_to is not None:
        # A late upload's future is on disk too; it stays out of the scan.
        start = target.event_from - history_needed(catalogue)
        rows = rows.filter(pl.col("occurred_at").is_between(start, target.event_to))
    seen = labels_read(labels, target, catalogue)
    late = LateLabels(no_events(), labels.maturity, has_any=bool(seen))
    if seen and target.event_from is not None and target.event_to is not None:
        late = replace(late, events=labels.events_for(versions, start, target.event_to))
    return History(rows, target, visible.rings, visible.inputs_of(upload.key, seen), late)


def _rings_before(
    versions: Versions, feed: str, history: History, run_id: str
) -> RingHistory | None:
    """What was known of rings day by day, before the target's last one; None: no rings there."""
    last = history.target.event_to
    if last is None or RINGS not in history.inputs:
        return None
    before = last.astimezone(UTC).date() - timedelta(days=1)
    return ring_history(versions, feed, history.rings, before, run_id)


def _limits(rings: RingHistory | None) -> dict[str, int]:
    """How often a limit of the search left something of the feed's rings out."""
    cut = {} if rings is None else rings.state.cut
    return {f"ring_limit_{name}": times for name, times in cut.items()}


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
            "uploads_read": sum(name.startswith("raw/") for name in history.inputs),
            "label_uploads_read": sum(name.startswith("labels/") for name in history.inputs),
            "preview": preview(staged.head(8).collect(), staged.collect_schema().names()[:14]),
            "dagster/column_schema": column_schema(
                CONTRACT, lambda name: MEANING.get(name) or FEATURE_MEANING.get(name)
            ),
            "dagster/column_lineage": lineage(RAW_NAME, column_lineage()),
        },
    )
