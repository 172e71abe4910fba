"""What scores a feed: its champion, or a forest alone, and what a scored version was made of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from fraud_assets import layers
from fraud_assets.known_rings import KnownRings
from gpu_ops.engine import Device
from gpu_ops.matrices import IDENTIFIERS
from gpu_ops.splits import in_sample
from resources.leases import lease
from resources.registry import ModelRegistry, ModelVersion
from resources.settings import Settings
from resources.versions import Manifest, Versions

if TYPE_CHECKING:
    from gpu_ops.anomaly import Forest

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

    def scores(
        self, features: pl.DataFrame, threads: int | None, device: Device = "cpu"
    ) -> pl.DataFrame:
        """`anomaly_score` and `fraud_probability` (null without a model), Float32."""
        if self.model is None:
            probability = pl.Series([None], dtype=pl.Float32).new_from_index(0, features.height)
            anomaly = (
                pl.Series(dtype=pl.Float32)
                if self.forest is None
                else pl.Series(self.forest.score(features, threads=threads, device=device))
            )
        else:
            found = self.model.score(features, threads=threads, device=device)
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
