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
    the fraud rate by XGBoost and held at 0.5 here. Each split looks at three tenths of the features
    and each tree at seven tenths of the rows: many features tell nearly the same, and this keeps
    the few frauds from being learned by heart through one of them. The defaults were chosen on
    weeks of the Fraud Detection Handbook's table before those that its backtests are judged on.

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
        node_share: Share of those that a split sees.
        l2: L2 penalty on leaf values.
        fraud_weight: How many rows a fraud counts as. More than one costs average precision (a
            weight of 5: .739 instead of .747 on those weeks) and the calibration of the margin.
        seed: Makes training repeatable with the same number of threads.
    """

    rounds: int = 400
    least_rounds: int = 40
    stop_after: int = 40
    rounds_without_stopping: int = 200
    learning_rate: float = 0.05
    max_depth: int = 5
    min_child_weight: float = 3.0
    max_bin: int = 1024
    subsample: float = 0.7
    column_share: float = 1.0
    node_share: float = 0.3
    l2: float = 1.0
    fraud_weight: float = 1.0
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
            "colsample_bynode": self.node_share,
            "reg_lambda": self.l2,
            "scale_pos_weight": self.fraud_weight,
            "seed": self.seed,
            "verbosity": 0,
        }

    def to_dict(self) -> dict[str, int | float]:
        """The parameters for a model card."""
        return asdict(self)
