"""Where the accounts of a ring stand in its drawing: a fixed place for each role of a pattern."""

import math
from collections.abc import Sequence

Place = tuple[float, float]
"""x and y, both from -1 to 1."""

LONGEST_ZIGZAG = 6
"""Accounts of a chain beyond which the labels of a zigzag would not lie apart."""

_MIDDLE = 0.0
_SIDE = 1.0


def ring_layout(
    pattern: str, accounts: Sequence[str], payments: Sequence[tuple[str, str]]
) -> dict[str, Place]:
    """Return a place for each account.

    Money runs from left to right: payers of a fan or gathering stand in a column on the left, the
    centre beside them, payees on the right; the intermediaries of a scatter-gather stand between
    source and sink. Cycles and clusters stand on a circle, clockwise from the top. A chain runs
    from left to right in a zigzag, so that its labels lie apart; one too long for that stands on a
    circle.

    Args:
        pattern: of `gpu_ops.ring_params.PATTERNS`.
        accounts: in the order that a ring table gives them.
        payments: payer and payee of each.
    """
    first, others = accounts[0], list(accounts[1:])
    if pattern == "fan_in":
        return {first: (_SIDE, _MIDDLE), **_column(others, -_SIDE)}
    if pattern == "fan_out":
        return {first: (-_SIDE, _MIDDLE), **_column(others, _SIDE)}
    if pattern == "gather_scatter":
        pays_in = {payer for payer, payee in payments if payee == first}
        left = [account for account in others if account in pays_in]
        right = [account for account in others if account not in pays_in]
        return {
            first: (_MIDDLE, _MIDDLE),
            **_column(left, -_SIDE),
            **_column(right, _SIDE),
        }
    if pattern == "scatter_gather":
        return {
            first: (-_SIDE, _MIDDLE),
            others[0]: (_SIDE, _MIDDLE),
            **_column(others[1:], _MIDDLE),
        }
    if pattern == "chain" and len(accounts) <= LONGEST_ZIGZAG:
        return _zigzag(accounts)
    return _circle(accounts)


def _zigzag(accounts: Sequence[str]) -> dict[str, Place]:
    """Return places from left to right, up and down by turns."""
    step = 2.0 / max(1, len(accounts) - 1)
    return {
        account: (-1.0 + k * step, 0.5 if k % 2 == 0 else -0.5)
        for k, account in enumerate(accounts)
    }


def _column(accounts: Sequence[str], x: float) -> dict[str, Place]:
    """Return places from top to bottom at one x."""
    n = len(accounts)
    step = 2.0 / max(1, n - 1)
    top = 1.0 if n > 1 else 0.0
    return {account: (x, top - k * step) for k, account in enumerate(accounts)}


def _circle(accounts: Sequence[str]) -> dict[str, Place]:
    """Return places clockwise from the top."""
    turn = 2.0 * math.pi / len(accounts)
    return {account: (math.sin(k * turn), math.cos(k * turn)) for k, account in enumerate(accounts)}
