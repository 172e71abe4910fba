"""Reasons: why a transaction or a ring is shown to an analyst, as stable codes with plain texts.

Two sorts name a transaction: rules over its features, and what moved the model's score.
"""
# ruff: noqa: PLR2004 - a rule's thresholds stand in its condition and, beside it, in its formula

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.ring_params import PATTERNS


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
        "payee_known_frauds_30d_delay_7d >= 1 and payee_label_risk_30d_delay_7d >= 0.01",
        (_of("payee_known_frauds_30d_delay_7d") >= 1)
        & (_of("payee_label_risk_30d_delay_7d") >= 0.01),
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
        "payee_distinct_payers_1d >= 5 and 2 payee_distinct_payers_1d >= payee_distinct_payers_30d",
        (_of("payee_distinct_payers_1d") >= 5)
        & (_of("payee_distinct_payers_1d") * 2 >= _of("payee_distinct_payers_30d")),
    ),
    Rule(
        "MANY_PAYEES_IN_A_DAY",
        "counterparties",
        "The payer paid many payees within a day, unlike before.",
        "payer_distinct_payees_1d >= 5 and 2 payer_distinct_payees_1d >= payer_distinct_payees_30d",
        (_of("payer_distinct_payees_1d") >= 5)
        & (_of("payer_distinct_payees_1d") * 2 >= _of("payer_distinct_payees_30d")),
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
        "is_night and payer_count_30d >= 3 and amount_to_payer_mean_30d >= 3",
        (_of("is_night") == 1)
        & (_of("payer_count_30d") >= 3)
        & (_of("amount_to_payer_mean_30d") >= 3),
    ),
    Rule(
        "ANOMALY_HIGH",
        "anomaly",
        "The transaction is unlike most others in many ways at once.",
        "anomaly_score >= 0.6",
        # Liu, Ting and Zhou 2008: ordinary rows score below 0.5, clear anomalies well above.
        _of("anomaly_score") >= 0.6,
    ),
)
"""All rules, the strongest first; an alert lists its hits in this order."""

_RINGS: Final = {
    "RING_FAN_IN": "Many accounts pay one account within a short time.",
    "RING_FAN_OUT": "One account pays many accounts within a short time.",
    "RING_CYCLE": "Money comes back through other accounts to where it started.",
    "RING_SCATTER_GATHER": "Money is split over several accounts and comes together again.",
    "RING_GATHER_SCATTER": "Money of many accounts comes together and is spread again.",
    "RING_CLUSTER": "A group of accounts moves unusual amounts among themselves.",
}

_MODEL: Final = {
    "MODEL_AMOUNT": ("amounts", "The model finds the amount suspicious."),
    "MODEL_PAYER_AMOUNTS": ("amounts", "The model finds the amount suspicious for this payer."),
    "MODEL_PAYEE_AMOUNTS": ("amounts", "The model finds the amount suspicious for this payee."),
    "MODEL_PAYER_ACTIVITY": ("activity", "The model finds the payer's activity suspicious."),
    "MODEL_PAYEE_ACTIVITY": ("activity", "The model finds the payee's activity suspicious."),
    "MODEL_PAYER_COUNTERPARTIES": (
        "counterparties",
        "The model finds it suspicious whom the payer pays.",
    ),
    "MODEL_PAYEE_COUNTERPARTIES": (
        "counterparties",
        "The model finds it suspicious who pays this payee.",
    ),
    "MODEL_PAIR_HISTORY": (
        "counterparties",
        "The model finds the history between payer and payee suspicious.",
    ),
    "MODEL_PAYEE_LABELS": ("labels", "The model weighs earlier confirmed fraud at this payee."),
    "MODEL_PAYER_BALANCE": ("balances", "The model finds the payer's balance suspicious."),
    "MODEL_PAYEE_BALANCE": ("balances", "The model finds the payee's balance suspicious."),
    "MODEL_KIND": ("kind", "The model finds this kind of transaction suspicious."),
    "MODEL_TIME": ("time", "The model finds the time of the payment suspicious."),
    "MODEL_ANOMALY": ("anomaly", "The model weighs how unlike others the transaction is."),
    "MODEL_RINGS": ("rings", "The model weighs the suspected rings of payer or payee."),
    "MODEL_OTHER": ("other", "The model weighs something else about the transaction."),
}

REASONS: Final = MappingProxyType(
    {rule.code: rule.text for rule in RULES}
    | {code: text for code, (_, text) in _MODEL.items()}
    | _RINGS
)
"""Code to plain text, for every reason that an alert may carry."""


