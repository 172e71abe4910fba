"""What a rule may read: all that is known of a transaction at its moment, and never its label."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gpu_ops.features import CATALOGUE
from gpu_ops.sql_syntax import Kind

TRANSACTION_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "kind": "text",
        "currency": "text",
        "payer_id": "text",
        "payee_id": "text",
        "amount": "number",
        "payer_balance_before": "number",
        "payee_balance_before": "number",
    }
)
"""Columns of the canonical transaction. Numbers are read as sent, though some are features too,
which are rounded to Float32: 9999.99 is then more than itself."""

SCORE_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "anomaly_score": "number",
        "fraud_probability": "number",
        "expected_loss": "number",
    }
)
"""Columns of the scored layer; without a model they are null, but for the anomaly score."""

RULE_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        **{feature.name: "number" for feature in CATALOGUE},
        **SCORE_COLUMNS,
        **TRANSACTION_COLUMNS,
    }
)
"""Every column that a rule may read; features are numbers, flags among them 0 or 1."""

_LABEL: Final = "a label is not known at the moment of the transaction"
_RESULT: Final = "it is made of the rules and scores, not of the transaction"
_MODEL: Final = "it names what scored; write a condition over fraud_probability"

REFUSED_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("is_fraud", "label_known_at", "known_at", "label"), _LABEL),
        **dict.fromkeys(("may_alert", "reasons", "contributions", "in_sample"), _RESULT),
        **dict.fromkeys(
            ("decision", "model_version", "fraud_margin", "challenger_probability"), _MODEL
        ),
        **dict.fromkeys(
            ("payer_balance_after", "payee_balance_after"),
            "a balance after the event is not known before the decision",
        ),
        "occurred_at": "write hour_of_day or day_of_week, or give the rule valid_from",
        "feed": "give the rule a list of feeds instead",
        "transaction_id": "a rule that names single transactions is none",
        "payer": "write payer_id",
        "payee": "write payee_id",
    }
)
"""Columns that authors may think of, and why each is not to be had."""
