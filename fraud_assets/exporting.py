"""The visible table of any asset, to take away."""

import polars as pl

from fraud_assets import layers
from resources.versions import Versions


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
