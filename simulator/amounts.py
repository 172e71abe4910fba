"""Amounts: log-normal pieces drawn through the quantiles of a PaySim run."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

KIND_SHARES: Final[dict[str, float]] = {
    "payment": 2_151_495 / 6_362_620,
    "transfer": 532_909 / 6_362_620,
    "cash_out": 2_237_500 / 6_362_620,
    "cash_in": 1_399_284 / 6_362_620,
    "debit": 41_432 / 6_362_620,
}
"""Share of each kind in the published PaySim table (Kaggle, ealaxi/paysim1: 6,362,620 rows)."""

QUANTILE_LEVELS: Final = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
"""Levels of `AMOUNT_QUANTILES`."""

AMOUNT_QUANTILES: Final[dict[str, tuple[int, ...]]] = {
    "payment": (439, 2003, 3714, 8025, 14430, 21956, 29589, 34668, 45396),
    "transfer": (26775, 121689, 228782, 540891, 1072392, 2013732, 3674415, 5071303, 9317794),
    "cash_out": (6838, 30129, 54427, 110281, 185751, 267980, 345832, 393311, 484776),
    "cash_in": (6740, 29646, 53281, 107176, 180218, 259567, 333127, 377759, 462871),
    "debit": (165, 741, 1354, 3198, 6833, 13326, 23063, 31924, 52196),
}
"""Amounts of the legitimate rows of a PaySim v1.0 run (EdgarLopezPhD/PaySim at 62a29b7, multiplier
0.05, seed 424242: 1,292,203 rows), at `QUANTILE_LEVELS`, in major units."""

_NORMAL_QUANTILES: Final = (-2.3263, -1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449, 2.3263)
_SMALLEST_CENTS: Final = 100


def amount_cents(kind: str, score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Amounts of one kind at the given standard normal scores.

    The logarithm of the amount is linear in the score between the quantiles (log-normal piece by
    piece) and goes on with the slope of the last piece beyond them. Scores that are standard normal
    over a table give amounts with the table's quantiles, however the scores are shared between
    habits and chance.

    Args:
        kind: A key of `AMOUNT_QUANTILES`.
        score: Standard normal scores, any shape.

    Returns:
        Amounts in cents, at least one major unit, of the shape of `score`.
    """
    scores = np.asarray(_NORMAL_QUANTILES)
    logarithms = np.log(np.asarray(AMOUNT_QUANTILES[kind], dtype=np.float64))
    slopes = np.diff(logarithms) / np.diff(scores)
    inside = np.interp(score, scores, logarithms)
    below = np.minimum(score - scores[0], 0.0) * slopes[0]
    above = np.maximum(score - scores[-1], 0.0) * slopes[-1]
    amounts = np.exp(inside + below + above) * 100.0
    cents: NDArray[np.int64] = np.rint(np.maximum(amounts, _SMALLEST_CENTS)).astype(np.int64)
    return cents
