"""Account take-over: a victim's balance goes to a mule, who takes it out in cash."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.calendar import DAY, HOUR
from simulator.payments import KIND_CODE, OF_BALANCE, OF_REFILLED_BALANCE, Payments
from simulator.population import Population, drawn

EVENTS_PER_MULE: Final = 3
"""How many take-overs share a mule on average, within `MULE_DAYS`."""
MULE_DAYS: Final = 12
"""For how long a mule is used."""

_LONGEST: Final = 13 * HOUR
"""From the first transfer to the last cash-out, at most."""


@dataclass(frozen=True)
class Scheme:
    """How money is moved on: one large transfer, or two, each followed by a cash-out.

    Attributes:
        fraud: Whether the payments are fraud.
        twice: Share of the events with two transfers.
        whole: Share of the transfers that take the balance to the last cent.
        least: Smallest share of the balance that a last transfer takes.
        gap_minutes: Median time from transfer to cash-out.
        longest_gap: Longest such time, in seconds.
        kept: Largest share of a transfer that is not taken out again.
    """

    fraud: bool
    twice: float
    whole: float
    least: float
    gap_minutes: float
    longest_gap: int
    kept: float


TAKEOVER: Final = Scheme(
    fraud=True,
    twice=0.3,
    whole=0.35,
    least=0.55,
    gap_minutes=45.0,
    longest_gap=12 * HOUR,
    kept=0.2,
)
"""The crime."""
PURCHASE: Final = Scheme(
    fraud=False,
    twice=0.1,
    whole=0.15,
    least=0.4,
    gap_minutes=240.0,
    longest_gap=12 * HOUR,
    kept=0.7,
)
"""What it is easily mistaken for: a car or a deposit paid to a stranger, who takes cash out."""


def mules(rng: np.random.Generator, population: Population, events: int) -> NDArray[np.int64]:
    """Customers who lend their accounts, one for about `EVENTS_PER_MULE` events, none twice."""
    size = min(max(1, events // EVENTS_PER_MULE), population.places.customers // 4)
    chosen: NDArray[np.int64] = rng.choice(
        population.places.customers, size=size, replace=False, p=population.activity
    )
    return chosen


def takeovers(
    rng: np.random.Generator,
    population: Population,
    mule: NDArray[np.int64],
    events: int,
    days: int,
) -> Payments:
    """Fraud: `events` account take-overs, two payments each or four."""
    which = rng.integers(0, len(mule), events)
    last = days * DAY - _LONGEST
    first = rng.integers(0, last, len(mule))
    start = (first[which] + rng.exponential(MULE_DAYS * DAY / 3, events).astype(np.int64)) % last
    return _moved_on(rng, population, mule[which], start, TAKEOVER)


def purchases(rng: np.random.Generator, population: Population, events: int, days: int) -> Payments:
    """Legitimate look-alikes: `events` large transfers to a stranger who then takes cash out."""
    seller = drawn(rng, population.activity, events)
    evening = 22 * HOUR if days > 1 else DAY - _LONGEST
    start = rng.integers(0, max(1, days - 1), events) * DAY + rng.integers(
        7 * HOUR, evening, events
    )
    return _moved_on(rng, population, seller, start, PURCHASE)


def _moved_on(
    rng: np.random.Generator,
    population: Population,
    receiver: NDArray[np.int64],
    start: NDArray[np.int64],
    scheme: Scheme,
) -> Payments:
    """Transfers to each receiver at `start` and their cash-outs."""
    # The well-off are the targets, and those who use their account are the ones to be caught.
    sender = drawn(rng, population.activity * np.sqrt(population.reserve), len(receiver))
    sender = np.where(sender == receiver, (sender + 1) % population.places.customers, sender)
    twice = rng.random(len(receiver)) < scheme.twice
    first = _transfer_then_cash(rng, population, sender, receiver, start, scheme)
    first_share = np.where(
        np.repeat(twice, 2) & (first.basis < 0), rng.uniform(0.3, 0.6, len(first)), first.share
    )
    again = start[twice] + rng.integers(120, 1800, int(twice.sum()))
    second = _transfer_then_cash(rng, population, sender[twice], receiver[twice], again, scheme)
    return Payments(
        second=np.concatenate([first.second, second.second]),
        kind=np.concatenate([first.kind, second.kind]),
        payer=np.concatenate([first.payer, second.payer]),
        payee=np.concatenate([first.payee, second.payee]),
        cents=np.concatenate([first.cents, second.cents]),
        basis=np.concatenate(
            [
                first.basis,
                # The first transfer has already refilled the account.
                np.where(second.basis < 0, OF_BALANCE, second.basis + len(first)),
            ]
        ),
        share=np.concatenate([first_share, second.share]),
        fraud=np.concatenate([first.fraud, second.fraud]),
        ring=np.concatenate([first.ring, second.ring]),
        role=np.concatenate([first.role, second.role]),
    )


def _transfer_then_cash(
    rng: np.random.Generator,
    population: Population,
    sender: NDArray[np.int64],
    receiver: NDArray[np.int64],
    start: NDArray[np.int64],
    scheme: Scheme,
) -> Payments:
    """One transfer and one cash-out an event, in turn: places 2i and 2i + 1."""
    size = len(sender)
    gap = rng.lognormal(np.log(scheme.gap_minutes * 60.0), 0.9, size)
    gap_seconds = np.clip(gap, 300, scheme.longest_gap).astype(np.int64)
    agent = population.agents[receiver, rng.integers(0, population.agents.shape[1], size)]
    share = np.where(rng.random(size) < scheme.whole, 1.0, rng.uniform(scheme.least, 1.0, size))
    transfer = np.arange(size) * 2
    return Payments(
        second=_in_turn(start, start + gap_seconds),
        kind=np.tile(np.array([KIND_CODE["transfer"], KIND_CODE["cash_out"]], dtype=np.int8), size),
        payer=_in_turn(sender, receiver),
        payee=_in_turn(receiver, agent),
        cents=np.zeros(2 * size, dtype=np.int64),
        basis=_in_turn(np.full(size, OF_REFILLED_BALANCE, dtype=np.int64), transfer),
        share=np.stack([share, rng.uniform(1.0 - scheme.kept, 1.0, size)], axis=1).ravel(),
        fraud=np.full(2 * size, scheme.fraud),
        ring=np.full(2 * size, -1, dtype=np.int64),
        role=np.full(2 * size, -1, dtype=np.int8),
    )


def _in_turn(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([first, second], axis=1).ravel()
