"""What each day teaches of what is ordinary: counted on from what is kept, never counted again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.pairs import pair_keys
from gpu_ops.pattern_deeds import DAY, MICROSECOND, NEVER, Deeds, PaidDays, Payments
from gpu_ops.pattern_peers import Tally
from gpu_ops.pattern_state import ACCOUNT_SCHEMA, ENDS, TOTAL_SCHEMA, RingState
from gpu_ops.ring_params import RingParams
from gpu_ops.threads import in_parts


@dataclass(frozen=True)
class Later:
    """What is kept after further days, but for what they teach.

    Attributes:
        accounts: `ACCOUNT_SCHEMA`, new accounts included.
        came: Int64: UTC days on which these came.
        pairs: `PAIR_SCHEMA`.
        again: `PAIR_SCHEMA` of the pairs that paid on the days and before.
        days: `DAY_SCHEMA`.
    """

    accounts: pl.DataFrame
    came: NDArray[np.int64]
    pairs: pl.DataFrame
    again: pl.DataFrame
    days: pl.DataFrame


@dataclass(frozen=True)
class Learned:
    """What is known after further days.

    Attributes:
        accounts: `ACCOUNT_SCHEMA`.
        totals: `TOTAL_SCHEMA`.
        deeds: `DEED_SCHEMA` without the chains, of the new deeds alone.
    """

    accounts: pl.DataFrame
    totals: pl.DataFrame
    deeds: pl.DataFrame


def learned(state: RingState, later: Later, payments: Payments, params: RingParams) -> Learned:
    """Take in whole days.

    A deed is what a pair paid in its first burst: later payments are not to a stranger. What is
    told of it depends on what was before its day and, of its payer, on the day itself.

    Args:
        state: what was known before.
        later: what is kept after the days.
        payments: of the days.
        params: see `RingParams`.
    """
    from gpu_ops.pattern_peer_kernels import counted

    day, count = np.unique(payments.at // DAY, return_counts=True)
    grown = _Growth(state.totals, day)
    grown.add("payments", count)
    grown.add("accounts", grown.by_day(later.came))
    memory: dict[str, NDArray[Any]] = {
        name: later.accounts[name].to_numpy(writable=True)
        for name in ACCOUNT_SCHEMA
        if name != "account"
    }
    firsts = Deeds.of_first_bursts(payments, params.burst)
    met = pair_keys(later.again["payer"].to_numpy(), later.again["payee"].to_numpy())
    firsts = firsts.where(~np.isin(pair_keys(firsts.source, firsts.target), met))
    for name, flag, account in (
        ("payers", "pays", firsts.source),
        ("payees", "is_paid", firsts.target),
    ):
        unmet, where = np.unique(account, return_index=True)
        where = where[~memory[flag][unmet]]
        grown.add(name, grown.by_day(firsts.at[where] // DAY))
        memory[flag][unmet] = True
    begin = first_day(state.totals, day) * DAY + params.learning // MICROSECOND
    deeds, rhythmic, began = _unlearned(firsts, later, begin, params)
    since, unusual = _habits(state.deeds, deeds, rhythmic, begin, memory, params)
    moment = np.searchsorted(day, deeds.at // DAY)
    through = grown.of("payments")[moment].astype(np.float64)
    before = through - count[moment]
    log_amount = np.log1p(deeds.amount)
    grown.add("deeds", np.bincount(moment, minlength=day.size))
    grown.add("log_sum", np.bincount(moment, log_amount, day.size))
    grown.add("log_squares", np.bincount(moment, log_amount**2, day.size))
    ranks = {
        "out_unusual": unusual,
        "in_unusual": counted(deeds.target, since == NEVER, memory["in_unusual"]),
    }
    for end, account in zip(ENDS, (deeds.source, deeds.target), strict=True):
        tally = Tally(*(memory[f"{end}_{name}"] for name in ("deeds", "first", "gap")))
        told, ranks[f"{end}_before"] = tally.add(account, moment, day.size, before, through)
        for k in range(told.at_least.shape[1]):
            grown.add(f"{end}_at_least_{k + 1}", told.at_least[:, k])
        grown.add(f"{end}_gaps", told.gaps)
    number = np.arange(deeds.at.size)
    if state.totals.height:
        number += int(state.totals["deeds"][-1])
    return Learned(
        accounts=later.accounts.with_columns(
            pl.Series(name, values, ACCOUNT_SCHEMA[name]) for name, values in memory.items()
        ),
        totals=grown.table(),
        deeds=pl.DataFrame(
            {
                "number": number,
                "payer": deeds.source,
                "payee": deeds.target,
                "first_at": deeds.at,
                "amount": deeds.amount,
                "began": began,
                "since": since,
                **ranks,
            }
        ).cast({"first_at": UTC_MICROSECONDS}),
    )


def first_day(totals: pl.DataFrame, day: NDArray[np.int64]) -> int:
    """Return the UTC day of a feed's first payment, after further days."""
    return int(totals["day"].to_physical()[0]) if totals.height else int(day[0])


