"""Reasons: why a transaction or a ring is shown to an analyst, as stable codes with plain texts.

A transaction is named by the rules that it hits (`gpu_ops.rules`) and by what moved the model's
score; a ring by its pattern.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.contributions import grouped
from gpu_ops.ring_params import PATTERNS
from gpu_ops.rules import RULES, Rule, applicable_rules, rule_hits, rule_reasons

__all__ = [
    "REASONS",
    "REASONS_VERSION",
    "RULES",
    "Rule",
    "applicable_rules",
    "model_reason_of",
    "model_reasons",
    "reason_table",
    "ring_reason",
    "rule_hits",
    "rule_reasons",
]

REASONS_VERSION: Final = 2
"""Rises with every change of the codes. A code that was published keeps its meaning forever."""

_RINGS: Final = {
    "RING_FAN_IN": "Many accounts pay one account that they hardly ever pay otherwise.",
    "RING_FAN_OUT": "One account pays many accounts that it hardly ever pays otherwise.",
    "RING_CYCLE": "Money comes back through other accounts to where it started.",
    "RING_SCATTER_GATHER": "Money is split over several accounts and comes together again.",
    "RING_GATHER_SCATTER": "Money of many accounts comes together and is spread again.",
    "RING_CHAIN": "Money is passed on from account to account soon after it came in.",
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
    "MODEL_PAYER_LABELS": ("labels", "The model weighs earlier confirmed fraud of this payer."),
    "MODEL_PAYEE_LABELS": ("labels", "The model weighs earlier confirmed fraud at this payee."),
    "MODEL_PAIR_LABELS": (
        "labels",
        "The model weighs earlier confirmed fraud between payer and payee.",
    ),
    "MODEL_PAYER_FLOWS": (
        "flows",
        "The model finds suspicious how the payer passes on what it received.",
    ),
    "MODEL_PAYEE_FLOWS": (
        "flows",
        "The model finds suspicious how the payee passes on what it received.",
    ),
    "MODEL_PAYER_BALANCE": ("balances", "The model finds the payer's balance suspicious."),
    "MODEL_PAYEE_BALANCE": ("balances", "The model finds the payee's balance suspicious."),
    "MODEL_KIND": ("kind", "The model finds this kind of transaction suspicious."),
    "MODEL_PAYER_TIME": ("time", "The model weighs when the payer usually pays."),
    "MODEL_PAYEE_TIME": ("time", "The model weighs when the payee is usually paid."),
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
    *(
        ((f"{who}_known", f"{who}_label", f"{who}_unexplained", f"{who}_time_since_known"), code)
        for who, code in (
            ("payer", "MODEL_PAYER_LABELS"),
            ("payee", "MODEL_PAYEE_LABELS"),
            ("pair", "MODEL_PAIR_LABELS"),
        )
    ),
    (
        (
            "payer_received",
            "payer_time_since_received",
            "payer_pass_through",
            "amount_to_payer_received",
        ),
        "MODEL_PAYER_FLOWS",
    ),
    (("payee_sent", "payee_time_since_sent", "payee_pass_through"), "MODEL_PAYEE_FLOWS"),
    (("payer_distinct", "is_first_time_counterparty"), "MODEL_PAYER_COUNTERPARTIES"),
    (("payee_distinct",), "MODEL_PAYEE_COUNTERPARTIES"),
    (
        ("payer_amount", "payer_round", "payer_spending", "amount_to_payer"),
        "MODEL_PAYER_AMOUNTS",
    ),
    (("payee_amount", "payee_round", "payee_income", "amount_to_payee"), "MODEL_PAYEE_AMOUNTS"),
    (
        ("payer_count", "payer_time_since_last", "payer_account_age", "is_first_of_payer"),
        "MODEL_PAYER_ACTIVITY",
    ),
    (
        ("payee_count", "payee_time_since_last", "payee_account_age", "is_first_of_payee"),
        "MODEL_PAYEE_ACTIVITY",
    ),
    (("payer_night", "payer_weekend"), "MODEL_PAYER_TIME"),
    (("payee_night", "payee_weekend"), "MODEL_PAYEE_TIME"),
    (("pair_", "amount_to_pair"), "MODEL_PAIR_HISTORY"),
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
    codes, sums = grouped(contributions, columns, family_of)
    order = np.argsort(-sums, axis=1, kind="stable")[:, :most]
    return [
        [codes[group] for group in groups if row[group] > 0.0]
        for row, groups in zip(sums, order, strict=True)
    ]
