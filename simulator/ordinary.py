"""Ordinary traffic: people with habits, salaries, home merchants and regular counterparties."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.amounts import KIND_SHARES, amount_cents
from simulator.calendar import ordinary_seconds, payday_seconds
from simulator.payments import KIND_CODE, Payments, plain_payments
from simulator.population import SLOTS, Population, drawn

_SLOT_SHARES: Final = np.array([0.5, 0.25, 0.15, 0.1])
_CHANCE_SHARE: Final = {"payment": 0.2, "transfer": 0.15, "cash_out": 0.2, "cash_in": 0.2}
_STANDING_SHARE: Final = 0.15
_SALARY_SHARE: Final = 0.35
_SALARY_PERIOD_DAYS: Final = 15
_OF_PERSON: Final = 0.5
_OF_HABIT: Final = 0.4


def ordinary_payments(
    rng: np.random.Generator, population: Population, rows: int, days: int
) -> Payments:
    """`rows` legitimate payments in `days` days.

    The amount of a payment comes from a standard normal score made of the person (a quarter of its
    variance), the habit with this counterparty (16 %) and chance. Standing orders and salaries have
    no chance part: the same amount comes again and again.
    """
    customer = np.repeat(
        np.arange(population.places.customers), rng.multinomial(rows, population.activity)
    )
    names = tuple(KIND_SHARES)
    code = drawn(rng, np.array([KIND_SHARES[name] for name in names]), rows)
    slot = drawn(rng, _SLOT_SHARES, rows)
    second = ordinary_seconds(rng, rows, days, population.shift_hours[customer])
    payer, payee = customer.copy(), np.empty(rows, dtype=np.int64)
    cents = np.empty(rows, dtype=np.int64)
    kind = np.empty(rows, dtype=np.int8)
    for place, name in enumerate(names):
        rows_of = np.flatnonzero(code == place)
        who, which = customer[rows_of], slot[rows_of]
        chance = rng.random(len(rows_of)) < _CHANCE_SHARE.get(name, 0.0)
        standing = ~chance & (rng.random(len(rows_of)) < _STANDING_SHARE)
        other = _counterparty(rng, population, name, who, which, chance=chance)
        if name == "cash_in":
            salary, day = _salaries(rng, population, who, days)
            which = np.where(salary, SLOTS - 1, which)
            other = np.where(salary, population.employer[who], other)
            standing = salary
            second[rows_of[salary]] = payday_seconds(rng, day[salary])
            payer[rows_of], payee[rows_of] = other, who
        else:
            payee[rows_of] = other
        habit = population.habit[who, place, which].astype(np.float64)
        cents[rows_of] = amount_cents(
            name, _score(rng, population.spending[who], habit, chance=chance, standing=standing)
        )
        kind[rows_of] = KIND_CODE[name]
    return plain_payments(second=second, kind=kind, payer=payer, payee=payee, cents=cents)


def _score(
    rng: np.random.Generator,
    person: NDArray[np.float64],
    habit: NDArray[np.float64],
    *,
    chance: NDArray[np.bool_],
    standing: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Standard normal scores, shared between the person, the habit and chance."""
    free = np.where(chance, 0.0, _OF_HABIT)
    of_habit = np.where(standing, np.sqrt(1.0 - _OF_PERSON**2), free)
    # The squares sum to 1, so the score is standard normal.
    rest = np.where(standing, 0.0, np.sqrt(1.0 - _OF_PERSON**2 - free**2))
    return _OF_PERSON * person + of_habit * habit + rest * rng.standard_normal(len(person))


def _counterparty(
    rng: np.random.Generator,
    population: Population,
    kind: str,
    who: NDArray[np.int64],
    slot: NDArray[np.int64],
    *,
    chance: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The other side of each payment: a habit's, or a stranger where `chance` says so."""
    places = population.places
    size = len(who)
    if kind == "payment":
        stranger = places.first_merchant + drawn(rng, population.merchant_popularity, size)
        return np.where(chance, stranger, population.merchants[who, slot])
    if kind == "transfer":
        stranger = drawn(rng, population.customer_popularity, size)
        stranger = np.where(stranger == who, (stranger + 1) % places.customers, stranger)
        return np.where(chance, stranger, population.contacts[who, slot])
    if kind == "debit":
        return population.bank[who]
    stranger = places.first_agent + rng.integers(0, places.agents, size)
    return np.where(chance, stranger, population.agents[who, slot])


def _salaries(
    rng: np.random.Generator, population: Population, who: NDArray[np.int64], days: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which cash-ins (sorted by customer) are salaries, and the day of each.

    A customer's salaries come every 15 days from the payday on; those that the simulated days do
    not hold stay ordinary deposits.
    """
    salary = rng.random(len(who)) < _SALARY_SHARE
    paid = who[salary]
    nth = np.arange(len(paid)) - np.searchsorted(paid, paid)
    day = np.zeros(len(who), dtype=np.int64)
    day[salary] = population.payday[paid] + _SALARY_PERIOD_DAYS * nth
    return salary & (day < days), day
