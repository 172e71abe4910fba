"""What the command line prints for a person: tables, models, and the first alerts."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.command_report import Report
from fraud_assets.label_state import LABEL_COUNTS, LabelState
from fraud_assets.report_json import newest_models
from fraud_assets.state import UploadState
from fraud_assets.text_layout import paragraph, table
from gpu_ops.metrics import Figure
from resources.errors import LakeError
from resources.versions import Versions

TOP_ALERTS: Final = 8
NEWEST_UPLOADS: Final = 20
_HEADLINES: Final = (
    "average_precision",
    "roc_auc",
    "precision_at_capacity",
    "recall_at_capacity",
)


def summary_lines(
    states: Sequence[UploadState],
    report: Report,
    versions: Versions,
    feeds: Sequence[str],
    labels: Sequence[LabelState] = (),
) -> Iterator[str]:
    """The end of a run, for a person: uploads, labels, assets, models, and the first alerts."""
    yield from upload_lines(states, report)
    yield from label_lines(labels, report)
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
        yield from paragraph("! ", problem, "  ", lines=None)


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


def label_lines(states: Sequence[LabelState], report: Report) -> Iterator[str]:
    """The newest files of labels, and all of them that need a look."""
    usual = [one for one in states if one.state == "accepted"][:-NEWEST_UPLOADS]
    hidden = {one.upload.key for one in usual}
    shown = [
        [
            one.feed,
            one.upload.file,
            "failed" if one.upload.key in report.failed else one.state,
            *(f"{value:,}" for value in one.counts.values()),
        ]
        for one in states
        if one.upload.key not in hidden
    ]
    more = f" ({len(hidden):,} older ones are not listed; --json lists them all)" if hidden else ""
    header = ["labels of", "file", "state", *LABEL_COUNTS]
    yield from table(f"Labels{more}", header, shown, numbers=len(LABEL_COUNTS))
    for one in states:
        if one.state != "accepted":
            why = report.failed.get(one.upload.key) or one.reason or "not processed yet; run"
            yield from paragraph("! ", f"{one.upload.file}: {why}", "  ", lines=None)


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
        for feed, newest, card in newest_models(versions, feeds)
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
        yield from paragraph(f"  {rank:>3}  {kind:<11}  ", at_stake + text, " " * 20)


def status_lines(
    states: Sequence[UploadState],
    versions: Versions,
    problems: Sequence[str],
    feeds: Sequence[str],
    labels: Sequence[LabelState] = (),
) -> Iterator[str]:
    """The state of the lake, for a person."""
    stale = [f"{one.upload.file}: it misses {_missed(one)}" for one in states if one.is_stale]
    damaged = [
        f"{one.upload.file}: {one.reason}"
        for one in states
        if one.state == "accepted" and one.reason
    ]
    report = Report(
        problems=[*_capped(damaged, "more"), *_capped(stale, "more stale uploads"), *problems]
    )
    yield from summary_lines(states, report, versions, feeds, labels)


def _missed(one: UploadState) -> str:
    if one.misses_labels:
        return "labels that came later; run"
    return "later rows, or a change of its feed or of the features; run --backfill"


def _number(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else ""
