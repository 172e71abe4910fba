"""Where the versions of each asset's table lie in the lake."""

from collections.abc import Collection
from typing import Final

from resources.versions import Manifest, Slot, Versions

UPLOAD_LAYERS: Final = {
    "raw_transactions": "raw",
    "prepped_transactions": "prepped",
    "augmented_transactions": "augmented",
}
"""Assets with one version line per upload, and their folders."""

LABELS: Final = "labels"
"""The folder of `raw_labels`, which has one version line per file of labels."""

SNAPSHOTS: Final = {
    "account_graph": "graphs/account_graph",
    "account_features": "graphs/account_features",
    "fraud_rings": "graphs/fraud_rings",
    "transaction_alerts": "alerts/transaction_alerts",
    "ring_alerts": "alerts/ring_alerts",
    "published_alerts": "alerts/published_alerts",
    "cases": "alerts/cases",
    "training_set": "training/training_set",
    "model_evaluation": "training/model_evaluation",
    "drift_report": "monitoring/drift_report",
}
"""Unpartitioned assets and their folders; the manifest's number names the snapshot."""


def upload_slot(asset: str, feed: str, key: str) -> Slot:
    """Where an upload's versions of a partitioned asset lie."""
    return Slot.upload(UPLOAD_LAYERS[asset], feed, key)


def label_slot(feed: str, key: str) -> Slot:
    """Where the versions of a file of labels lie; the feed is that of the transactions."""
    return Slot.upload(LABELS, feed, key)


def snapshot_slot(asset: str) -> Slot:
    """Where an unpartitioned asset's snapshots lie."""
    return Slot.snapshot(SNAPSHOTS[asset])


def quarantine_slot(feed: str, key: str) -> Slot:
    """Where the rows of an upload lie that could not be accepted."""
    return Slot.upload("quarantine", feed, key)


def visible(
    versions: Versions, asset: str, feed: str | None = None, *, skip: Collection[Slot] = ()
) -> dict[str, Manifest]:
    """The visible version of each upload, of one feed or of all, by upload key.

    Args:
        versions: The lake's versions.
        asset: One of `UPLOAD_LAYERS`.
        feed: A feed's name; all feeds if not given.
        skip: Slots that are not read: an upload that is made anew must not fail on what it mends.
    """
    folder = UPLOAD_LAYERS[asset] if feed is None else f"{UPLOAD_LAYERS[asset]}/feed={feed}"
    return {
        slot.upload_key: manifest
        for slot, manifest in versions.latest_below(folder, skip).items()
        if slot.upload_key is not None
    }


def visible_labels(versions: Versions, feed: str) -> dict[str, Manifest]:
    """The visible version of each file of labels of a feed's transactions, by upload key."""
    found = versions.latest_below(f"{LABELS}/feed={feed}")
    return {
        slot.upload_key: manifest for slot, manifest in found.items() if slot.upload_key is not None
    }


def feed_of(manifest: Manifest) -> str:
    """The feed that an upload's version belongs to."""
    return manifest.slot.split("feed=", 1)[1].split("/", 1)[0]
