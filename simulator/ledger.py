"""The ledger: one pass over the payments in order of time that keeps every customer's balance.

Imported lazily, since it loads numba.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulator.payments import AS_GIVEN, OF_BALANCE, OF_REFILLED_BALANCE, Payments
from simulator.population import Population

MOST_CENTS: Final = 1_000_000_000
"""Largest payment that is a share of a balance: PaySim's limit of 10,000,000 for a fraud."""
LEAST_CENTS: Final = 100
"""Smallest payment."""
EXACT_TOP_UPS: Final = 0.06
"""Share of the top-ups that bring just what the payment needs, so that it empties the account."""


@dataclass(frozen=True)
class Settled:
    """Amounts and balances, by payment.

    Attributes:
        cents: Amount in cents.
        payer_before: Payer's balance in cents before the payment; -1 where it is no customer.
        payee_before: Payee's likewise.
    """

    cents: NDArray[np.int64]
    payer_before: NDArray[np.int64]
    payee_before: NDArray[np.int64]


def settle(rng: np.random.Generator, population: Population, payments: Payments) -> Settled:
    """Amounts and balances of payments that are in order of time.

    A customer's balance is the one before, less what was paid, plus what was received. A payment
    that it does not cover is preceded by a top-up from outside the table (another bank, cash in
    hand), so that no customer ever pays more than the balance.
    """
    luck = rng.random(len(payments)) * 2.0
    luck[rng.random(len(payments)) < EXACT_TOP_UPS] = 0.0
    cents, payer_before, payee_before = _settle(
        payments.payer,
        payments.payee,
        payments.cents,
        payments.basis,
        payments.share,
        luck,
        population.opening.copy(),
        population.reserve,
    )
    return Settled(cents, payer_before, payee_before)


@njit(cache=True)
def _settle(  # noqa: PLR0913, PLR0917 - numba takes arrays, not objects
    payer: NDArray[np.int64],
    payee: NDArray[np.int64],
    given: NDArray[np.int64],
    basis: NDArray[np.int64],
    share: NDArray[np.float64],
    luck: NDArray[np.float64],
    balance: NDArray[np.int64],
    reserve: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Amounts and balances before, see `settle`; the accounts of `balance` are customers."""
    customers = len(balance)
    cents = given.copy()
    payer_before = np.full(len(payer), -1, np.int64)
    payee_before = np.full(len(payer), -1, np.int64)
    for row in range(len(payer)):
        source, target = payer[row], payee[row]
        if basis[row] == OF_REFILLED_BALANCE:
            balance[source] = max(balance[source], np.int64(reserve[source] * (0.2 + luck[row])))
        if basis[row] == OF_REFILLED_BALANCE or basis[row] == OF_BALANCE:
            cents[row] = np.int64(share[row] * balance[source])
        elif basis[row] != AS_GIVEN:
            cents[row] = np.int64(share[row] * cents[basis[row]])
        cents[row] = max(cents[row], LEAST_CENTS)
        if basis[row] != AS_GIVEN:
            cents[row] = min(cents[row], MOST_CENTS)
        if source < customers:
            if balance[source] < cents[row]:
                balance[source] = cents[row] + np.int64(reserve[source] * luck[row])
            payer_before[row] = balance[source]
            balance[source] -= cents[row]
        if target < customers:
            payee_before[row] = balance[target]
            balance[target] += cents[row]
    return cents, payer_before, payee_before
