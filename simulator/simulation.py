"""`simulate`: a whole table of canonical transactions and the truth about its rings."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.canonical import CANONICAL_SCHEMA, KINDS, UTC_MICROSECONDS
from simulator.calendar import DAY
from simulator.names import account_names, transaction_ids
from simulator.ordinary import ordinary_payments
from simulator.payments import Payments, joined
from simulator.population import Places, Population, populate
from simulator.rings import PATTERNS, ROLES, ring_payments, ring_shapes
from simulator.takeover import mules, purchases, takeovers

if TYPE_CHECKING:
    from simulator.ledger import Settled

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Every simulation starts on this Monday."""
CURRENCY: Final = "EUR"
"""The one currency of a simulation."""
FRAUD_SHARE: Final = 0.0018
"""Share of fraud rows, as long as the rings leave room for take-overs (published PaySim: 0.129 %,
the PaySim run of `AMOUNT_QUANTILES`: 0.181 %)."""
LEAST_TAKEOVER_SHARE: Final = 0.0008
"""Share of take-over rows however many rings there are."""
FRAUD_KNOWN_DAYS: Final = 4
"""Median time until a fraud is reported and confirmed."""
LEGITIMATE_KNOWN_DAYS: Final = 7
"""A payment that nobody has complained about by then counts as legitimate."""

TRUTH_SCHEMA: Final[dict[str, pl.DataType]] = {
    "ring_id": pl.String(),
    "pattern": pl.String(),
    "transaction_id": pl.String(),
    "payer_id": pl.String(),
    "payee_id": pl.String(),
    "role": pl.String(),
}
"""Columns of a truth table, one row a ring transaction."""

_ROWS_PER_TAKEOVER: Final = 2.6
_FEWEST_ROWS: Final = 10
_FEWEST_DAYS: Final = 1
_LARGEST_RING_SHARE: Final = 0.2
_FEWEST_ORDINARY_PAYMENTS: Final = 3


@dataclass(frozen=True)
class Simulation:
    """What `simulate` makes.

    Attributes:
        transactions: Canonical transactions in order of time (`CANONICAL_SCHEMA`).
        truth: The planted rings (`TRUTH_SCHEMA`), by ring and time.
    """

    transactions: pl.DataFrame
    truth: pl.DataFrame


def simulate(*, rows: int, days: int, rings: int, seed: int) -> Simulation:
    """A table of PaySim-shaped transactions with take-over fraud and planted rings.

    Args:
        rows: Number of transactions, exactly; at least 10.
        days: Days from 2024-01-01 that they cover; at least 1.
        rings: Number of planted rings, dealt out evenly to the five patterns.
        seed: Same arguments, same tables.

    Returns:
        The transactions and the truth about the rings.

    Raises:
        ValueError: An argument is out of range, or the rings need more rows or people than there
            are.
    """
    _check(rows, days, rings, seed)
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(5)]
    population = populate(streams[0], rows, days)
    payments = _payments(streams[1], streams[2], population, rows=rows, days=days, rings=rings)
    # Imported here: it loads numba.
    from simulator.ledger import settle

    settled = settle(streams[3], population, payments)
    return _tables(streams[4], population.places, payments, settled)


