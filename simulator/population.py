"""The people and places of a simulation, and the habits that tie them together."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.amounts import KIND_SHARES

PAYMENTS_PER_DAY: Final = 0.5
"""A customer makes one payment in two days on average,"""
FEWEST_PAYMENTS: Final = 6.0
"""and as many in a shorter simulation, so that there are habits in it."""
SLOTS: Final = 4
"""How many merchants, contacts and agents a customer keeps going back to."""

_FEWEST_CUSTOMERS: Final = 100
_CUSTOMERS_PER_MERCHANT: Final = 15
_CUSTOMERS_PER_AGENT: Final = 60
_CUSTOMERS_PER_EMPLOYER: Final = 80
_BANKS: Final = 12
_NEIGHBOURHOOD: Final = 30
_NEIGHBOUR_SHARE: Final = 0.7
_NIGHT_OWLS: Final = 0.06
_MEDIAN_RESERVE_CENTS: Final = 40_000_000
_RESERVE_SPREAD: Final = 1.3


@dataclass(frozen=True)
class Places:
    """Where each kind of account starts in the one numbering of accounts: customers come first."""

    customers: int
    merchants: int
    agents: int
    employers: int
    banks: int

    @property
    def first_merchant(self) -> int:
        """Index of the first merchant."""
        return self.customers

    @property
    def first_agent(self) -> int:
        """Index of the first cash agent."""
        return self.first_merchant + self.merchants

    @property
    def first_employer(self) -> int:
        """Index of the first employer."""
        return self.first_agent + self.agents

    @property
    def first_bank(self) -> int:
        """Index of the first bank."""
        return self.first_employer + self.employers

    @property
    def accounts(self) -> int:
        """Number of all accounts."""
        return self.first_bank + self.banks


@dataclass(frozen=True)
class Population:
    """Accounts and habits; arrays are by customer unless said otherwise.

    Attributes:
        places: Numbering of the accounts.
        activity: Share of the ordinary payments that a customer makes; sums to 1.
        spending: Standard normal score of how large a customer's payments are.
        habit: Standard normal score of each regular amount, customers x kinds x slots.
        merchants: Home merchants, customers x slots, most visited first.
        contacts: Regular counterparties of transfers, customers x slots.
        agents: Home agents for cash, customers x slots.
        employer: Who pays the salary.
        bank: Where debits go.
        payday: Day of the first salary, 0 to 14.
        shift_hours: How much later than most a customer's day runs.
        reserve: Balance to which money from outside the table fills an empty account, in cents.
        opening: Balance at the start, in cents.
        merchant_popularity: Share of the chance visits, by merchant.
        customer_popularity: Share of the chance transfers received.
    """

    places: Places
    activity: NDArray[np.float64]
    spending: NDArray[np.float64]
    habit: NDArray[np.float32]
    merchants: NDArray[np.int64]
    contacts: NDArray[np.int64]
    agents: NDArray[np.int64]
    employer: NDArray[np.int64]
    bank: NDArray[np.int64]
    payday: NDArray[np.int64]
    shift_hours: NDArray[np.int64]
    reserve: NDArray[np.int64]
    opening: NDArray[np.int64]
    merchant_popularity: NDArray[np.float64]
    customer_popularity: NDArray[np.float64]


def popularity(rng: np.random.Generator, size: int, exponent: float) -> NDArray[np.float64]:
    """Zipf-Mandelbrot shares `1 / (rank + 2.7) ** exponent`, ranks dealt out at random."""
    weights = 1.0 / (np.arange(size) + 2.7) ** exponent
    shares: NDArray[np.float64] = rng.permutation(weights / weights.sum())
    return shares


def drawn(
    rng: np.random.Generator, shares: NDArray[np.float64], size: int | tuple[int, ...]
) -> NDArray[np.int64]:
    """Indices drawn with the given shares, with replacement."""
    ends = np.cumsum(shares)
    found = np.searchsorted(ends, rng.random(size) * ends[-1], side="right")
    indices: NDArray[np.int64] = np.minimum(found, len(shares) - 1).astype(np.int64)
    return indices


def places_for(rows: int, days: int) -> Places:
    """How many accounts of each sort a table of this size needs."""
    often = max(PAYMENTS_PER_DAY * days, FEWEST_PAYMENTS)
    customers = max(_FEWEST_CUSTOMERS, round(rows / often))
    return Places(
        customers=customers,
        merchants=max(10, customers // _CUSTOMERS_PER_MERCHANT),
        agents=max(5, customers // _CUSTOMERS_PER_AGENT),
        employers=max(3, customers // _CUSTOMERS_PER_EMPLOYER),
        banks=_BANKS,
    )


def populate(rng: np.random.Generator, rows: int, days: int) -> Population:
    """A population whose ordinary traffic is about `rows` payments in `days` days."""
    places = places_for(rows, days)
    size = places.customers
    activity = rng.lognormal(0.0, 0.8, size)
    wealth = rng.standard_normal(size)
    reserve = _MEDIAN_RESERVE_CENTS * np.exp(_RESERVE_SPREAD * wealth)
    merchant_popularity = popularity(rng, places.merchants, 1.0)
    customer_popularity = popularity(rng, size, 0.6)
    return Population(
        places=places,
        activity=activity / activity.sum(),
        spending=0.6 * wealth + 0.8 * rng.standard_normal(size),
        habit=rng.standard_normal((size, len(KIND_SHARES), SLOTS), dtype=np.float32),
        merchants=places.first_merchant + drawn(rng, merchant_popularity, (size, SLOTS)),
        contacts=_contacts(rng, size, customer_popularity),
        agents=places.first_agent + rng.integers(0, places.agents, (size, SLOTS)),
        employer=places.first_employer + drawn(rng, popularity(rng, places.employers, 0.8), size),
        bank=places.first_bank + rng.integers(0, places.banks, size),
        payday=rng.integers(0, 15, size),
        shift_hours=np.where(
            rng.random(size) < _NIGHT_OWLS, rng.integers(8, 13, size), rng.integers(-2, 3, size)
        ),
        reserve=reserve.astype(np.int64),
        opening=(reserve * rng.random(size) * 2.0).astype(np.int64),
        merchant_popularity=merchant_popularity,
        customer_popularity=customer_popularity,
    )


def _contacts(
    rng: np.random.Generator, size: int, shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Regular counterparties: a partner who pays back, then neighbours and popular strangers."""
    own = np.arange(size)[:, None]
    step = rng.integers(1, _NEIGHBOURHOOD + 1, (size, SLOTS)) * rng.choice([-1, 1], (size, SLOTS))
    near = (own + step) % size
    far = drawn(rng, shares, (size, SLOTS))
    contacts = np.where(rng.random((size, SLOTS)) < _NEIGHBOUR_SHARE, near, far)
    # Customers 0 and 1, 2 and 3, ... are partners; the last of an odd number has none.
    partner = np.arange(size) ^ 1
    contacts[:, 0] = np.where(partner < size, partner, contacts[:, 0])
    return np.where(contacts == own, (contacts + 1) % size, contacts)
