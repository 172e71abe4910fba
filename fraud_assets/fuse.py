"""The fuse on a scored upload: blocks beyond the cap become alerts, and are counted."""

from datetime import timedelta

import polars as pl

from gpu_ops.block_cap import capped_blocks
from gpu_ops.decisions import ALERT, BLOCK
from resources.settings import Settings


def fused(table: pl.LazyFrame, settings: Settings) -> tuple[pl.LazyFrame, dict[str, float]]:
    """The table with no more blocks an interval than the settings allow.

    Rows that helped to make the model are left as they are, as everywhere: nobody acts on them.

    Args:
        table: `transaction_id`, `occurred_at`, `payer`, `payee`, `decision`, `in_sample`.
        settings: The cap and the interval.

    Returns:
        The table, and `blocks_lowered` to be shown; nothing where no cap is set.
    """
    cap = settings.blocks_per_interval
    if cap is None:
        return table, {}
    is_block = (pl.col("decision") == BLOCK) & ~pl.col("in_sample")
    blocks = (
        table.filter(is_block)
        .select("transaction_id", "occurred_at", "payer", "payee", "decision")
        .collect(engine="streaming")
    )
    interval = timedelta(minutes=settings.block_interval_minutes)
    capped = capped_blocks(blocks, cap=cap, interval=interval)
    ids = blocks["transaction_id"].filter(capped.decision == ALERT)
    lowered = is_block & pl.col("transaction_id").is_in(ids.implode())
    decision = pl.when(lowered).then(pl.lit(ALERT)).otherwise("decision").alias("decision")
    return table.with_columns(decision), {"blocks_lowered": float(capped.lowered)}
