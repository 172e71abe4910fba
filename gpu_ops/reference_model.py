"""What a first model is compared with: a logistic regression on fifteen published features."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from gpu_ops.matrices import Float32Array, Float64Array
from gpu_ops.ranking_metrics import Labels

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

NAME: Final = "logistic_published"
RANDOM_ORDER: Final = "a random order"

_DAYS: Final = (1, 7, 30)
_AMOUNT: Final = "transaction_amount"
_NIGHT_ENDS: Final = 6
_SATURDAY: Final = 6
_NEEDED: Final = (
    "occurred_at",
    _AMOUNT,
    *(f"payer_{name}_{days}d" for name in ("count", "amount_sum") for days in _DAYS),
    *(f"payee_count_{days}d" for days in _DAYS),
    *(f"payee_label_risk_{days}d_delay_7d" for days in _DAYS),
)


def published_columns(rows: pl.DataFrame) -> pl.DataFrame | None:
    """The fifteen features, as far as the columns of a catalogue give them.

    Amount, night, weekend, and over 1, 7 and 30 days: the payer's number of transactions and
    their mean amount with the present one among them, the payee's number of transactions, and the
    payee's share of known frauds delayed by 7 days. Fraud Detection Handbook (Le Borgne et al.
    2022), chapter 3. Two terms differ from there: the payee's transactions are counted up to the
    present one, and a label counts once it is known.

    Args:
        rows: `occurred_at`, `transaction_amount` in full precision, and the catalogue's features.

    Returns:
        Fifteen Float64 columns without nulls; None where a column that they need is missing.
    """
    if not set(_NEEDED) <= set(rows.columns):
        return None
    at, amount = pl.col("occurred_at"), pl.col(_AMOUNT)
    columns = [
        amount.alias("amount"),
        (at.dt.weekday() >= _SATURDAY).alias("during_weekend"),
        (at.dt.hour() <= _NIGHT_ENDS).alias("during_night"),
    ]
    for days in _DAYS:
        past = pl.col(f"payer_count_{days}d").cast(pl.Float64)
        total = pl.col(f"payer_amount_sum_{days}d").cast(pl.Float64)
        columns += [
            (past + 1.0).alias(f"payer_count_{days}d"),
            ((total + amount) / (past + 1.0)).alias(f"payer_mean_{days}d"),
            pl.col(f"payee_count_{days}d").alias(f"payee_count_{days}d"),
            pl.col(f"payee_label_risk_{days}d_delay_7d").alias(f"payee_risk_{days}d"),
        ]
    # A payee without transactions in the window has no share of frauds: published as 0.
    return rows.select(column.cast(pl.Float64).fill_null(0.0) for column in columns)


@dataclass(frozen=True)
class ReferenceModel:
    """The fitted logistic regression."""

    fitted: "Pipeline"

    @classmethod
    def fit(
        cls, rows: pl.DataFrame, labels: Labels, weights: Float32Array, *, seed: int
    ) -> "ReferenceModel | None":
        """Scale and fit on a training window, as published: C = 1.

        Args:
            rows: As `published_columns` takes them.
            labels: bool (rows,).
            weights: How many rows each stands for (rows,).
            seed: Of the solver.

        Returns:
            None where a column is missing or the labels have one class.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        columns = published_columns(rows)
        if columns is None or labels.all() or not labels.any():
            return None
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=1.0, random_state=seed, max_iter=1_000)
        )
        model.fit(
            columns.to_numpy(),
            labels,
            standardscaler__sample_weight=weights,
            logisticregression__sample_weight=weights,
        )
        return cls(model)

    def score(self, rows: pl.DataFrame) -> Float64Array:
        """Fraud probabilities, float64 (rows,); ValueError where a column is missing."""
        columns = published_columns(rows)
        if columns is None:
            raise ValueError("the rows lack columns of the published features")
        if not rows.height:
            return np.empty(0, dtype=np.float64)
        found: Float64Array = self.fitted.predict_proba(columns.to_numpy())[:, 1]
        return found
