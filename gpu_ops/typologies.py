"""Typologies: the names under which investigators know what a ring or a payment looks like.

Shapes are named as by Altman et al., Realistic Synthetic Financial Transactions for Anti-Money
Laundering Models (2023); their uses as in FATF, Professional Money Laundering (2018).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Typology:
    """A known way of fraud or laundering.

    Attributes:
        name: How investigators call it.
        use: What it is used for, as part of a sentence; no claim that it was.
    """

    name: str
    use: str


_FAN_IN: Final = Typology("fan-in", "collecting the money of many payers in one account")
_FAN_OUT: Final = Typology("fan-out", "spreading the money of one account over many")
_CHAIN: Final = Typology("pass-through chain", "moving money on at once so that its source is lost")

TYPOLOGIES: Final[Mapping[str, Typology]] = MappingProxyType(
    {
        "fan_in": _FAN_IN,
        "fan_out": _FAN_OUT,
        "cycle": Typology("cycle", "bringing money back to its owner with another story"),
        "scatter_gather": Typology(
            "scatter-gather", "splitting money over go-betweens and bringing it together again"
        ),
        "gather_scatter": Typology(
            "gather-scatter", "collecting money in one account and spreading it again"
        ),
        "chain": _CHAIN,
        "cluster": Typology("cluster", "moving money about within a closed group"),
    }
)
"""A ring's pattern to its typology."""

_OF_REASONS: Final[tuple[tuple[frozenset[str], Typology], ...]] = (
    (
        frozenset({"EMPTIES_ACCOUNT", "NEW_PAYEE_LARGE_AMOUNT"}),
        Typology("account takeover", "emptying a stranger's account in favour of a new payee"),
    ),
    (frozenset({"MANY_PAYERS_IN_A_DAY"}), _FAN_IN),
    (frozenset({"MANY_PAYEES_IN_A_DAY"}), _FAN_OUT),
    (
        frozenset({"MODEL_PAYER_FLOWS", "EMPTIES_ACCOUNT"}),
        Typology("pass-through account", "passing on at once what came in, as money mules do"),
    ),
)


def typology_of_reasons(reasons: Collection[str]) -> Typology | None:
    """The typology that a payment's reasons together point to; None where they point to none.

    The first that fits counts; a model's reason alone never does.
    """
    found = set(reasons)
    return next((one for codes, one in _OF_REASONS if codes <= found), None)
