"""The payments of rings that are to be explained, looked up among the scored transactions."""

from datetime import datetime
from typing import Final

import polars as pl

from fraud_assets.refresh import scored_uploads
from gpu_ops.evidence import Payment, payments_of
from resources.versions import Versions

_COLUMNS: Final = (
    "feed",
    "transaction_id",
    "occurred_at",
    "amount",
    "currency",
    "payer",
    "payee",
)


def payments_of_rings(versions: Versions, alerts: pl.DataFrame) -> dict[str, list[Payment]]:
    """The payments of each ring that has no explanation yet, by its id, in the order of time.

    Only transactions between the first and the last of them are read. A payment that is no longer
    stored is left out: an explanation tells what is known.

    Args:
        versions: The lake.
        alerts: Ranked ring alerts; what was published before has an `explanation`.
    """
    is_new = pl.col("explanation").is_null() if "explanation" in alerts.columns else pl.lit(True)
    new = alerts.filter(is_new)
    first, last = new["first_at"].min(), new["last_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return {}
    scored = [
        one
        for one in scored_uploads(versions).values()
        if one.event_from is not None
        and one.event_to is not None
        and one.event_from <= last
        and one.event_to >= first
    ]
    if not scored:
        return {}
    members = new.select(
        "feed", ring_id=pl.col("subject_id"), transaction_id=pl.col("transaction_ids")
    ).explode("transaction_id", empty_as_null=False)
    rows = (
        versions.scan_all(scored)
        .filter(pl.col("occurred_at").is_between(first, last))
        .select(_COLUMNS)
        .join(members.lazy(), on=["feed", "transaction_id"], how="inner")
        .collect(engine="streaming")
        .sort("occurred_at", "transaction_id")
        .unique(["ring_id", "transaction_id"], keep="first", maintain_order=True)
    )
    return {
        str(ring): payments_of(mine)
        for (ring,), mine in rows.group_by("ring_id", maintain_order=True)
    }
