"""How much money a case is about: money that is passed on is the same money."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, order=True)
class Movement:
    """A payment, in the order of time.

    Attributes:
        at: When, UTC.
        name: The payment's name, by which those of one moment are ordered.
        payer: Who pays.
        payee: Who is paid.
        amount: In major units.
        rate: What of each unit counts: 1, or the chance that it is lost.
    """

    at: datetime
    name: str
    payer: str
    payee: str
    amount: float
    rate: float = 1.0


def counted_once(movements: Iterable[Movement]) -> float:
    """Return the sum of amount x rate in which money that accounts pass on counts once.

    An account passes on what it received in these payments before it adds money from outside, what
    came first going out first (Clayton's Case, 1816, the rule of tracing money through accounts).
    Money counts by the highest rate of the payments that it went through: a mule's payment onward
    may tell what the payment to it did not. With rates of 1 this is the money that came in from
    outside, never less than the largest payment and never more than the sum of all.
    """
    held: dict[str, deque[tuple[float, float]]] = {}
    total = 0.0
    for one in sorted(movements):
        purse, passed = held.setdefault(one.payer, deque()), held.setdefault(one.payee, deque())
        left, moved = one.amount, []
        while left > 0.0 and purse:
            amount, rate = purse.popleft()
            if amount > left:
                purse.appendleft((amount - left, rate))
            part = min(amount, left)
            left -= part
            total += part * max(0.0, one.rate - rate)
            moved.append((part, max(rate, one.rate)))
        if left > 0.0:
            total += left * one.rate
            moved.append((left, one.rate))
        passed.extend(moved)
    return total
