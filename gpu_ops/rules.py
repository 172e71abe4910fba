"""Rules over a transaction: what makes it odd without any model, the project's own and analysts'.

Each is a condition in SQL (`gpu_ops.sql_condition`) over the columns of `gpu_ops.rule_columns`.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

import polars as pl

from gpu_ops.rule_columns import REFUSED_COLUMNS, RULE_COLUMNS
from gpu_ops.sql_condition import Condition, Row

MOST_WEIGHT: Final = 10


@dataclass(frozen=True)
class Rule:
    """A rule over the columns of one row.

    Attributes:
        code: Stable name; published alerts and verdicts refer to it.
        family: What it is about; see `reason_table`.
        text: What it tells an analyst, without its parameters' names.
        formula: The condition, in SQL; null, where a value is unknown, is no hit.
        weight: How many ordinary rules a hit counts for where no model ranks, 1 to 10.
        valid_from: First moment of the transactions that it looks at; None: no first.
        valid_until: First moment that it looks at no more; None: none.

    Raises:
        ConditionError: The condition cannot be used.
    """

    code: str
    family: str
    text: str
    formula: str
    weight: int = 1
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        _ = self.parsed

    @cached_property
    def parsed(self) -> Condition:
        """The condition alone, without the times between which it is valid."""
        return Condition.of(self.formula, RULE_COLUMNS, REFUSED_COLUMNS)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the rule reads."""
        is_limited = self.valid_from is not None or self.valid_until is not None
        return self.parsed.columns | ({"occurred_at"} if is_limited else set())

    @cached_property
    def condition(self) -> pl.Expr:
        """Boolean expression over a table; null is no hit."""
        found, at = self.parsed.expression, pl.col("occurred_at")
        if self.valid_from is not None:
            found &= at >= pl.lit(self.valid_from)
        if self.valid_until is not None:
            found &= at < pl.lit(self.valid_until)
        return found

    def hits(self, row: Row) -> bool:
        """Whether it hits a single row, as `condition` does in a table.

        Args:
            row: Values as the table has them: features in their own precision, `occurred_at` with
                its time zone.

        Raises:
            KeyError: The row lacks a column.
        """
        return self._is_valid(row) and self.parsed.of_row(row) is True

    def _is_valid(self, row: Row) -> bool:
        if self.valid_from is None and self.valid_until is None:
            return True
        at = row["occurred_at"]
        return (
            isinstance(at, datetime)
            and (self.valid_from is None or at >= self.valid_from)
            and (self.valid_until is None or at < self.valid_until)
        )

    @property
    def digest(self) -> str:
        """16 hex digits that change when it would hit other rows or count otherwise.

        The text and the way the condition is laid out do not matter.
        """
        told = (self.code, str(self.parsed), self.weight, self.valid_from, self.valid_until)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "PAYEE_RECENT_FRAUD",
        "labels",
        "Earlier payments to this payee were confirmed as fraud.",
        "payee_known_frauds_30d_delay_7d >= 1 AND payee_label_risk_30d_delay_7d >= 0.03",
    ),
    Rule(
        "PAYEE_IN_RING",
        "rings",
        "The payee is a member of a suspected ring.",
        "payee_ring_score >= 0.5",
    ),
    Rule(
        "PAYER_IN_RING",
        "rings",
        "The payer is a member of a suspected ring.",
        "payer_ring_score >= 0.5",
    ),
    Rule(
        "EMPTIES_ACCOUNT",
        "balances",
        "The payment takes nearly the whole balance of the payer.",
        # Beyond 1 the balance is not what the payment was made from.
        "amount_to_payer_balance BETWEEN 0.95 AND 1",
    ),
    Rule(
        "NEW_PAYEE_LARGE_AMOUNT",
        "amounts",
        "The payer has not paid this payee before, at least lately, and the amount is large for "
        "the payer.",
        "pair_count_30d = 0 AND payer_count_30d >= 3 AND amount_to_payer_mean_30d >= 3",
    ),
    Rule(
        "AMOUNT_FAR_ABOVE_PAYER_HISTORY",
        "amounts",
        "The amount is far above what the payer usually pays.",
        "payer_count_30d >= 3 AND amount_to_payer_mean_30d >= 5",
    ),
    Rule(
        "AMOUNT_ABOVE_PAYER_MAXIMUM",
        "amounts",
        "The amount is well above the largest that the payer has paid lately.",
        "payer_count_30d >= 5 AND amount_to_payer_max_30d >= 2",
    ),
    Rule(
        "AMOUNT_FAR_ABOVE_PAYEE_HISTORY",
        "amounts",
        "The amount is far above what the payee usually receives.",
        "payee_count_30d >= 5 AND amount_to_payee_mean_30d >= 5",
    ),
    Rule(
        "MANY_PAYERS_IN_A_DAY",
        "counterparties",
        "Many payers paid this payee within a day, unlike before.",
        "payee_distinct_payers_1d >= 5 AND payee_distinct_payers_1d < payee_distinct_payers_30d "
        "AND payee_distinct_payers_1d * 4 >= payee_distinct_payers_30d * 3",
    ),
    Rule(
        "MANY_PAYEES_IN_A_DAY",
        "counterparties",
        "The payer paid many payees within a day, unlike before.",
        "payer_distinct_payees_1d >= 5 AND payer_distinct_payees_1d < payer_distinct_payees_30d "
        "AND payer_distinct_payees_1d * 4 >= payer_distinct_payees_30d * 3",
    ),
    Rule(
        "BURST_OF_PAYMENTS",
        "activity",
        "The payer made many payments within an hour, unlike before.",
        "payer_count_1h >= 4 AND payer_count_1h * 3 >= payer_count_30d",
    ),
    Rule(
        "NIGHT_LARGE_AMOUNT",
        "time",
        "The payment was made at night and is large for the payer.",
        # Hour 0 is left out: sources that know only the day put everything there.
        "hour_of_day BETWEEN 1 AND 6 AND payer_count_30d >= 3 AND amount_to_payer_mean_30d >= 3",
    ),
    Rule(
        "ANOMALY_HIGH",
        "anomaly",
        "The transaction is unlike most others in many ways at once.",
        # Liu, Ting and Zhou 2008: ordinary rows score about 0.5 or less, anomalies well above.
        "anomaly_score >= 0.65",
    ),
)
"""The project's own rules, the strongest first; an alert lists its hits in this order."""


