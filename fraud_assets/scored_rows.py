"""The scored rows of one upload, a chunk at a time, so that memory does not grow with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds import Feed
from fraud_assets.feeds.identity import account_key
from fraud_assets.recommending import recommended
from fraud_assets.rule_rows import hits_of, reasons_of
from fraud_assets.scoring import Scorer
from gpu_ops.contributions import CONTRIBUTION, contribution_lists, grouped
from gpu_ops.engine import Device, Engine
from gpu_ops.matrices import IDENTIFIERS
from gpu_ops.ranking import may_alert
from gpu_ops.reasons import model_reason_of, model_reasons
from resources.settings import Settings

CHUNK_ROWS: Final = 250_000
EXPLAINED_AT_ONCE: Final = 50_000
"""Rows whose reasons are made together: each has a contribution of every feature."""

_SCORES: Final = (
    "anomaly_score",
    "fraud_margin",
    "fraud_probability",
    "expected_loss",
    "decision",
    "in_sample",
    "model_version",
    "challenger_probability",
    "challenger_version",
)
_RING_SCORES: Final = ("payer_ring_score", "payee_ring_score")
"""Features that the table shows, too: a reader of scores need not look for them."""
_TOLD: Final[dict[str, pl.DataType]] = {
    "reasons": pl.List(pl.String()),
    "contributions": pl.List(CONTRIBUTION),
}
"""What rows that may alert are explained by; empty lists in all others."""
_RANKED_BY: Final = (
    "place",
    *IDENTIFIERS,
    "in_sample",
    "expected_loss",
    "anomaly_score",
    "rule_hits",
)


@dataclass(frozen=True)
class Upload:
    """The two layers of one upload that scoring reads; their rows stand in the same order."""

    feed: Feed
    raw: pl.LazyFrame
    prepped: pl.LazyFrame
    rows: int


def score_upload(upload: Upload, scorer: Scorer, settings: Settings, scratch: Path) -> pl.LazyFrame:
    """The augmented table of an upload, in raw's order.

    Rows are scored a chunk at a time. Their scores go to scratch files; in memory stays only what
    ranks each chunk's candidates for alerts, as many as may alert on its days. The best of a day
    are among the best of its chunks, so choosing from these is choosing from all. The features of
    the chosen are read again for their reasons: on a quiet feed they may be most of the rows.

    Args:
        upload: Its raw and prepped rows.
        scorer: What scores.
        settings: Capacity, review cost and threads.
        scratch: An empty folder that outlives the returned frame.

    Raises:
        ValueError: Raw and prepped rows are not the same.
    """
    parts: list[Path] = []
    candidates: list[pl.DataFrame] = []
    for start in range(0, max(upload.rows, 1), CHUNK_ROWS):
        rows = _scored_chunk(upload, start, scorer, settings)
        parts.append(scratch / f"scores-{len(parts):05d}.parquet")
        rows.select(*_SCORES, *_RING_SCORES).write_parquet(parts[-1], compression="lz4")
        candidates.append(rows.select(_RANKED_BY).filter(_chosen(rows, scorer, settings)))
    best = pl.concat(candidates)
    chosen = best["place"].filter(_chosen(best, scorer, settings))
    alerts: list[Path] = []
    for number, scores in enumerate(parts):
        alerts.append(scratch / f"alerts-{number:05d}.parquet")
        start = number * CHUNK_ROWS
        here = chosen.filter(chosen.is_between(start, start + CHUNK_ROWS, closed="left")) - start
        told = _alerts_of_chunk(upload, start, here, pl.read_parquet(scores), scorer, settings)
        told.write_parquet(alerts[-1], compression="lz4")
    return pl.concat(
        [_identified(upload), pl.scan_parquet(parts), pl.scan_parquet(alerts)],
        how="horizontal",
        strict=True,
    )


def _alerts_of_chunk(
    upload: Upload,
    start: int,
    chosen: pl.Series,
    scores: pl.DataFrame,
    scorer: Scorer,
    settings: Settings,
) -> pl.DataFrame:
    """`may_alert` and the `_TOLD` of all rows of a chunk, given the places of its chosen rows."""
    told = pl.DataFrame(schema=_TOLD)
    if chosen.len():
        features = upload.prepped.slice(start, CHUNK_ROWS).collect()[chosen]
        rows = features.hstack(scores.select(_SCORES)[chosen])
        sent = upload.raw.slice(start, CHUNK_ROWS)
        rows = rows.with_columns(reasons_of(rows, sent, chosen, scorer.rules))
        told = pl.concat(
            _reasons(some, scorer, _device(settings))
            for some in rows.iter_slices(EXPLAINED_AT_ONCE)
        )
    alerting = told.insert_column(0, chosen.cast(pl.UInt32).alias("place"))
    nothing: list[str] = []
    return (
        scores.select(place=pl.int_range(pl.len(), dtype=pl.UInt32))
        .join(alerting, on="place", how="left", maintain_order="left")
        .select(
            pl.col("reasons").is_not_null().alias("may_alert"),
            *(
                pl.col(name).fill_null(pl.lit(nothing, dtype=dtype))
                for name, dtype in _TOLD.items()
            ),
        )
    )


def _scored_chunk(upload: Upload, start: int, scorer: Scorer, settings: Settings) -> pl.DataFrame:
    """`place`, what identifies the rows, their scores, their features and `rule_hits`."""
    features = upload.prepped.slice(start, CHUNK_ROWS).collect()
    known = ("transaction_id", "occurred_at", "amount")
    rows = upload.raw.select(known).slice(start, CHUNK_ROWS).collect()
    if not rows["transaction_id"].equals(features["transaction_id"]):
        raise ValueError(
            f"raw and prepped rows from {start} on are not the same; run the upload again"
        )
    scored = rows.hstack(scorer.scores(features, settings.threads, _device(settings))).with_columns(
        expected_loss=pl.col("fraud_probability").cast(pl.Float64) * pl.col("amount"),
        in_sample=scorer.is_in_sample,
        model_version=pl.lit(None if scorer.model is None else scorer.name, dtype=pl.String),
        challenger_version=pl.lit(
            None if scorer.challenger is None else scorer.challenger.name, dtype=pl.String
        ),
    )
    scored = scored.with_columns(recommended(scored, scorer, settings))
    # The amount is a feature, too, in the feature's own precision.
    scored = scored.select(*IDENTIFIERS, *_SCORES).hstack(features.drop(IDENTIFIERS))
    sent = upload.raw.slice(start, CHUNK_ROWS)
    return scored.with_columns(hits_of(scored, sent, scorer.rules)).with_row_index(
        "place", offset=start
    )


def _identified(upload: Upload) -> pl.LazyFrame:
    feed = upload.feed
    return upload.raw.select(
        "transaction_id",
        "occurred_at",
        pl.lit(feed.name).alias("feed"),
        "kind",
        "amount",
        "currency",
        account_key(feed.name, feed.entities.payer, pl.col("payer_id")).alias("payer"),
        account_key(feed.name, feed.entities.payee, pl.col("payee_id")).alias("payee"),
        "is_fraud",
        "label_known_at",
    )


def _chosen(rows: pl.DataFrame, scorer: Scorer, settings: Settings) -> pl.Series:
    """Which rows may alert, of these alone."""
    if scorer.model is None:
        # A row that helped to fit only an unsupervised forest saw no label: it may still alert.
        rows = rows.with_columns(in_sample=pl.lit(value=False))
    return may_alert(rows, capacity=settings.daily_capacity, least_loss=settings.review_cost)


def _reasons(rows: pl.DataFrame, scorer: Scorer, device: Device) -> pl.DataFrame:
    """The rules that hit and what the model weighed most, as codes, and all that it weighed."""
    found = rows["reasons"].to_list()
    weighed: pl.Series | None = None
    if scorer.model is not None and rows.height:
        booster = scorer.model.booster
        parts = booster.contributions(rows.select(booster.columns), device=device)
        weighed = contribution_lists(
            grouped(parts.values, booster.columns, model_reason_of), parts.bias
        )
        for codes, more in zip(found, model_reasons(parts.values, booster.columns), strict=True):
            codes += [code for code in more if code not in codes]
    none: list[list[object]] = [[] for _ in found]
    return pl.DataFrame(
        {"reasons": found, "contributions": none if weighed is None else weighed}, schema=_TOLD
    )


def _device(settings: Settings) -> Device:
    return Engine(settings.engine).device
