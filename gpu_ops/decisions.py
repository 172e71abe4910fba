"""What is recommended for a payment: nothing, an alert, a block, or release by lot."""

from typing import Final

import numpy as np
import polars as pl

from gpu_ops.thresholds import Levels
from gpu_ops.training_rows import stable_hashes

NONE: Final = "none"
ALERT: Final = "alert"
BLOCK: Final = "block"
RELEASE: Final = "release"
DECISIONS: Final = (NONE, ALERT, BLOCK, RELEASE)

_LOT: Final = int.from_bytes(b"release", "big")
"""Changes the seed: training samples the smallest hashes of the plain one, and a payment must not
be released because it is trained on."""


def decisions(
    probability: pl.Series, ids: pl.Series, levels: Levels, *, release_share: float, seed: int
) -> pl.Series:
    """What is recommended for each payment; nothing here is carried out.

    A payment at or above the block level is to be blocked, one at or above the alert level
    reviewed. A blocked payment has no outcome, so nobody would ever learn how many blocks were
    right: a share of those to be blocked is released by a lot that hangs on the id and the seed
    alone, whatever the order and the upload.

    Args:
        probability: Float32 or Float64 (rows,) in 0..1; null where nothing scored the row.
        ids: Transaction ids (rows,).
        levels: From which probability on.
        release_share: Share of those to be blocked that are released, 0..1.
        seed: Draws another lot.

    Returns:
        String Series `decision`: `none`, `alert`, `block` or `release`; null without a
        probability.

    Raises:
        ValueError: The lengths differ, or the share is outside 0..1.
    """
    if len(probability) != len(ids):
        raise ValueError(f"{len(probability)} probabilities and {len(ids)} ids")
    # Float64 holds every Float32 exactly; the other way a level would be rounded.
    values = probability.cast(pl.Float64)
    blocked = _from(values, levels.block)
    places = blocked.arg_true()
    drawn = places.filter(is_released(ids.gather(places), release_share=release_share, seed=seed))
    released = pl.zeros(len(ids), pl.UInt8, eager=True).scatter(drawn, 1).cast(pl.Boolean)
    return pl.select(
        decision=pl.when(values.is_null())
        .then(pl.lit(None, pl.String))
        .when(released)
        .then(pl.lit(RELEASE))
        .when(blocked)
        .then(pl.lit(BLOCK))
        .when(_from(values, levels.alert))
        .then(pl.lit(ALERT))
        .otherwise(pl.lit(NONE))
    ).to_series()


def is_released(ids: pl.Series, *, release_share: float, seed: int) -> pl.Series:
    """Which payments go through although they are to be blocked, drawn by a seeded hash.

    Raises:
        ValueError: The share is outside 0..1.
    """
    if not 0.0 <= release_share <= 1.0:
        raise ValueError(f"a share of {release_share} is released; it must lie in 0..1")
    bound = int(release_share * 2**64)
    hashes = stable_hashes(ids, seed ^ _LOT)
    return pl.Series("released", hashes < np.uint64(bound) if bound < 2**64 else hashes >= 0)


def _from(values: pl.Series, level: float | None) -> pl.Series:
    """Which values reach a level."""
    if level is None:
        return pl.repeat(value=False, n=len(values), dtype=pl.Boolean, eager=True)
    return (values >= level).fill_null(value=False)
