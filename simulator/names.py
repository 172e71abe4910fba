"""Identifiers: what an account or a transaction is called says nothing about what it does."""

from typing import Final

import numpy as np
import polars as pl

from simulator.population import Places

_NUMBERS: Final = 900_000_000
_STEP: Final = 611_953_003
"""Coprime to `_NUMBERS`, so that multiples of it visit every number once."""


def account_names(rng: np.random.Generator, places: Places) -> pl.Series:
    """A name for each account: C for customers, M merchants, A agents, E employers, B banks."""
    offset = int(rng.integers(0, _NUMBERS))
    numbers = 100_000_000 + (np.arange(places.accounts, dtype=np.int64) * _STEP + offset) % _NUMBERS
    letters = pl.Series(
        np.repeat(
            np.array(list("CMAEB")),
            [places.customers, places.merchants, places.agents, places.employers, places.banks],
        ),
        dtype=pl.String,
    )
    return letters + pl.Series(numbers).cast(pl.String)


def transaction_ids(size: int) -> pl.Series:
    """`size` identifiers that sort in the order given."""
    return pl.Series(["T"], dtype=pl.String).new_from_index(0, size) + pl.Series(
        np.arange(1_000_000_001, 1_000_000_001 + size)
    ).cast(pl.String)
