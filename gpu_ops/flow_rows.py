"""Features of a payment against what went through its accounts."""

from typing import Final

import polars as pl

from gpu_ops.feature_model import RowFeature
from gpu_ops.flow_features import THROUGH
from gpu_ops.windows import ratio

_OWN_RATIO: Final = f"this project's ratio; {THROUGH}"


def _overlap(received: pl.Expr, sent: pl.Expr) -> pl.Expr:
    """Divide the smaller by the larger: 1 where as much went out as came in."""
    less = pl.when(received < sent).then(received).otherwise(sent)
    more = pl.when(received < sent).then(sent).otherwise(received)
    return pl.when(received.is_not_null() & sent.is_not_null()).then(ratio(less, more))


def _payer_through(window: str) -> RowFeature:
    received, paid = f"payer_received_sum_{window}", f"payer_amount_sum_{window}"
    return RowFeature(
        f"payer_pass_through_{window}",
        _overlap(pl.col(received), pl.col(paid) + pl.col("amount")),
        f"min / max of {received} and ({paid} + amount); null where {received} is null",
        _OWN_RATIO,
        "How far what this payer pays, with this payment, equals what it received just before.",
    )


FLOW_ROWS: Final = (
    _payer_through("1d"),
    _payer_through("7d"),
    RowFeature(
        "amount_to_payer_received_1d",
        ratio(pl.col("amount"), pl.col("payer_received_sum_1d")),
        "amount / payer_received_sum_1d; null where payer_received_sum_1d is 0 or null",
        _OWN_RATIO,
        "How this amount compares with what the payer received in the day before.",
    ),
    RowFeature(
        "payee_pass_through_7d",
        _overlap(pl.col("payee_amount_sum_7d"), pl.col("payee_sent_sum_7d")),
        "min / max of payee_amount_sum_7d and payee_sent_sum_7d; null where both are 0, or "
        "payee_sent_sum_7d is null",
        _OWN_RATIO,
        "How far what this payee sent equals what it received in the week before.",
    ),
)
"""They read `gpu_ops.flow_features.FLOW_FEATURES` and sums of amounts by payer and payee."""
