"""How many rows a heavy step reads, from the manifests of its inputs alone.

The launcher decides by it whether a step is worth a container.
"""

from collections.abc import Callable, Mapping
from typing import Final

from fraud_assets import layers
from fraud_assets.feed_catalogue import feed_catalogue
from fraud_assets.feeds import load_feeds
from fraud_assets.prepped import RawVersions
from fraud_assets.refresh import scored_uploads, within
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Manifest, Versions

_Counter = Callable[[Versions, Settings, str | None], int | None]


def input_rows(lake: Lake, settings: Settings) -> Callable[[str, str | None], int | None]:
    """A function of an asset and its partition; None where the inputs are not there or unknown."""
    versions = Versions(lake)

    def rows(asset: str, partition: str | None) -> int | None:
        count = _COUNTERS.get(asset)
        return None if count is None else count(versions, settings, partition)

    return rows


def _with_history(versions: Versions, settings: Settings, partition: str | None) -> int | None:
    """The rows of an upload and of all uploads that its features look back on."""
    upload = _raw(versions, partition)
    if upload is None or partition is None:
        return None
    feed = layers.feed_of(upload)
    catalogue = feed_catalogue(load_feeds(settings.feeds_dir).get(feed))
    raw = RawVersions(layers.visible(versions, "raw_transactions", feed), catalogue)
    return sum(one.rows for one in raw.read_by(partition).values())


def _of_upload(versions: Versions, _: Settings, partition: str | None) -> int | None:
    upload = _raw(versions, partition)
    return None if upload is None else upload.rows


def _raw(versions: Versions, partition: str | None) -> Manifest | None:
    found = layers.visible(versions, "raw_transactions")
    return None if partition is None else found.get(partition)


def _scored(versions: Versions, settings: Settings, _: str | None) -> int | None:
    """The scored rows of the uploads that reach into the graph's window."""
    scored = list(scored_uploads(versions).values())
    return sum(one.rows for one in within(scored, settings.graph_window_days)) if scored else None


def _of_snapshot(asset: str) -> _Counter:
    def count(versions: Versions, _: Settings, __: str | None) -> int | None:
        latest = versions.latest(layers.snapshot_slot(asset))
        return None if latest is None else latest.rows

    return count


_COUNTERS: Final[Mapping[str, _Counter]] = {
    "prepped_transactions": _with_history,
    "augmented_transactions": _of_upload,
    "account_graph": _scored,
    "account_features": _of_snapshot("account_graph"),
    "fraud_rings": _scored,
    "fraud_model": _of_snapshot("training_set"),
}

COUNTED: Final = frozenset(_COUNTERS)
"""The assets whose steps may run on Batch."""