@dataclass(frozen=True)
class RuleSet:
    """The rules that look at the transactions of a feed.

    Attributes:
        own: Analysts' rules that count.
        shadow: Analysts' rules whose hits are counted and lead to nothing.
    """

    own: tuple[Rule, ...] = ()
    shadow: tuple[Rule, ...] = ()

    @property
    def active(self) -> tuple[Rule, ...]:
        """All rules whose hits are reasons: by weight, then as written, the project's own last."""
        return tuple(sorted((*self.own, *RULES), key=lambda rule: -rule.weight))

    @property
    def digest(self) -> str:
        """Changes when analysts' rules would hit other rows or count otherwise; empty without."""
        if not self.own:
            return ""
        told = ",".join(sorted(rule.digest for rule in self.own))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def applicable_rules(
    available_columns: Collection[str], rules: Sequence[Rule] = RULES
) -> tuple[Rule, ...]:
    """The rules whose columns are all there; a feed without balances has no balance rules."""
    available = set(available_columns)
    return tuple(rule for rule in rules if rule.columns <= available)


def rule_reasons(available_columns: Collection[str], rules: Sequence[Rule] = RULES) -> pl.Expr:
    """Expression: the codes of all rules that hit, strongest first, as List(String), never null.

    Args:
        available_columns: Columns of the frame that the expression will be used on.
        rules: The rules, strongest first.
    """
    hits = [
        pl.when(rule.condition).then(pl.lit(rule.code))
        for rule in applicable_rules(available_columns, rules)
    ]
    if not hits:
        return pl.lit([], dtype=pl.List(pl.String)).alias("reasons")
    return pl.concat_list(hits).list.drop_nulls().alias("reasons")


def rule_hits(available_columns: Collection[str], rules: Sequence[Rule] = RULES) -> pl.Expr:
    """Expression: the weights of all rules that hit, summed, as UInt32, never null.

    It is cheap on every row. The project's own rules weigh 1 each.
    """
    hits = [
        rule.condition.fill_null(False).cast(pl.UInt32) * rule.weight
        for rule in applicable_rules(available_columns, rules)
    ]
    return (pl.sum_horizontal(hits) if hits else pl.lit(0)).cast(pl.UInt32).alias("rule_hits")
