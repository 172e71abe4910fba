"""What the command line prints: one JSON object, or tables a person reads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.local_runs import AssetFigures
from fraud_assets.pipeline import Report
from fraud_assets.state import UploadState
from gpu_ops.metrics import Figure
from resources.registry import ModelRegistry
from resources.versions import CorruptManifestError, Versions

TOP_ALERTS: Final = 10
_HEADLINES: Final = (
    "average_precision",
    "roc_auc",
    "precision_at_capacity",
    "recall_at_capacity",
)

Json = Mapping[str, object]


def as_json(
    states: Sequence[UploadState],
    report: Report,
    versions: Versions,
    feeds: Sequence[str],
) -> str:
    """The object that `--json` prints; its keys are stable."""
    return json.dumps(
        {
            "uploads": [_upload(one, report) for one in states],
            "problems": report.problems,
            "assets": {name: _figures(figures) for name, figures in report.assets.items()},
            "model": model_summary(versions, feeds),
            "alerts": alert_counts(versions),
        },
        default=str,
    )


def _upload(one: UploadState, report: Report) -> Json:
    key = one.upload.key
    failed = key in report.failed or one.state == "waiting"
    return {
        "key": key,
        "feed": one.upload.feed,
        "file": one.upload.file,
        "state": "failed" if failed else one.state,
        "reason": report.failed.get(key) or one.reason or ("not processed yet" if failed else ""),
        **one.counts,
        "stale": one.is_stale,
    }


def _figures(figures: AssetFigures) -> Json:
    return {"rows": figures.rows, "seconds": figures.seconds, "peak_mib": figures.peak_mib}


def model_summary(versions: Versions, feeds: Sequence[str]) -> Json:
    """Version, status and metrics of the newest model of each feed.

    The three keys at the top are those of the feed whose model was trained on most rows: most
    lakes have one feed. A lake without a model has null for all.
    """
    registry = ModelRegistry(versions)
    described = {}
    trained_on = {}
    for feed in feeds:
        verdicts = registry.list(feed)
        if verdicts:
            card = registry.get(feed, verdicts[-1].version).card
            described[feed] = {
                "version": f"{feed}-{verdicts[-1].version}",
                "status": str(verdicts[-1].status),
                "metrics": {name: figure.value for name, figure in card.metrics.items()},
                "ceilings": {name: figure.ceiling for name, figure in card.metrics.items()},
                "reasons": list(verdicts[-1].reasons),
            }
            trained_on[feed] = card.windows["train"].rows
    if not described:
        return {"version": None, "status": None, "metrics": {}, "feeds": {}}
    main = described[max(trained_on, key=lambda feed: trained_on[feed])]
    top = {key: main[key] for key in ("version", "status", "metrics")}
    return {**top, "feeds": described}


def alert_counts(versions: Versions) -> dict[str, int]:
    """How many alerts stand: of transactions, of rings, and published in all."""
    counts = {}
    for name, asset in (
        ("transactions", "transaction_alerts"),
        ("rings", "ring_alerts"),
        ("published", "published_alerts"),
    ):
        try:
            manifest = versions.latest(layers.snapshot_slot(asset))
        except CorruptManifestError:
            manifest = None
        counts[name] = 0 if manifest is None else manifest.rows
    return counts


def summary_lines(
    states: Sequence[UploadState], report: Report, versions: Versions, feeds: Sequence[str]
) -> Iterator[str]:
    """The end of a run, for a person: uploads, assets, models, and the first alerts."""
    shown = [[one.upload.feed, one.upload.file, *_outcome(one, report)] for one in states]
    header = ["feed", "file", "state", "received", "accepted", "duplicate", "quarantined"]
    yield from table("Uploads", header, shown)
    took = [
        [name, f"{one.rows:,}", f"{one.seconds:.1f}", f"{one.peak_mib:.0f}"]
        for name, one in report.assets.items()
    ]
    yield from table("Assets made", ["asset", "rows", "seconds", "peak MiB"], took)
    yield from model_lines(versions, feeds)
    yield from alert_lines(versions)
    for problem in report.problems:
        yield f"! {problem}"


def _outcome(one: UploadState, report: Report) -> list[str]:
    state = "failed" if one.upload.key in report.failed else one.state
    return [f"{state} (stale)" if one.is_stale else state] + [
        f"{value:,}" for value in one.counts.values()
    ]


def model_lines(versions: Versions, feeds: Sequence[str]) -> Iterator[str]:
    """The newest model of every feed with its first figures, each beside its ceiling."""
    registry = ModelRegistry(versions)
    rows = []
    for feed in feeds:
        verdicts = registry.list(feed)
        if verdicts:
            newest = verdicts[-1]
            figures = registry.get(feed, newest.version).card.metrics
            shown = [_beside_ceiling(figures[name]) for name in _HEADLINES]
            rows.append([f"{feed}-{newest.version}", str(newest.status), *shown])
    header = ["model", "gate", *(name.replace("_", " ") for name in _HEADLINES)]
    yield from table("Models, each figure with the best possible one", header, rows)


def _beside_ceiling(figure: Figure) -> str:
    return f"{_number(figure.value)} of {_number(figure.ceiling)}"


def alert_lines(versions: Versions) -> Iterator[str]:
    """The alerts to look at first, newest day first, accounts masked."""
    manifest = versions.latest(layers.snapshot_slot("published_alerts"))
    if manifest is None:
        return
    alerts = versions.scan(manifest).collect()
    first = alerts.sort(["event_day", "alert_type", "rank"], descending=[True, False, False]).head(
        TOP_ALERTS
    )
    rows = [
        [str(day), kind, str(rank), _number(loss), text]
        for day, kind, rank, loss, text in first.select(
            "event_day", "alert_type", "rank", "expected_loss", "explanation"
        ).iter_rows()
    ]
    title = f"Alerts ({alerts.height:,} published; the first of the latest day)"
    yield from table(title, ["day", "about", "rank", "expected loss", "what happened"], rows)


def status_lines(
    states: Sequence[UploadState], versions: Versions, problems: Sequence[str], feeds: Sequence[str]
) -> Iterator[str]:
    """The state of the lake, for a person."""
    empty = Report()
    yield from summary_lines(states, empty, versions, feeds)
    for one in states:
        if one.reason:
            yield f"! {one.upload.file}: {one.reason}"
        if one.is_stale:
            yield f"! {one.upload.file}: features miss rows that landed later; run --backfill"
    for problem in problems:
        yield f"! {problem}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns under a title; nothing where there are no rows."""
    if not rows:
        return
    widths = [
        max(len(header[column]), *(len(row[column]) for row in rows))
        for column in range(len(header))
    ]
    yield ""
    yield title
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()


def _number(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else ""


def export(versions: Versions, asset: str, upload: tuple[str, str] | None) -> pl.LazyFrame | None:
    """The visible table of an asset; none where it has no version.

    Args:
        versions: The lake's versions.
        asset: One of the assets that are tables.
        upload: Feed and key of one upload; all uploads in the order of time if not given.
    """
    if asset in layers.SNAPSHOTS:
        manifest = versions.latest(layers.snapshot_slot(asset))
        return None if manifest is None else versions.scan(manifest)
    if upload is not None:
        manifest = versions.latest(layers.upload_slot(asset, *upload))
        return None if manifest is None else versions.scan(manifest)
    manifests = list(layers.visible(versions, asset).values())
    oldest_first = sorted(manifests, key=lambda one: (str(one.event_from), one.slot))
    return versions.scan_all(oldest_first) if oldest_first else None
