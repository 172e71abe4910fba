"""Scores of one upload: anomaly, fraud probability, and the reasons of rows that may alert."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from fraud_assets import layers
from fraud_assets.feeds import Feed
from fraud_assets.feeds.identity import account_key
from fraud_assets.known_rings import KnownRings
from gpu_ops.matrices import IDENTIFIERS
from gpu_ops.ranking import may_alert
from gpu_ops.reasons import model_reasons, rule_hits, rule_reasons
from gpu_ops.splits import in_sample
from resources.leases import lease
from resources.registry import ModelRegistry, ModelVersion
from resources.settings import Settings
from resources.versions import Manifest, Versions

if TYPE_CHECKING:
    from gpu_ops.anomaly import Forest

CHUNK_ROWS: Final = 250_000
NO_MODEL: Final = "none"
"""What a scored version names as its model where none was approved."""

_FITTED_UNTIL: Final = "fitted_until"
_LEASE_WAIT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Scorer:
    """What scores a feed now: its champion, or a forest alone.

    Attributes:
        name: The champion's name, or `none`.
        model: The champion; None where no model was approved.
        forest: The champion's forest, or the one fitted on the feed's earliest rows; None where
            the feed has no row yet, so there is none to score either.
        is_in_sample: Expression over `occurred_at`: rows that helped to make what scores.
    """

    name: str
    model: ModelVersion | None
    forest: "Forest | None"
    is_in_sample: pl.Expr

    def scores(self, features: pl.DataFrame, threads: int | None) -> pl.DataFrame:
        """`anomaly_score` and `fraud_probability` (null without a model), Float32."""
        if self.model is None:
            probability = pl.Series([None], dtype=pl.Float32).new_from_index(0, features.height)
            anomaly = (
                pl.Series(dtype=pl.Float32)
                if self.forest is None
                else pl.Series(self.forest.score(features, threads=threads))
            )
        else:
            found = self.model.score(features, threads=threads)
            anomaly = pl.Series(found.anomaly)
            probability = pl.Series(found.probability).cast(pl.Float32)
        return pl.DataFrame({"anomaly_score": anomaly, "fraud_probability": probability})


def scorer_of(versions: Versions, feed: str, run_id: str, settings: Settings) -> Scorer:
    """The champion of a feed, else the forest of its earliest rows, fitted now if need be."""
    registry = ModelRegistry(versions)
    champion = registry.champion(feed)
    if champion is not None:
        return Scorer(champion.name, champion, champion.forest, in_sample(champion.split))
    with lease(versions.lake, f"forest-{feed}", wait_seconds=_LEASE_WAIT_SECONDS):
        # A damaged one is fitted anew: no other copy of it exists.
        is_damaged = bool(versions.problems(registry.forest_slot(feed)))
        forest = None if is_damaged else registry.forest(feed)
        if forest is None:
            forest = _fit_first_forest(versions, feed, run_id, settings)
    fitted = versions.latest(registry.forest_slot(feed))
    until = None if fitted is None else fitted.extra.get(_FITTED_UNTIL)
    is_fitted = (
        pl.col("occurred_at") <= pl.lit(until).str.to_datetime(time_unit="us", time_zone="UTC")
        if isinstance(until, str)
        else pl.lit(value=False)
    )
    return Scorer(NO_MODEL, None, forest, is_fitted)


def _fit_first_forest(
    versions: Versions, feed: str, run_id: str, settings: Settings
) -> "Forest | None":
    from gpu_ops.anomaly import fit_forest

    prepped = layers.visible(versions, "prepped_transactions", feed)
    oldest_first = sorted(prepped.values(), key=lambda one: (str(one.event_from), one.slot))
    filled = [one for one in oldest_first if one.rows]
    if not filled:
        return None
    rows = versions.scan_all(filled).head(settings.forest_rows).collect()
    columns = [name for name in rows.columns if name not in IDENTIFIERS]
    forest = fit_forest(rows, columns, seed=settings.seed)
    attempt = versions.begin(ModelRegistry.forest_slot(feed), run_id)
    ModelRegistry.write_forest(attempt, forest)
    latest = rows["occurred_at"].max()
    versions.publish(attempt, inputs={}, extra={_FITTED_UNTIL: str(latest), "rows": rows.height})
    return forest


@dataclass(frozen=True)
class Upload:
    """The two layers of one upload that scoring reads; their rows stand in the same order."""

    feed: Feed
    raw: pl.LazyFrame
    prepped: pl.LazyFrame
    rows: int


def score_upload(
    upload: Upload, scorer: Scorer, rings: KnownRings, settings: Settings, scratch: Path
) -> pl.LazyFrame:
    """The augmented table of an upload, in raw's order.

    Rows are scored a chunk at a time into scratch files, so memory does not grow with the upload;
    what stays in memory is what choosing the rows that may alert needs.

    Args:
        upload: Its raw and prepped rows.
        scorer: What scores.
        rings: What was known of rings before each day.
        settings: Capacity, review cost and threads.
        scratch: An empty folder that outlives the returned frame.
    """
    parts = []
    keys = []
    for number, chunk in enumerate(_scored_chunks(upload, scorer, rings, settings)):
        path = scratch / f"scored-{number:05d}.parquet"
        chunk.drop("rule_hits").write_parquet(path, compression="lz4")
        parts.append(path)
        keys.append(
            chunk.select(
                "transaction_id",
                "occurred_at",
                "in_sample",
                "expected_loss",
                "anomaly_score",
                "rule_hits",
            )
        )
    light = pl.concat(keys)
    # A row that helped to fit only an unsupervised forest saw no label: it may still alert.
    blocked = (
        light["in_sample"]
        if scorer.model is not None
        else pl.repeat(value=False, n=light.height, eager=True)
    )
    chosen = may_alert(
        light.with_columns(in_sample=blocked),
        capacity=settings.daily_capacity,
        least_loss=settings.review_cost,
    )
    scored = pl.scan_parquet(parts)
    reasons = _reasons(upload, scored, scorer, chosen)
    return pl.concat([scored, reasons.lazy()], how="horizontal", strict=True)


def _scored_chunks(
    upload: Upload, scorer: Scorer, rings: KnownRings, settings: Settings
) -> Iterator[pl.DataFrame]:
    for start in range(0, max(upload.rows, 1), CHUNK_ROWS):
        features = upload.prepped.slice(start, CHUNK_ROWS).collect()
        rows = _identified(upload, start)
        if not rows["transaction_id"].equals(features["transaction_id"]):
            raise ValueError(
                f"raw and prepped rows from {start} on are not the same; run the upload again"
            )
        scores = scorer.scores(features, settings.threads)
        rows = rings.joined(rows.hstack(scores)).with_columns(
            expected_loss=pl.col("fraud_probability").cast(pl.Float64) * pl.col("amount"),
            in_sample=scorer.is_in_sample,
            model_version=pl.lit(None if scorer.model is None else scorer.name, dtype=pl.String),
        )
        evidence = features.hstack(
            rows.select("anomaly_score", "payer_ring_score", "payee_ring_score")
        )
        yield rows.hstack(evidence.select(rule_hits(evidence.columns)))


def _identified(upload: Upload, start: int) -> pl.DataFrame:
    feed = upload.feed
    return (
        upload.raw.slice(start, CHUNK_ROWS)
        .select(
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
        .collect()
    )


def _reasons(
    upload: Upload, scored: pl.LazyFrame, scorer: Scorer, chosen: pl.Series
) -> pl.DataFrame:
    """`may_alert` and `reasons` of every row; reasons are worked out for chosen rows alone."""
    picked = pl.concat(
        [
            upload.prepped,
            scored.select("anomaly_score", "payer_ring_score", "payee_ring_score"),
            chosen.to_frame().lazy(),
        ],
        how="horizontal",
        strict=True,
    )
    rows = picked.filter("may_alert").drop("may_alert").collect()
    found = rows.select(rule_reasons(rows.columns)).to_series().to_list()
    if scorer.model is not None and rows.height:
        booster = scorer.model.booster
        values = booster.contributions(rows.select(booster.columns)).values
        for codes, more in zip(found, model_reasons(values, booster.columns), strict=True):
            codes += [code for code in more if code not in codes]
    empty: list[str] = []
    reasons = pl.Series("reasons", [empty], dtype=pl.List(pl.String)).new_from_index(
        0, chosen.len()
    )
    places = chosen.arg_true()
    filled = (
        pl.DataFrame(
            {"place": places, "reasons": found}, schema_overrides={"reasons": pl.List(pl.String)}
        )
        if places.len()
        else pl.DataFrame(schema={"place": pl.UInt32, "reasons": pl.List(pl.String)})
    )
    return (
        pl.DataFrame({"may_alert": chosen, "reasons": reasons})
        .with_row_index("place")
        .join(filled, on="place", how="left", maintain_order="left")
        .select("may_alert", pl.coalesce("reasons_right", "reasons").alias("reasons"))
    )


def inputs_of(
    raw: Manifest, prepped: Manifest, scorer: Scorer, rings: KnownRings
) -> dict[str, str]:
    """How a scored version names what it was made of."""
    snapshots = sorted(set(rings.days["ring_snapshot"].to_list()))
    return {
        raw.slot: raw.content_id,
        prepped.slot: prepped.content_id,
        "model": scorer.name,
        "rings": ",".join(map(str, snapshots)),
    }