def _unlearned(
    firsts: Deeds,
    later: Later,
    begin: int,
    params: RingParams,
) -> tuple[Deeds, NDArray[np.int64], NDArray[np.bool_]]:
    """Return the deeds after learning, from when on each was of a rhythm, and which begin."""
    from gpu_ops.pattern_habit_kernels import Rhythm, rhythmic_since

    payers, local = np.unique(firsts.source, return_inverse=True)
    paid, counts = _days_of(payers, later, firsts.n_accounts)
    places = paid.places(local.astype(np.int32), firsts.at // DAY)
    rule = Rhythm(params.known_beats, params.rhythm_slack)
    since = in_parts(lambda part: rhythmic_since(paid.offset, paid.day, counts, part, rule), places)
    # The day that makes a rhythm known is over before a window may start.
    since = np.where(since == NEVER, NEVER, (np.minimum(since, NEVER // DAY - 1) + 1) * DAY - 1)
    kept = (firsts.at >= begin) & (since >= begin)
    deeds, since, places, local = firsts.where(kept), since[kept], places[kept], local[kept]
    # A payer of few payments before has no habit yet that it could depart from.
    paid_before = np.r_[0, np.cumsum(paid.count)]
    history = paid_before[places] - paid_before[paid.offset[local]]
    same_day = np.bincount(places, minlength=1)[places] if places.size else places
    began = (history < params.known_payments) & (same_day > 1)
    return deeds, since, began


def _habits(
    kept: pl.DataFrame,
    deeds: Deeds,
    rhythmic: NDArray[np.int64],
    begin: int,
    memory: dict[str, NDArray[np.int64]],
    params: RingParams,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when on deeds were to be expected, and how many of their payer's before not."""
    from gpu_ops.pattern_habit_kernels import habitual_since

    horizon = params.horizon // MICROSECOND
    at = kept["first_at"].dt.epoch("us").to_numpy()
    recent = np.arange(at.size)
    if deeds.at.size:
        recent = recent[np.searchsorted(at, deeds.at[0] - horizon) :]
    return habitual_since(
        np.r_[kept["payer"].to_numpy()[recent], deeds.source],
        np.r_[at[recent], deeds.at],
        np.r_[kept["since"].to_numpy()[recent], rhythmic],
        recent.size,
        begin,
        horizon,
        params.habit_per_horizon,
        memory["out_unusual"],
        memory["habit_first"],
        memory["habit_known"],
    )


def _days_of(
    payers: NDArray[np.int32], later: Later, n_accounts: int
) -> tuple[PaidDays, NDArray[np.int64]]:
    """Return the days of some payers and, for each, its payments and its deeds to strangers.

    Args:
        payers: Int32, ascending.
        later: what is kept.
        n_accounts: number of all accounts.
    """
    local = np.full(n_accounts, -1, dtype=np.int32)
    local[payers] = np.arange(payers.size)

    def of(payer: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        numbers = local[payer.to_numpy()]
        rows = np.flatnonzero(numbers >= 0)
        return rows, numbers[rows]

    rows, payer = of(later.days["payer"])
    day = later.days["day"].to_physical().gather(rows).cast(pl.Int64).to_numpy()
    count = later.days["n"].gather(rows).cast(pl.Int64).to_numpy()
    paid = PaidDays.kept(payer, day, count, payers.size)
    rows, payer = of(later.pairs["payer"])
    met = later.pairs["first_at"].gather(rows).dt.epoch("us").to_numpy() // DAY
    return paid, paid.counts(paid.places(payer, met))


class _Growth:
    """Running sums by day, carried on from those of the days before."""

    def __init__(self, totals: pl.DataFrame, day: NDArray[np.int64]) -> None:
        self._totals = totals
        self._day = day
        self._columns: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}

    def by_day(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of some days are each of the new ones."""
        return np.bincount(np.searchsorted(self._day, days), minlength=self._day.size)

    def add(self, name: str, values: NDArray[np.float64] | NDArray[np.int64]) -> None:
        """Sum up what each new day adds, on the last sum of before."""
        carried = self._totals[name][-1] if self._totals.height else 0
        self._columns[name] = np.cumsum(np.r_[carried, values])[1:]

    def of(self, name: str) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return the sums of the new days."""
        return self._columns[name]

    def table(self) -> pl.DataFrame:
        """Return the totals of all days."""
        new = pl.DataFrame({"day": self._day.astype(np.int32), **self._columns})
        new = new.select(*TOTAL_SCHEMA).cast(pl.Schema(TOTAL_SCHEMA))
        return pl.concat([self._totals, new], rechunk=True)
