"""What the command line prints: one JSON object, or tables a person reads."""

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.local_runs import AssetFigures
from fraud_assets.pipeline import Report
from fraud_assets.state import UploadState
from gpu_ops.metrics import Figure
from gpu_ops.model_files import ModelFileError
from resources.errors import LakeError
from resources.registry import Card, ModelRegistry, RegistryEntry
from resources.versions import CorruptManifestError, Versions

TOP_ALERTS: Final = 8
NEWEST_UPLOADS: Final = 20
_LINES_A_TEXT: Final = 3
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
    described = {}
    trained_on = {}
    for feed, newest, card in _newest_models(versions, feeds):
        described[feed] = {
            "version": f"{feed}-{newest.version}",
            "status": str(newest.status),
            "metrics": {name: figure.value for name, figure in card.metrics.items()},
            "ceilings": {name: figure.ceiling for name, figure in card.metrics.items()},
            "reasons": list(newest.reasons),
        }
        trained_on[feed] = card.windows["train"].rows
    if not described:
        return {"version": None, "status": None, "metrics": {}, "feeds": {}}
    main = described[max(trained_on, key=lambda feed: trained_on[feed])]
    top = {key: main[key] for key in ("version", "status", "metrics")}
    return {**top, "feeds": described}


def _newest_models(
    versions: Versions, feeds: Sequence[str]
) -> Iterator[tuple[str, RegistryEntry, Card]]:
    """Feed, latest verdict and card; a damaged model is named among the problems instead."""
    registry = ModelRegistry(versions)
    for feed in feeds:
        try:
            verdicts = registry.list(feed)
            if verdicts:
                yield feed, verdicts[-1], registry.get(feed, verdicts[-1].version).card
        except (LakeError, ModelFileError):
            continue


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
    yield from upload_lines(states, report)
    took = [
        [name, f"{one.rows:,}", f"{one.seconds:.1f}", f"{one.peak_mib:,.0f}"]
        for name, one in report.assets.items()
    ]
    yield from table("Assets made", ["asset", "rows", "seconds", "peak MiB"], took, numbers=3)
    yield from model_lines(versions, feeds)
    yield from alert_lines(versions)
    needy = [one for one in states if _state(one, report) != "accepted"]
    problems = [
        *_capped([f"{one.upload.file}: {_why(one, report)}" for one in needy], "more uploads"),
        *report.problems,
    ]
    if problems:
        yield ""
    for problem in problems:
        yield from _paragraph("! ", problem, "  ", lines=None)


def _capped(lines: Sequence[str], what: str) -> list[str]:
    """The last lines, the newest, and how many more there are."""
    hidden = len(lines) - NEWEST_UPLOADS
    if hidden <= 0:
        return list(lines)
    return [f"{hidden:,} {what}; --json lists them all", *lines[-NEWEST_UPLOADS:]]


def upload_lines(states: Sequence[UploadState], report: Report) -> Iterator[str]:
    """The uploads that need a look and the newest others, and how many more there are."""
    usual = [one for one in states if _state(one, report) == "accepted" and not one.is_stale]
    known = {one.upload.key for one in usual}
    others = [one for one in states if one.upload.key not in known]
    hidden = {one.upload.key for group in (usual, others) for one in group[:-NEWEST_UPLOADS]}
    shown = [
        [
            one.upload.feed,
            one.upload.file,
            f"{_state(one, report)} (stale)" if one.is_stale else _state(one, report),
            *(f"{value:,}" for value in one.counts.values()),
        ]
        for one in states
        if one.upload.key not in hidden
    ]
    header = ["feed", "file", "state", "received", "accepted", "duplicate", "quarantined"]
    more = f" ({len(hidden):,} older ones are not listed; --json lists them all)" if hidden else ""
    yield from table(f"Uploads{more}", header, shown, numbers=4)


def _state(one: UploadState, report: Report) -> str:
    return "failed" if one.upload.key in report.failed else one.state


def _why(one: UploadState, report: Report) -> str:
    return report.failed.get(one.upload.key) or one.reason or "not processed yet; run"


def model_lines(versions: Versions, feeds: Sequence[str]) -> Iterator[str]:
    """The newest model of every feed with its first figures, each beside its ceiling."""
    rows = [
        [
            f"{feed}-{newest.version}",
            str(newest.status),
            *(_beside_ceiling(card.metrics[name]) for name in _HEADLINES),
        ]
        for feed, newest, card in _newest_models(versions, feeds)
    ]
    header = ["model", "gate", *(name.replace("_", " ") for name in _HEADLINES)]
    yield from table("Models, each figure with the best possible one", header, rows)


def _beside_ceiling(figure: Figure) -> str:
    return f"{_number(figure.value)} of {_number(figure.ceiling)}"


def alert_lines(versions: Versions) -> Iterator[str]:
    """The alerts to look at first, of the latest day, as wide as the terminal; accounts masked."""
    try:
        manifest = versions.latest(layers.snapshot_slot("published_alerts"))
        alerts = None if manifest is None else versions.scan(manifest).collect()
    except LakeError:
        return
    if alerts is None or alerts.is_empty():
        return
    latest = alerts["event_day"].max()
    of_day = alerts.filter(pl.col("event_day") == latest)
    first = of_day.sort(["alert_type", "rank"], descending=[True, False]).head(TOP_ALERTS)
    yield ""
    yield (
        f"Alerts: {alerts.height:,} published; {first.height} of the {of_day.height:,} "
        f"of the latest day, {latest!s}"
    )
    for kind, rank, loss, text in first.select(
        "alert_type", "rank", "expected_loss", "explanation"
    ).iter_rows():
        at_stake = "" if loss is None else f"expected loss {loss:,.0f}. "
        yield from _paragraph(f"  {rank:>3}  {kind:<11}  ", at_stake + text, " " * 20)


def _paragraph(start: str, text: str, indent: str, lines: int | None = _LINES_A_TEXT) -> list[str]:
    """Text as wide as the terminal; what does not fit into so many lines is cut off."""
    width = max(shutil.get_terminal_size((100, 24)).columns, len(indent) + 40)
    return textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=indent,
        max_lines=lines,
        placeholder=" …",
        break_on_hyphens=False,
    )


def status_lines(
    states: Sequence[UploadState], versions: Versions, problems: Sequence[str], feeds: Sequence[str]
) -> Iterator[str]:
    """The state of the lake, for a person."""
    stale = [
        f"{one.upload.file}: it misses later rows or a change of its feed; run --backfill"
        for one in states
        if one.is_stale
    ]
    damaged = [
        f"{one.upload.file}: {one.reason}"
        for one in states
        if one.state == "accepted" and one.reason
    ]
    report = Report(
        problems=[*_capped(damaged, "more"), *_capped(stale, "more stale uploads"), *problems]
    )
    yield from summary_lines(states, report, versions, feeds)


def table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0
) -> Iterator[str]:
    """Aligned columns under a title, the last `numbers` to the right; nothing without rows."""
    if not rows:
        return
    widths = [
        max(len(header[column]), *(len(row[column]) for row in rows))
        for column in range(len(header))
    ]
    texts = len(header) - numbers
    yield ""
    yield title
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if column >= texts else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
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
