"""Rules over the features of a transaction: what makes it odd without any model."""
# ruff: noqa: PLR2004 - a rule's thresholds stand in its condition and, beside it, in its formula

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import polars as pl


@dataclass(frozen=True)
class Rule:
    """A rule over the columns of one row.

    Attributes:
        code: Stable name; published alerts and verdicts refer to it.
        family: What it is about; see `reason_table`.
        text: What it tells an analyst, without its parameters' names.
        formula: The condition, for the documentation.
        condition: Boolean expression; null, where a value is unknown, is no hit.
    """

    code: str
    family: str
    text: str
    formula: str
    condition: pl.Expr = field(compare=False, repr=False)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the condition reads."""
        return frozenset(self.condition.meta.root_names())


def _of(column: str) -> pl.Expr:
    """A column as Float64: products of counts must not wrap around."""
    return pl.col(column).cast(pl.Float64)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "PAYEE_RECENT_FRAUD",
        "labels",
        "Earlier payments to this payee were confirmed as fraud.",
        "payee_known_frauds_30d_delay_7d >= 1 and payee_label_risk_30d_delay_7d >= 0.03",
        (_of("payee_known_frauds_30d_delay_7d") >= 1)
        & (_of("payee_label_risk_30d_delay_7d") >= 0.03),
    ),
    Rule(
        "PAYEE_IN_RING",
        "rings",
        "The payee is a member of a suspected ring.",
        "payee_ring_score >= 0.5",
        _of("payee_ring_score") >= 0.5,
    ),
    Rule(
        "PAYER_IN_RING",
        "rings",
        "The payer is a member of a suspected ring.",
        "payer_ring_score >= 0.5",
        _of("payer_ring_score") >= 0.5,
    ),
    Rule(
        "EMPTIES_ACCOUNT",
        "balances",
        "The payment takes nearly the whole balance of the payer.",
        "0.95 <= amount_to_payer_balance <= 1",
        # Beyond 1 the balance is not what the payment was made from.
        _of("amount_to_payer_balance").is_between(0.95, 1.0),
    ),
    Rule(
        "NEW_PAYEE_LARGE_AMOUNT",
        "amounts",
        "The payer has not paid this payee before, at least lately, and the amount is large for "
        "the payer.",
        "pair_count_30d = 0 and payer_count_30d >= 3 and amount_to_payer_mean_30d >= 3",
        (_of("pair_count_30d") == 0)
        & (_of("payer_count_30d") >= 3)
        & (_of("amount_to_payer_mean_30d") >= 3),
    ),
    Rule(
        "AMOUNT_FAR_ABOVE_PAYER_HISTORY",
        "amounts",
        "The amount is far above what the payer usually pays.",
        "payer_count_30d >= 3 and amount_to_payer_mean_30d >= 5",
        (_of("payer_count_30d") >= 3) & (_of("amount_to_payer_mean_30d") >= 5),
    ),
    Rule(
        "AMOUNT_ABOVE_PAYER_MAXIMUM",
        "amounts",
        "The amount is well above the largest that the payer has paid lately.",
        "payer_count_30d >= 5 and amount_to_payer_max_30d >= 2",
        (_of("payer_count_30d") >= 5) & (_of("amount_to_payer_max_30d") >= 2),
    ),
    Rule(
        "AMOUNT_FAR_ABOVE_PAYEE_HISTORY",
        "amounts",
        "The amount is far above what the payee usually receives.",
        "payee_count_30d >= 5 and amount_to_payee_mean_30d >= 5",
        (_of("payee_count_30d") >= 5) & (_of("amount_to_payee_mean_30d") >= 5),
    ),
    Rule(
        "MANY_PAYERS_IN_A_DAY",
        "counterparties",
        "Many payers paid this payee within a day, unlike before.",
        "5 <= payee_distinct_payers_1d < payee_distinct_payers_30d <= 4/3 payee_distinct_payers_1d",
        (_of("payee_distinct_payers_1d") >= 5)
        & (_of("payee_distinct_payers_1d") < _of("payee_distinct_payers_30d"))
        & (_of("payee_distinct_payers_1d") * 4 >= _of("payee_distinct_payers_30d") * 3),
    ),
    Rule(
        "MANY_PAYEES_IN_A_DAY",
        "counterparties",
        "The payer paid many payees within a day, unlike before.",
        "5 <= payer_distinct_payees_1d < payer_distinct_payees_30d <= 4/3 payer_distinct_payees_1d",
        (_of("payer_distinct_payees_1d") >= 5)
        & (_of("payer_distinct_payees_1d") < _of("payer_distinct_payees_30d"))
        & (_of("payer_distinct_payees_1d") * 4 >= _of("payer_distinct_payees_30d") * 3),
    ),
    Rule(
        "BURST_OF_PAYMENTS",
        "activity",
        "The payer made many payments within an hour, unlike before.",
        "payer_count_1h >= 4 and 3 payer_count_1h >= payer_count_30d",
        (_of("payer_count_1h") >= 4) & (_of("payer_count_1h") * 3 >= _of("payer_count_30d")),
    ),
    Rule(
        "NIGHT_LARGE_AMOUNT",
        "time",
        "The payment was made at night and is large for the payer.",
        "1 <= hour_of_day <= 6 and payer_count_30d >= 3 and amount_to_payer_mean_30d >= 3",
        # Hour 0 is left out: sources that know only the day put everything there.
        _of("hour_of_day").is_between(1, 6)
        & (_of("payer_count_30d") >= 3)
        & (_of("amount_to_payer_mean_30d") >= 3),
    ),
    Rule(
        "ANOMALY_HIGH",
        "anomaly",
        "The transaction is unlike most others in many ways at once.",
        "anomaly_score >= 0.65",
        # Liu, Ting and Zhou 2008: ordinary rows score about 0.5 or less, anomalies well above.
        _of("anomaly_score") >= 0.65,
    ),
)
"""All rules, the strongest first; an alert lists its hits in this order."""


def applicable_rules(available_columns: Collection[str]) -> tuple[Rule, ...]:
    """The rules whose columns are all there; a feed without balances has no balance rules."""
    available = set(available_columns)
    return tuple(rule for rule in RULES if rule.columns <= available)


def rule_reasons(available_columns: Collection[str]) -> pl.Expr:
    """Expression: the codes of all rules that hit, strongest first, as List(String), never null.

    Args:
        available_columns: Columns of the frame that the expression will be used on.
    """
    hits = [
        pl.when(rule.condition).then(pl.lit(rule.code))
        for rule in applicable_rules(available_columns)
    ]
    if not hits:
        return pl.lit([], dtype=pl.List(pl.String)).alias("reasons")
    return pl.concat_list(hits).list.drop_nulls().alias("reasons")


def rule_hits(available_columns: Collection[str]) -> pl.Expr:
    """Expression: how many rules hit, as UInt32, never null; cheap on every row."""
    hits = [
        rule.condition.fill_null(False).cast(pl.UInt32)
        for rule in applicable_rules(available_columns)
    ]
    return (pl.sum_horizontal(hits) if hits else pl.lit(0)).cast(pl.UInt32).alias("rule_hits")