def _check(rows: int, days: int, rings: int, seed: int) -> None:
    for name, value, least in (
        ("rows", rows, _FEWEST_ROWS),
        ("days", days, _FEWEST_DAYS),
        ("rings", rings, 0),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


def _payments(
    rng: np.random.Generator,
    ring_rng: np.random.Generator,
    population: Population,
    *,
    rows: int,
    days: int,
    rings: int,
) -> Payments:
    """Exactly `rows` payments of all scenarios, in order of time."""
    shapes = ring_shapes(ring_rng, rings)
    planted = sum(len(shape.payer) for shape in shapes)
    if planted > rows * _LARGEST_RING_SHARE:
        raise ValueError(
            f"{rings} rings have {planted} transactions, more than {_LARGEST_RING_SHARE:.0%} of "
            f"{rows} rows: simulate more rows or fewer rings"
        )
    room = max(rows * FRAUD_SHARE - planted, rows * LEAST_TAKEOVER_SHARE)
    events = max(1, round(room / _ROWS_PER_TAKEOVER))
    mule = mules(rng, population, events)
    scenarios = [
        takeovers(rng, population, mule, events, days),
        purchases(rng, population, events, days),
    ]
    rest = rows - planted - sum(len(scenario) for scenario in scenarios)
    ordinary = ordinary_payments(rng, population, rest, days)
    if shapes:
        eligible = _ordinary_people(ordinary, population.places, mule)
        scenarios.append(ring_payments(ring_rng, shapes, eligible, days))
    return joined([ordinary, *scenarios]).in_order_of_time()


def _ordinary_people(
    ordinary: Payments, places: Places, mule: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Customers who make a few ordinary payments and are no mules: a ring hides in them."""
    made = np.bincount(ordinary.payer, minlength=places.accounts)[: places.customers]
    made[mule] = 0
    return np.flatnonzero(made >= _FEWEST_ORDINARY_PAYMENTS)


def _tables(
    rng: np.random.Generator, places: Places, payments: Payments, settled: "Settled"
) -> Simulation:
    """The payments as canonical rows, and the truth."""
    names = account_names(rng, places)
    kinds = pl.Series(KINDS, dtype=pl.String)
    size = len(payments)
    start = int(START.timestamp())
    known = payments.second + label_delay_seconds(rng, payments.fraud)
    transactions = pl.DataFrame(
        {
            "transaction_id": transaction_ids(size),
            "occurred_at": _times(start + payments.second),
            "kind": kinds.gather(payments.kind.astype(np.uint32)),
            "amount": pl.Series(settled.cents) / 100.0,
            "currency": pl.repeat(CURRENCY, size, eager=True),
            "payer_id": names.gather(payments.payer),
            "payee_id": names.gather(payments.payee),
            "payer_balance_before": _balances(settled.payer_before),
            "payee_balance_before": _balances(settled.payee_before),
            "is_fraud": payments.fraud,
            "label_known_at": _times(start + known),
        }
    ).cast(CANONICAL_SCHEMA)  # type: ignore[arg-type] # a dict of instances is accepted
    return Simulation(transactions, _truth(transactions, payments))


def _truth(transactions: pl.DataFrame, payments: Payments) -> pl.DataFrame:
    """One row a ring transaction, by ring and time."""
    place = np.flatnonzero(payments.ring >= 0)
    ring = payments.ring[place]
    rows = transactions[place] if len(place) else transactions.clear()
    patterns = pl.Series(PATTERNS, dtype=pl.String)
    roles = pl.Series(ROLES, dtype=pl.String)
    return (
        rows.select("transaction_id", "payer_id", "payee_id")
        .with_columns(
            number=pl.Series(ring, dtype=pl.Int64),
            pattern=patterns.gather(ring % len(PATTERNS)),
            role=roles.gather(payments.role[place].astype(np.uint32)),
        )
        .sort("number", maintain_order=True)
        .with_columns(
            ring_id=pl.lit("ring-") + pl.col("number").add(1).cast(pl.String).str.zfill(4)
        )
        .select(*TRUTH_SCHEMA)
    )


def label_delay_seconds(rng: np.random.Generator, fraud: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Time from a payment to its label: a few days for fraud, a fixed time for all else."""
    days = np.clip(rng.lognormal(np.log(FRAUD_KNOWN_DAYS), 0.6, len(fraud)), 0.25, 45.0)
    seconds = np.where(fraud, days, float(LEGITIMATE_KNOWN_DAYS)) * DAY
    return seconds.astype(np.int64)


def _times(seconds: NDArray[np.int64]) -> pl.Series:
    return pl.Series(seconds * 1_000_000, dtype=pl.Int64).cast(UTC_MICROSECONDS)


def _balances(cents: NDArray[np.int64]) -> pl.Series:
    """Balances in major units; null where there is none."""
    series = pl.Series("cents", cents)
    return pl.select(pl.when(series >= 0).then(series / 100.0)).to_series()
