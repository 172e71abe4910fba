"""What scores a feed: its champion, or a forest alone, and what a scored version was made of."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from fraud_assets import layers
from fraud_assets.refused_models import newest_features, refusal_of
from gpu_ops.engine import Device
from gpu_ops.matrices import IDENTIFIERS
from gpu_ops.model_files import ModelFileError
from gpu_ops.rules import RuleSet
from gpu_ops.splits import in_sample
from resources.errors import LakeError
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
        challenger: A model that scores in shadow: its probability is kept beside the champion's
            and decides nothing.
        refused: Why the champion does not score, or the challenger; empty if nothing is refused.
        rules: What screens the rows beside the scores.
    """

    name: str
    model: ModelVersion | None
    forest: "Forest | None"
    is_in_sample: pl.Expr
    challenger: ModelVersion | None = None
    refused: tuple[str, ...] = ()
    rules: RuleSet = field(default_factory=RuleSet)

    def scores(
        self, features: pl.DataFrame, threads: int | None, device: Device = "cpu"
    ) -> pl.DataFrame:
        """`anomaly_score`, `fraud_margin`, `fraud_probability`, `challenger_probability`, Float32.

        Margin and probability are null where there is no such model. The probability rises
        strictly with the margin; rounded to Float32 it may tie where the margin does not, but
        never turns round.
        """
        if self.model is None:
            margin = probability = _nothing(features.height)
            anomaly = (
                pl.Series(dtype=pl.Float32)
                if self.forest is None
                else pl.Series(self.forest.score(features, threads=threads, device=device))
            )
        else:
            found = self.model.score(features, threads=threads, device=device)
            anomaly = pl.Series(found.anomaly)
            margin = pl.Series(found.margin)
            probability = pl.Series(found.probability).cast(pl.Float32)
        shadow = (
            _nothing(features.height)
            if self.challenger is None
            else pl.Series(self.challenger.probability(features, device=device)).cast(pl.Float32)
        )
        return pl.DataFrame(
            {
                "anomaly_score": anomaly,
                "fraud_margin": margin,
                "fraud_probability": probability,
                "challenger_probability": shadow,
            }
        )


def scorer_of(
    versions: Versions, feed: str, run_id: str, settings: Settings, prepped: Manifest | None = None
) -> Scorer:
    """The champion of a feed, else the forest of its earliest rows, fitted now if need be.

    Args:
        versions: The lake.
        feed: Whose rows.
        run_id: Who asks.
        settings: Rows and seed of a forest.
        prepped: The features to be scored; models of other features are refused. None: no model
            is looked at so closely.
    """
    registry = ModelRegistry(versions)
    champion = registry.champion(feed)
    refused = None if champion is None or prepped is None else refusal_of(champion, prepped)
    challenger, untried = _challenger(registry, feed, prepped)
    told = tuple(one for one in (refused, untried) if one is not None)
    if champion is not None and refused is None:
        return Scorer(
            champion.name, champion, champion.forest, in_sample(champion.split), challenger, told
        )
    with lease(versions.lake, f"forest-{feed}", wait_seconds=_LEASE_WAIT_SECONDS):
        # A damaged one is fitted anew: no other copy of it exists.
        is_damaged = bool(versions.problems(registry.forest_slot(feed)))
        forest = None if is_damaged else registry.forest(feed)
        if forest is None or not _fits(forest, prepped):
            forest = _fit_first_forest(versions, feed, run_id, settings, prepped)
    fitted = versions.latest(registry.forest_slot(feed))
    until = None if fitted is None else fitted.extra.get(_FITTED_UNTIL)
    is_fitted = (
        pl.col("occurred_at") <= pl.lit(until).str.to_datetime(time_unit="us", time_zone="UTC")
        if isinstance(until, str)
        else pl.lit(value=False)
    )
    return Scorer(NO_MODEL, None, forest, is_fitted, challenger, told)


def _nothing(rows: int) -> pl.Series:
    return pl.Series([None], dtype=pl.Float32).new_from_index(0, rows)


def _challenger(
    registry: ModelRegistry, feed: str, prepped: Manifest | None
) -> tuple[ModelVersion | None, str | None]:
    """The model that scores in shadow, or why it does not: it must never keep rows from scores."""
    try:
        found = registry.challenger(feed)
        if found is None:
            return None, None
        refused = None if prepped is None else refusal_of(found, prepped)
        # Read now, since a damaged file would else stop the scoring halfway.
        _ = found.booster, found.calibration
    except (LakeError, ModelFileError) as error:
        return None, f"the challenger cannot be read: {error}"
    return (found, None) if refused is None else (None, refused)


def _fits(forest: "Forest", prepped: Manifest | None) -> bool:
    """Whether the features are those that the forest was fitted on."""
    return prepped is None or set(forest.columns) == set(prepped.columns) - set(IDENTIFIERS)


def _fit_first_forest(
    versions: Versions, feed: str, run_id: str, settings: Settings, prepped: Manifest | None
) -> "Forest | None":
    from gpu_ops.anomaly import fit_forest

    like = prepped or newest_features(versions, feed)
    visible = layers.visible(versions, "prepped_transactions", feed).values()
    # Until all are made anew, some uploads have the features of an earlier catalogue.
    filled = [
        one for one in visible if like is not None and one.columns == like.columns and one.rows
    ]
    if not filled:
        return None
    filled.sort(key=lambda one: (str(one.event_from), one.slot))
    rows = versions.scan_all(filled).head(settings.forest_rows).collect()
    columns = [name for name in rows.columns if name not in IDENTIFIERS]
    forest = fit_forest(rows, columns, seed=settings.seed)
    attempt = versions.begin(ModelRegistry.forest_slot(feed), run_id)
    ModelRegistry.write_forest(attempt, forest)
    latest = rows["occurred_at"].max()
    versions.publish(attempt, inputs={}, extra={_FITTED_UNTIL: str(latest), "rows": rows.height})
    return forest


def inputs_of(raw: Manifest, prepped: Manifest, scorer: Scorer) -> dict[str, str]:
    """How a scored version names what it was made of."""
    return {
        raw.slot: raw.content_id,
        prepped.slot: prepped.content_id,
        "model": scorer.name,
        "challenger": NO_MODEL if scorer.challenger is None else scorer.challenger.name,
        # Versions of a time without rules of one's own name none.
        **({"rules": scorer.rules.digest} if scorer.rules.own else {}),
    }
