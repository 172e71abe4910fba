"""What a booster is trained with."""

from dataclasses import asdict, dataclass
from typing import Final

from gpu_ops.engine import Device

STOPPING_METRIC: Final = "aucpr"
"""XGBoost's name of the average precision that decides when to stop."""


@dataclass(frozen=True)
class BoosterParams:
    """What a booster is trained with.

    Two defaults differ from XGBoost's own, since those lose average precision where frauds are
    few: `max_bin`, whose 256 bins blur the rare large amounts, and the start score, fitted to
    the fraud rate by XGBoost and held at 0.5 here.

    Attributes:
        rounds: Most trees; early stopping keeps fewer.
        least_rounds: Fewest trees that are kept: where the first tree already separates the
            validation window, it alone would give a handful of distinct scores.
        stop_after: Rounds without a better average precision on the validation window after
            which training stops.
        rounds_without_stopping: Trees where the validation window has only one class, so that
            there is nothing to stop on.
        learning_rate: Share of each tree's step that is taken.
        max_depth: Depth of a tree.
        min_child_weight: Least sum of second derivatives in a leaf.
        max_bin: Histogram bins a feature.
        subsample: Share of rows a tree sees.
        column_share: Share of features a tree sees.
        l2: L2 penalty on leaf values.
        seed: Makes training repeatable with the same number of threads.
    """

    rounds: int = 200
    least_rounds: int = 20
    stop_after: int = 20
    rounds_without_stopping: int = 100
    learning_rate: float = 0.1
    max_depth: int = 6
    min_child_weight: float = 1.0
    max_bin: int = 1024
    subsample: float = 1.0
    column_share: float = 1.0
    l2: float = 1.0
    seed: int = 0

    def for_xgboost(self, device: Device, threads: int) -> dict[str, str | int | float]:
        """The parameters under XGBoost's names."""
        return {
            "objective": "binary:logistic",
            "eval_metric": STOPPING_METRIC,
            "base_score": 0.5,
            "tree_method": "hist",
            "device": device,
            "nthread": threads,
            "eta": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "max_bin": self.max_bin,
            "subsample": self.subsample,
            "colsample_bytree": self.column_share,
            "reg_lambda": self.l2,
            "seed": self.seed,
            "verbosity": 0,
        }

    def to_dict(self) -> dict[str, int | float]:
        """The parameters for a model card."""
        return asdict(self)
