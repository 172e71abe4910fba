"""The contract of every layer, as pandera schemas with the meaning of each column.

The text in `MEANING` is the data dictionary: the UI's column tables and `docs/data-dictionary.md`
are made of it.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import pandera.polars as pa
import polars as pl

from fraud_assets.checks import Contract
from gpu_ops.canonical import KINDS, UTC_MICROSECONDS
from gpu_ops.ring_params import PATTERNS

MEANING: Final[Mapping[str, str]] = {
    "transaction_id": "The transaction, unique in its feed",
    "occurred_at": "When it happened, UTC",
    "feed": "The feed that the transaction came from",
    "kind": "Payment, transfer, cash out, cash in, debit or card",
    "amount": "Positive amount in major units of the currency; in a ring: the sum moved inside it",
    "currency": "ISO 4217 code",
    "payer_id": "Account, card or customer that pays, as sent",
    "payee_id": "Account, merchant or terminal that is paid, as sent",
    "payer": "The payer as a node of the account graph: feed:entity:id",
    "payee": "The payee as a node of the account graph: feed:entity:id",
    "payer_balance_before": "The payer's balance before the decision, where the feed has it",
    "payee_balance_before": "The payee's balance before the decision, where the feed has it",
    "is_fraud": "The label, empty where there is none",
    "label_known_at": "When the label became known",
    "source_file": "The file that the row came from",
    "source_row": "Row in that file; 1 is the first data row",
    "anomaly_score": "How odd the transaction looks to the isolation forest, 0 to 1",
    "fraud_probability": "The champion model's calibrated probability; empty without a model",
    "expected_loss": "Fraud probability x amount; empty without a model",
    "in_sample": "The row helped to fit, stop or calibrate what scored it; it counts in no metric",
    "may_alert": "The row is among its day's best candidates for an alert",
    "reasons": "Why: stable codes, strongest first",
    "model_version": "The model that scored the row",
    "payer_ring_score": "Score of the payer's strongest ring known before the row's day",
    "payee_ring_score": "Score of the payee's strongest ring known before the row's day",
    "ring_snapshot": "The snapshot of rings that was used",
    "n_transactions": "Transactions counted",
    "amount_sum": "Sum of their amounts",
    "amount_max": "Largest of their amounts",
    "first_at": "First of them",
    "last_at": "Last of them",
    "account": "The account: feed:entity:id",
    "pagerank": "Share of money flow that ends here, by PageRank",
    "component": "Connected component, numbered by its first account",
    "component_size": "Accounts in the component",
    "community": "Leiden community, numbered by its first account",
    "community_size": "Accounts in the community",
    "ring_id": "The ring; made of its earliest transactions, so it stays the same",
    "pattern": "Its shape: fan-in, fan-out, cycle, scatter-gather, gather-scatter or cluster",
    "score": "How strong the evidence is, 0 to 1; in an evaluation: the model's probability",
    "accounts": "Accounts in the ring",
    "transaction_ids": "The transactions that are its evidence",
    "n_accounts": "Accounts counted",
    "alert_id": "The alert; stable, also when a run is repeated",
    "alert_type": "Transaction or ring",
    "subject_id": "The transaction or ring that the alert is about",
    "event_day": "UTC day of the event; the review capacity is per day",
    "rank": "1 is to be looked at first",
    "ranked_by": "What the rank rests on",
    "explanation": "The case in plain words, made from its evidence",
    "published_in": "The publication that it first was part of",
    "window": "Training, validation or test",
    "label": "Whether it was fraud, as known at the cut-off",
    "weight": "Stands for so many rows in training",
    "metric": "What is measured",
    "value": "The new model's figure; empty where it is not defined",
    "ceiling": "What perfect scores reach on the same rows",
    "random": "What a random order reaches on the same rows",
}


def _column(
    dtype: pl.DataType | type[pl.DataType], *checks: pa.Check, null: bool = False
) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=null)


def _text(*, null: bool = False) -> pa.Column:
    return _column(pl.String(), *(() if null else (pa.Check.str_length(min_value=1),)), null=null)


def _share(dtype: pl.DataType | None = None, *, null: bool = False) -> pa.Column:
    return _column(dtype or pl.Float64(), pa.Check.in_range(0.0, 1.0), null=null)


def _time(*, null: bool = False) -> pa.Column:
    return _column(UTC_MICROSECONDS, null=null)


def _number(*, null: bool = False) -> pa.Column:
    # Neither NaN nor an infinite value passes the upper bound.
    return _column(pl.Float64(), pa.Check.in_range(0.0, sys.float_info.max), null=null)


def _count(dtype: pl.DataType) -> pa.Column:
    return _column(dtype, pa.Check.ge(0))


def _schema(columns: Mapping[str, pa.Column], *, strict: bool = True) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(dict(columns), strict=strict, ordered=strict)


RAW: Final = Contract(
    "contract",
    _schema(
        {
            "transaction_id": _text(),
            "occurred_at": _time(),
            "kind": _column(pl.String(), pa.Check.isin(KINDS)),
            # Neither NaN nor an infinite amount passes the upper bound.
            "amount": _column(pl.Float64(), pa.Check.in_range(0.0, 1e15)),
            "currency": _column(pl.String(), pa.Check.str_length(min_value=3, max_value=3)),
            "payer_id": _text(),
            "payee_id": _text(),
            "payer_balance_before": _column(pl.Float64(), null=True),
            "payee_balance_before": _column(pl.Float64(), null=True),
            "is_fraud": _column(pl.Boolean(), null=True),
            "label_known_at": _time(null=True),
            "source_file": _text(),
            "source_row": _column(pl.Int64(), pa.Check.ge(1)),
        }
    ),
    unique=("transaction_id",),
    sorted_by=("occurred_at", "transaction_id"),
    shows=frozenset({"occurred_at", "kind", "amount", "currency", "source_row"}),
)


def prepped_contract(features: Mapping[str, pl.DataType], counts: Sequence[str]) -> Contract:
    """The prepped layer's contract for a feed's features.

    Args:
        features: Feature columns and their dtypes, in order.
        counts: Those of them that are counts, sums or flags: never null, never negative.
    """
    never_negative = set(counts)
    columns: dict[str, pa.Column] = {"transaction_id": _text(), "occurred_at": _time()}
    for name, dtype in features.items():
        columns[name] = (
            _column(dtype, pa.Check.ge(0)) if name in never_negative else _column(dtype, null=True)
        )
    return Contract(
        "contract",
        _schema(columns),
        unique=("occurred_at", "transaction_id"),
        sorted_by=("occurred_at", "transaction_id"),
        shows=frozenset({"occurred_at", *features}),
    )


AUGMENTED: Final = Contract(
    "contract",
    _schema(
        {
            "transaction_id": _text(),
            "occurred_at": _time(),
            "feed": _text(),
            "kind": _column(pl.String(), pa.Check.isin(KINDS)),
            "amount": _number(),
            "currency": _text(),
            "payer": _text(),
            "payee": _text(),
            "is_fraud": _column(pl.Boolean(), null=True),
            "label_known_at": _time(null=True),
            "anomaly_score": _share(pl.Float32()),
            "fraud_probability": _share(pl.Float32(), null=True),
            "expected_loss": _number(null=True),
            "in_sample": _column(pl.Boolean()),
            "may_alert": _column(pl.Boolean()),
            "reasons": _column(pl.List(pl.String())),
            "model_version": _text(null=True),
            "payer_ring_score": _share(pl.Float32(), null=True),
            "payee_ring_score": _share(pl.Float32(), null=True),
            "ring_snapshot": _column(pl.Int64(), null=True),
        }
    ),
    unique=("occurred_at", "transaction_id"),
    sorted_by=("occurred_at", "transaction_id"),
    shows=frozenset({"occurred_at", "feed", "kind", "amount", "anomaly_score", "expected_loss"}),
)

ACCOUNT_GRAPH: Final = Contract(
    "contract",
    _schema(
        {
            "feed": _text(),
            "payer": _text(),
            "payee": _text(),
            "n_transactions": _column(pl.UInt32(), pa.Check.ge(1)),
            "amount_sum": _number(),
            "amount_max": _number(),
            "first_at": _time(),
            "last_at": _time(),
        },
        strict=False,
    ),
    unique=("payer", "payee"),
)

ACCOUNT_FEATURES: Final = Contract(
    "contract",
    _schema(
        {
            "feed": _text(),
            "account": _text(),
            "pagerank": _share(),
            "component_size": _column(pl.UInt32(), pa.Check.ge(1)),
            "community_size": _column(pl.UInt32(), pa.Check.ge(1)),
        },
        strict=False,
    ),
    # An account's name begins with its feed.
    unique=("feed", "account"),
    sorted_by=("feed", "account"),
)

RINGS: Final = Contract(
    "contract",
    _schema(
        {
            "ring_id": _text(),
            "feed": _text(),
            "pattern": _column(pl.String(), pa.Check.isin(PATTERNS)),
            "score": _share(),
            "accounts": _column(pl.List(pl.String())),
            "transaction_ids": _column(pl.List(pl.String())),
            "first_at": _time(),
            "last_at": _time(),
            "amount": _number(),
        },
        strict=False,
    ),
    unique=("ring_id",),
    shows=frozenset({"pattern", "score"}),
)

_ALERT_COLUMNS: Final[Mapping[str, pa.Column]] = {
    "alert_id": _text(),
    "alert_type": _column(pl.String(), pa.Check.isin(("transaction", "ring"))),
    "feed": _text(),
    "subject_id": _text(),
    "event_day": _column(pl.Date()),
    "rank": _column(pl.UInt32(), pa.Check.ge(1)),
    "expected_loss": _number(null=True),
    "ranked_by": _text(),
    "reasons": _column(pl.List(pl.String())),
    "explanation": _text(),
}

ALERTS: Final = Contract(
    "contract",
    _schema(_ALERT_COLUMNS, strict=False),
    unique=("alert_id",),
    shows=frozenset({"alert_type", "event_day", "rank", "expected_loss"}),
)

TRAINING_SET: Final = Contract(
    "contract",
    _schema(
        {
            "transaction_id": _text(),
            "occurred_at": _time(),
            "feed": _text(),
            "window": _column(pl.String(), pa.Check.isin(("train", "validation", "test"))),
            "label": _column(pl.Boolean()),
            "weight": _column(pl.Float32(), pa.Check.gt(0.0)),
        },
        strict=False,
    ),
    unique=("feed", "transaction_id"),
)

EVALUATION: Final = Contract(
    "contract",
    _schema(
        {
            "feed": _text(),
            "metric": _text(),
            "value": _column(pl.Float64(), null=True),
            "ceiling": _column(pl.Float64(), null=True),
            "random": _column(pl.Float64(), null=True),
        },
        strict=False,
    ),
    unique=("feed", "metric"),
    shows=frozenset({"feed", "metric", "value"}),
)
