"""The drift report: what has moved since the champions were trained, window by window."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, Self

import dagster as dg
import polars as pl

from fraud_assets import drift_pictures, layers, pictures
from fraud_assets.described import described
from fraud_assets.drift_measuring import FeedDrift, Measured
from fraud_assets.drift_rows import FeedRows
from fraud_assets.drift_schemas import DRIFT, DRIFT_LINEAGE, DTYPES, WindowRecord
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.measure import StepMeter
from fraud_assets.publication import (
    SCIENCE,
    Draft,
    Metadata,
    PublicationEvent,
    publish,
    rejected_label,
)
from gpu_ops.drift_windows import Condition
from gpu_ops.model_files import ModelFileError
from resources.errors import LakeError
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.settings import Settings
from resources.versions import Versions

NAME: Final = "drift_report"
CHECK: Final = "drift_check"
_WINDOWS: Final = "windows"
_PREVIEW: Final = (
    "feed",
    "window_from",
    "column",
    "psi",
    "ks",
    "wasserstein",
    "null_share",
    "condition",
    "window_condition",
)


@dataclass(frozen=True)
class Report:
    """What is known of all feeds: windows oldest first, and why others were not measured."""

    measured: tuple[Measured, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def last(cls, versions: Versions) -> Self:
        """The visible report; an empty one where there is none that can be read."""
        try:
            manifest = versions.latest(layers.snapshot_slot(NAME))
            if manifest is None or not manifest.rows:
                return cls()
            table = versions.scan(manifest).collect()
        except LakeError:
            # It is made anew from what it was made of.
            return cls()
        records = records_of(manifest.extra.get(_WINDOWS))
        return cls(
            tuple(
                Measured(one, table.filter(feed=one.feed, window_from=one.start)) for one in records
            )
        )

    @property
    def records(self) -> list[WindowRecord]:
        """All windows."""
        return [one.record for one in self.measured]

    @property
    def table(self) -> pl.DataFrame:
        """All rows, of `DRIFT`."""
        tables = [one.table for one in self.measured]
        return pl.concat(tables) if tables else pl.DataFrame(schema=DTYPES)

    def told(self) -> list[WindowRecord]:
        """Of each feed the latest window, and the latest whose labels tell something."""
        found = []
        for _, mine in groupby(self.records, key=lambda one: one.feed):
            windows = list(mine)
            labelled = [one for one in windows if one.labels_fell is not None]
            found += [*(one for one in labelled[-1:] if one != windows[-1]), windows[-1]]
        return found


def latest_records(versions: Versions) -> list[WindowRecord]:
    """The windows of the visible report, by feed and time; CorruptManifestError if damaged."""
    manifest = versions.latest(layers.snapshot_slot(NAME))
    return [] if manifest is None else records_of(manifest.extra.get(_WINDOWS))


def records_of(stored: object) -> list[WindowRecord]:
    """Windows as a manifest keeps them."""
    return [WindowRecord.model_validate(one) for one in stored] if isinstance(stored, list) else []


@dg.asset(
    deps=["raw_transactions", "prepped_transactions", "augmented_transactions"],
    group_name="model",
    kinds={"polars", "parquet"},
    owners=list(SCIENCE),
    code_version="1",
    check_specs=[
        DRIFT.spec(NAME),
        dg.AssetCheckSpec(
            CHECK,
            asset=NAME,
            description="In the latest whole window of each feed data are in order, the score has "
            "not moved, and figures on labels have not fallen; columns that moved are named.",
        ),
    ],
)
def drift_report(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """How far features, scores and figures on labels lie from those the champion was made of.

    Whole windows of event time are compared with its training, faults of the data first. Two bad
    windows in a row ask for a training; whether its model is served, the gate decides.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        report = made_report(versions, settings, datetime.now(UTC))
        table = report.table
        attempt = versions.begin(layers.snapshot_slot(NAME), context.run.run_id)
        attempt.write_table(table)
        digest = hashlib.sha256("\n".join(one.made_of for one in report.records).encode())
        draft = Draft(
            attempt=attempt,
            checks=[DRIFT.evaluate(table, rejected_label(attempt)), _drift_check(report)],
            inputs={_WINDOWS: digest.hexdigest()[:32]},
            extra={_WINDOWS: [one.model_dump(mode="json") for one in report.records]},
            metadata=_shown(report, settings.drift_psi),
        )
        yield from publish(versions, draft, meter)


