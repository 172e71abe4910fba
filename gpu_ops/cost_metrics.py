"""What two levels, alert and block, save on labelled rows."""

import numpy as np

from gpu_ops.cost_model import CostMatrix, cost_of_nothing, savings
from gpu_ops.matrices import Float64Array
from gpu_ops.metrics import Figure
from gpu_ops.ranking_metrics import Labels, Scores, checked_scores
from gpu_ops.thresholds import Levels


def savings_at_levels(
    scores: Scores, labels: Labels, amounts: Float64Array, levels: Levels, costs: CostMatrix
) -> Figure:
    """Savings of blocking and reviewing what reaches the levels, with no limit to the reviews.

    Perfect scores block every fraud and nothing else, and save all. The random order reviews and
    blocks as many rows, chosen by chance. Nothing is released by lot here.

    Args:
        scores: Fraud probabilities (rows,); they count as Float32, as they are stored.
        labels: bool (rows,).
        amounts: float64 (rows,), one currency.
        levels: From which probability on.
        costs: The cost matrix.

    Returns:
        None for all where no amount is lost to fraud.

    Raises:
        ValueError: A score is NaN, an amount is negative or not finite, or lengths differ.
    """
    stored = checked_scores(scores.astype(np.float32), labels)
    blocked, reviewed = reached(stored, levels)
    nothing = cost_of_nothing(labels, amounts)
    cost = costs.cost(labels, amounts, reviewed=reviewed, blocked=blocked)
    rows = max(labels.size, 1)
    block_rate, review_rate = float(blocked.sum()) / rows, float(reviewed.sum()) / rows
    by_chance = (
        nothing * (1.0 - block_rate - review_rate)
        + costs.review_cost * float(reviewed.sum())
        + costs.wrong_block_share * block_rate * float(amounts[~labels].sum())
    )
    return Figure(savings(cost, nothing), 1.0 if nothing else None, savings(by_chance, nothing))


def reached(scores: Float64Array, levels: Levels) -> tuple[Labels, Labels]:
    """Which rows reach the block level, and which of the others the alert level."""
    nobody = np.zeros(scores.size, np.bool_)
    blocked = nobody if levels.block is None else scores >= levels.block
    reviewed = nobody if levels.alert is None else (scores >= levels.alert) & ~blocked
    return blocked, reviewed
