"""What tables beside the alerts tell of them: scores, rules and rings."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import polars as pl

from fraud_assets import layers
from fraud_assets.refresh import scored_uploads
from fraud_assets.rule_notes import known_rules
from gpu_ops.case_alerts import Told
from gpu_ops.case_intake import MergedRings
from gpu_ops.contributions import BIAS
from resources.versions import Manifest, Versions


def told_of(versions: Versions, published: pl.DataFrame, known: Collection[str] = ()) -> Told:
    """What scores, rules and rings tell of alerts, as far as they are still visible.

    Args:
        versions: The lake's versions.
        published: Columns of published alerts.
        known: Alerts of which nothing is asked, as they are in a case already.
    """
    scored = list(scored_uploads(versions).values())
    return Told(
        contributions=_contributions(versions, scored, published, known),
        rules=known_rules(scored).weights,
        exposures=_exposures(versions),
    )


def merged_rings(versions: Versions) -> MergedRings:
    """(feed, ring) to the older ring that it became part of, as the ring table tells."""
    return {ring: str(older) for ring, older in _of_rings(versions, "merged_into")}


def _exposures(versions: Versions) -> dict[tuple[str, str], float]:
    return {ring: float(money) for ring, money in _of_rings(versions, "exposure")}


def _of_rings(versions: Versions, column: str) -> Iterator[tuple[tuple[str, str], str | float]]:
    """A column of the ring table by feed and ring, where it has one and is not empty."""
    rings = versions.latest(layers.snapshot_slot("fraud_rings"))
    if rings is None or column not in rings.columns:
        return
    rows = versions.scan(rings).filter(pl.col(column).is_not_null())
    for feed, ring, value in rows.select("feed", "ring_id", column).collect().iter_rows():
        yield (feed, ring), value


def _contributions(
    versions: Versions,
    every: Sequence[Manifest],
    published: pl.DataFrame,
    known: Collection[str],
) -> dict[str, dict[str, float]]:
    """Alert to what each group of features added to its score, in log-odds."""
    wanted = published.filter(
        pl.col("alert_type") == "transaction",
        pl.col("model_version").is_not_null(),
        ~pl.col("alert_id").is_in(list(known)),
    ).select("alert_id", "feed", "occurred_at", transaction_id="subject_id")
    if wanted.is_empty():
        return {}
    first, last = wanted.select(
        first=pl.col("occurred_at").min(), last=pl.col("occurred_at").max()
    ).row(0)
    scored = [one for one in every if _reaches(one, first, last)]
    if not scored:
        return {}
    found = (
        versions.scan_all(scored)
        .filter(pl.col("may_alert"))
        .select("transaction_id", "feed", "contributions")
        .join(wanted.lazy(), on=["transaction_id", "feed"], how="inner")
        .select("alert_id", "contributions")
        .collect(engine="streaming")
    )
    return {
        alert_id: {one["code"]: one["weight"] for one in parts if one["code"] != BIAS}
        for alert_id, parts in found.iter_rows()
        if parts
    }


def _reaches(manifest: Manifest, first: datetime, last: datetime) -> bool:
    start, end = manifest.event_from, manifest.event_to
    return start is not None and end is not None and start <= last and end >= first