def made_report(versions: Versions, settings: Settings, now: datetime) -> Report:
    """The report as of a moment; windows whose ingredients are those of the last are kept."""
    kept = {one.record.made_of: one for one in Report.last(versions).measured}
    measured: list[Measured] = []
    left_out = []
    for name, feed in sorted(load_feeds(settings.feeds_dir).items()):
        try:
            found = _feed_drift(versions, feed, settings, now)
            if isinstance(found, str):
                left_out.append(f"{name}: {found}")
                continue
            mine = [
                kept.get(found.made_of(window)) or found.measure(window)
                for window in found.windows()
            ]
        except (LakeError, ModelFileError) as error:
            # One feed's damage keeps no other from being looked at.
            left_out.append(f"{name}: {error}")
            continue
        measured += mine
        if not mine:
            left_out.append(f"{name}: no whole window since its model was trained")
    return Report(tuple(measured), tuple(left_out))


def _feed_drift(
    versions: Versions, feed: Feed, settings: Settings, now: datetime
) -> FeedDrift | str:
    """What measures a feed, or why it cannot be measured."""
    champion = ModelRegistry(versions).champion(feed.name)
    if champion is None:
        return "no approved model to compare with"
    rows = FeedRows.of(versions, feed.name)
    if not rows.uploads:
        return "nothing is scored"
    refused = rows.refusal(champion)
    return refused or FeedDrift(versions, feed, champion, rows, settings, now)


def _drift_check(report: Report) -> dg.AssetCheckResult:
    told = report.told()
    bad = [one for one in told if one.condition in {Condition.DRIFT, Condition.DATA_FAULT}]
    moved = [one for one in told if one.condition is Condition.MOVED]
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description=" | ".join(one.line() for one in [*bad, *moved]) or "Nothing has moved.",
        metadata={
            "windows": len(report.records),
            "left_out": "; ".join(report.left_out) or "no feed",
        },
    )


def _shown(report: Report, bound: float) -> Metadata:
    table = report.table
    first = table.sort(["window_to", "psi"], descending=True, nulls_last=True)
    shown: dict[str, dg.MetadataValue | dg.TableColumnLineage | dg.TableSchema | float | str] = {
        "left_out": "; ".join(report.left_out) or "no feed",
        **described(DRIFT, first, DRIFT_LINEAGE, list(_PREVIEW)),
    }
    for feed, mine in groupby(report.records, key=lambda one: one.feed):
        shown |= _of_feed(list(mine), table.filter(feed=feed), bound)
    return shown


def _of_feed(
    windows: Sequence[WindowRecord], table: pl.DataFrame, bound: float
) -> dict[str, dg.MetadataValue | float | str]:
    """The latest window's figures, which the UI plots over time, and the pictures."""
    last = windows[-1]
    mine = table.filter(window_from=last.start)
    strip = drift_pictures.drift_strip(table, bound, last.feed)
    shift = drift_pictures.score_shift(last)
    indices = dict(mine.drop_nulls("psi").select("column", "psi").iter_rows())
    score = indices.get("fraud_probability")
    figures = next((one.figures for one in reversed(windows) if one.figures), {})
    return {
        f"{last.feed}_window": last.line(),
        f"{last.feed}_columns_moved": mine.filter(pl.col("condition") == "moved").height,
        **({} if score is None else {f"{last.feed}_score_psi": score}),
        **{f"{last.feed}_{name}": value for name, value in figures.items()},
        f"{last.feed}_drift": _picture(strip, f"stability index of {last.feed}"),
        f"{last.feed}_scores": _picture(shift, f"scores of {last.feed}, then and now"),
    }


def _picture(png: bytes, alt: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(pictures.as_markdown(png, alt))
