"""What fraud and its prevention cost: the cost matrix that thresholds are chosen by.

A payment goes through, is reviewed, or is blocked. A fraud that goes through costs its amount; a
review costs its price, and finds the truth; a legitimate payment that is blocked costs a share of
its amount: the fee that is lost, the customer who turns to another card. A fraud that is blocked
costs nothing. The matrix is that of Bahnsen et al., Example-dependent cost-sensitive logistic
regression for credit scoring (ICMLA 2014), with a second action.
"""

import math
from dataclasses import dataclass

from gpu_ops.matrices import Float64Array
from gpu_ops.ranking_metrics import Labels


@dataclass(frozen=True)
class CostMatrix:
    """What each outcome costs, in the currency of the amounts.

    Attributes:
        review_cost: Of one review.
        wrong_block_share: Cost of blocking a legitimate payment, as a share of its amount.
    """

    review_cost: float = 5.0
    wrong_block_share: float = 0.1

    def __post_init__(self) -> None:
        for name in ("review_cost", "wrong_block_share"):
            value: float = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} is {value}; it must be a number of at least 0")

    def cost(
        self, labels: Labels, amounts: Float64Array, *, reviewed: Labels, blocked: Labels
    ) -> float:
        """What a set of decisions costs; rows of neither kind go through.

        Args:
            labels: bool (rows,), true for frauds.
            amounts: float64 (rows,), one currency.
            reviewed: bool (rows,).
            blocked: bool (rows,); a row that is both is blocked and reviewed, and costs both.

        Raises:
            ValueError: Lengths differ, or an amount is negative, NaN or infinite.
        """
        checked_amounts(labels, amounts)
        if not labels.shape == reviewed.shape == blocked.shape:
            raise ValueError(
                f"{labels.size} labels, {reviewed.size} reviews and {blocked.size} blocks"
            )
        missed = float(amounts[labels & ~reviewed & ~blocked].sum())
        wronged = float(amounts[blocked & ~labels].sum())
        return missed + self.review_cost * float(reviewed.sum()) + self.wrong_block_share * wronged


def cost_of_nothing(labels: Labels, amounts: Float64Array) -> float:
    """What it costs to let everything through: the amounts of all frauds."""
    checked_amounts(labels, amounts)
    return float(amounts[labels].sum())


def savings(cost: float, nothing: float) -> float | None:
    """1 - cost / cost of doing nothing; None where nothing is lost by doing nothing.

    Below 0 where the decisions cost more than the frauds. Savings of Bahnsen et al., Improving
    credit card fraud detection with calibrated probabilities (SDM 2014).
    """
    return 1.0 - cost / nothing if nothing > 0.0 else None


def checked_amounts(labels: Labels, amounts: Float64Array) -> None:
    """ValueError where lengths differ, or an amount is negative, NaN or infinite."""
    if labels.shape != amounts.shape:
        raise ValueError(f"{labels.size} labels and {amounts.size} amounts")
    # NaN is not at least 0 either.
    if not ((amounts >= 0.0) & (amounts < math.inf)).all():
        raise ValueError("an amount is negative, NaN or infinite")
