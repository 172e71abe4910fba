"""How many rings as strong as this one turned out to be true, where labels have judged."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.calibration import fit_calibration
from gpu_ops.matrices import Float64Array

LEAST_JUDGED: Final = 10
"""Fewest confirmed and fewest refuted rings; from less, no share can be told."""

_SMALLEST: Final = 1e-6
"""What a score of 0 counts as: no log-odds are endless."""


@dataclass(frozen=True)
class RingVerdicts:
    """What is known of a table of rings.

    Attributes:
        share: Float64, one a ring: share of rings as strong that were confirmed, null if it cannot
            be told.
        judged: rings of which a label is known.
        confirmed: those of which at least half of the known labels are frauds.
        reason: where the shares come from, or why there are none.
    """

    share: pl.Series
    judged: int
    confirmed: int
    reason: str


def ring_verdicts(rings: pl.DataFrame, labels: pl.DataFrame) -> RingVerdicts:
    """Calibrate the score of rings on those that were judged.

    Platt, Probabilistic outputs for support vector machines (1999), over the score's log-odds,
    since the score is a number between 0 and 1. Where stronger rings were not confirmed more often,
    all have one share, that of all judged ones by Laplace's rule.

    Args:
        rings: ring_id, score, transaction_ids.
        labels: transaction_id and is_fraud of transactions whose label is known, each once.
    """
    known = (
        rings.select("ring_id", transaction_id="transaction_ids")
        .explode("transaction_id", empty_as_null=False)
        .join(labels.drop_nulls("is_fraud"), on="transaction_id")
        .group_by("ring_id")
        .agg(is_confirmed=pl.col("is_fraud").mean() >= 0.5)  # noqa: PLR2004 - half of them
    )
    judged = rings.select("ring_id", "score").join(known, on="ring_id", maintain_order="left")
    confirmed = int(judged["is_confirmed"].sum())
    told = f"{confirmed} of {judged.height} judged rings were confirmed"
    if min(confirmed, judged.height - confirmed) < LEAST_JUDGED:
        none = pl.Series("confirmed_share", [None] * rings.height, dtype=pl.Float64)
        return RingVerdicts(
            none,
            judged.height,
            confirmed,
            f"{told}: fewer than {LEAST_JUDGED} confirmed or refuted ones tell no share",
        )
    fitted = fit_calibration(_strength(judged), judged["is_confirmed"].to_numpy())
    if fitted.method == "platt":
        share = fitted.probability(_strength(rings))
    else:
        share = np.full(rings.height, (confirmed + 1.0) / (judged.height + 2.0))
        told += ", stronger ones no more often"
    return RingVerdicts(pl.Series("confirmed_share", share), judged.height, confirmed, told)


def _strength(rings: pl.DataFrame) -> Float64Array:
    score: Float64Array = np.clip(rings["score"].to_numpy(), _SMALLEST, 1.0 - _SMALLEST)
    return np.log(score / (1.0 - score))