def reason_table() -> list[dict[str, str]]:
    """All reasons for the documentation: code, source, family, text and formula."""
    rules = [
        {
            "code": rule.code,
            "source": "rule",
            "family": rule.family,
            "text": rule.text,
            "formula": rule.formula,
        }
        for rule in RULES
    ]
    model = [
        {
            "code": code,
            "source": "model",
            "family": family,
            "text": text,
            "formula": "sum of the SHAP values of its features, if positive and among the largest",
        }
        for code, (family, text) in _MODEL.items()
    ]
    rings = [
        {"code": code, "source": "ring", "family": "rings", "text": text, "formula": "the pattern"}
        for code, text in _RINGS.items()
    ]
    return rules + model + rings


def ring_reason(pattern: str) -> str:
    """The code of a ring's pattern.

    Raises:
        ValueError: The pattern is unknown.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"{pattern!r} is no ring pattern; expected one of {', '.join(PATTERNS)}")
    return f"RING_{pattern.upper()}"


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


def any_rule(available_columns: Collection[str]) -> pl.Expr:
    """Expression: whether at least one rule hits, as Boolean, never null; cheap on every row."""
    hits = [rule.condition.fill_null(False) for rule in applicable_rules(available_columns)]
    return (pl.any_horizontal(hits) if hits else pl.lit(False)).alias("has_reason")


def model_reason_of(column: str) -> str:
    """The code of the model reason that a feature column belongs to: entity x feature family."""
    for starts, code in _PREFIXES:
        if column.startswith(starts):
            return code
    return "MODEL_OTHER"


_PREFIXES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    # The first match counts, so the narrower prefixes come first.
    (("payer_ring", "payee_ring"), "MODEL_RINGS"),
    (("payer_balance", "amount_to_payer_balance", "empties_payer"), "MODEL_PAYER_BALANCE"),
    (("payee_balance",), "MODEL_PAYEE_BALANCE"),
    (("payer_distinct",), "MODEL_PAYER_COUNTERPARTIES"),
    (("payee_distinct",), "MODEL_PAYEE_COUNTERPARTIES"),
    (("payee_known_frauds", "payee_label_risk"), "MODEL_PAYEE_LABELS"),
    (("payer_amount", "amount_to_payer"), "MODEL_PAYER_AMOUNTS"),
    (("payee_amount", "amount_to_payee"), "MODEL_PAYEE_AMOUNTS"),
    (("payer_count",), "MODEL_PAYER_ACTIVITY"),
    (("payee_count",), "MODEL_PAYEE_ACTIVITY"),
    (("pair_",), "MODEL_PAIR_HISTORY"),
    (("is_night", "is_weekend", "hour_of_day", "day_of_week"), "MODEL_TIME"),
    (("amount", "is_round_amount"), "MODEL_AMOUNT"),
    (("is_",), "MODEL_KIND"),
    (("anomaly",), "MODEL_ANOMALY"),
)


def model_reasons(
    contributions: NDArray[np.floating],
    columns: Sequence[str],
    family_of: Callable[[str], str] = model_reason_of,
    *,
    most: int = 3,
) -> list[list[str]]:
    """What raised the model's score of each row most, as codes, the strongest first.

    Contributions of the same code are summed, so that many small parts of one story count as one
    and opposite parts cancel; only positive sums are reasons.

    Args:
        contributions: SHAP values in log-odds without the bias, rows x columns.
        columns: Name of each column.
        family_of: Column to code.
        most: Most reasons a row.

    Raises:
        ValueError: The shapes do not agree.
    """
    if contributions.ndim != 2 or contributions.shape[1] != len(columns):  # noqa: PLR2004 - a table
        raise ValueError(
            f"contributions of shape {contributions.shape} do not fit {len(columns)} columns; "
            "expected rows x columns without the bias"
        )
    codes = sorted({family_of(column) for column in columns})
    place = {code: number for number, code in enumerate(codes)}
    grouping = np.zeros((len(columns), len(codes)))
    grouping[np.arange(len(columns)), [place[family_of(column)] for column in columns]] = 1.0
    sums = np.nan_to_num(contributions.astype(np.float64)) @ grouping
    order = np.argsort(-sums, axis=1, kind="stable")[:, :most]
    return [
        [codes[group] for group in groups if row[group] > 0.0]
        for row, groups in zip(sums, order, strict=True)
    ]
