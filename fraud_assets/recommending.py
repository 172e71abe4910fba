"""What the levels of a champion recommend for the rows that it scored."""

import polars as pl

from fraud_assets.scoring import Scorer
from gpu_ops.decisions import ALERT, BLOCK, RELEASE, decisions
from gpu_ops.thresholds import Levels
from resources.settings import Settings


def recommended(rows: pl.DataFrame, scorer: Scorer, settings: Settings) -> pl.Series:
    """`decision` of each row, as `gpu_ops.decisions.decisions`; null where nobody decides.

    Args:
        rows: `transaction_id` and `fraud_probability`.
        scorer: What scored them.
        settings: Which levels, the share that is released, and the seed of the lot.
    """
    levels = levels_of(scorer, settings)
    if levels is None:
        return pl.Series("decision", [None], dtype=pl.String).new_from_index(0, rows.height)
    return decisions(
        rows["fraud_probability"],
        rows["transaction_id"],
        levels,
        release_share=settings.release_share,
        seed=settings.seed,
    )


def levels_of(scorer: Scorer, settings: Settings) -> Levels | None:
    """The levels that count now; None without a model, or with one of before there were levels."""
    if scorer.model is None or scorer.model.card.thresholds is None:
        return None
    return scorer.model.card.thresholds.of(settings.decide_by)


def recommendations(
    staged: pl.LazyFrame, scorer: Scorer, settings: Settings
) -> dict[str, float | str]:
    """How many rows of each decision there are, and the levels; nothing where nobody decides.

    Rows that helped to make the model are left out, as everywhere. Released rows are counted
    apart: `to_block` are those that are recommended for a block still.
    """
    levels = levels_of(scorer, settings)
    if levels is None:
        return {}
    is_out = ~pl.col("in_sample")
    counts = staged.select(
        (is_out & (pl.col("decision") == name)).sum().alias(label)
        for name, label in ((ALERT, "to_alert"), (BLOCK, "to_block"), (RELEASE, "released"))
    ).collect(engine="streaming")
    told = {
        name: value
        for name, value in (("alert_level", levels.alert), ("block_level", levels.block))
        if value is not None
    }
    return {**counts.row(0, named=True), **told, "decided_by": settings.decide_by}
