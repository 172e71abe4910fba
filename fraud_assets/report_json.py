"""The one object that `--json` prints."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from fraud_assets import layers
from fraud_assets.command_report import Report
from fraud_assets.label_state import LabelState
from fraud_assets.local_runs import AssetFigures
from fraud_assets.state import UploadState
from gpu_ops.model_files import ModelFileError
from resources.errors import LakeError
from resources.registry import Card, ModelRegistry, RegistryEntry
from resources.versions import CorruptManifestError, Versions

Json: TypeAlias = Mapping[str, object]


def as_json(
    states: Sequence[UploadState],
    report: Report,
    versions: Versions,
    feeds: Sequence[str],
    labels: Sequence[LabelState] = (),
) -> str:
    """The object that `--json` prints; its keys are stable."""
    return json.dumps(
        {
            "uploads": [_upload(one, report) for one in states],
            "labels": [_labels(one, report) for one in labels],
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


def _labels(one: LabelState, report: Report) -> Json:
    key = one.upload.key
    failed = key in report.failed or one.state == "waiting"
    return {
        "key": key,
        "feed": one.feed,
        "file": one.upload.file,
        "state": "failed" if failed else one.state,
        "reason": report.failed.get(key) or one.reason or ("not processed yet" if failed else ""),
        **one.counts,
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
    for feed, newest, card in newest_models(versions, feeds):
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


def newest_models(
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
