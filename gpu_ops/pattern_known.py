"""What was known of each deed to a stranger before its day: the view of rings as known."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.pattern_deeds import DAY, MICROSECOND, NEVER, Deeds, held_side_of
from gpu_ops.pattern_learning import first_day
from gpu_ops.pattern_ordinary import View, flow_of, no_links
from gpu_ops.pattern_peers import Prior, Told, Traffic
from gpu_ops.pattern_state import ENDS
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.pattern_path_kernels import Links


def known_view(
    kept: pl.DataFrame, totals: pl.DataFrame, begin: int, n_accounts: int, params: RingParams
) -> View:
    """Return the deeds that rings completed from a moment on may hold, with what was known of each.

    These are all since a horizon before the moment and, of the accounts that pay or are paid from
    it on, what is kept of them; of a hub as much as it takes to tell it for one.

    Args:
        kept: `DEED_SCHEMA`, without the chains of the deeds from `begin` on.
        totals: `TOTAL_SCHEMA`.
        begin: microseconds: the start of a UTC day.
        n_accounts: number of all accounts.
        params: see `RingParams`.
    """
    at = kept["first_at"].dt.epoch("us").to_numpy()
    payer, payee = kept["payer"].to_numpy(), kept["payee"].to_numpy()
    wanted = at >= begin - params.horizon // MICROSECOND
    new = int(np.searchsorted(at, begin))
    for end, account in zip(ENDS, (payer, payee), strict=True):
        for rank in ("before", "unusual"):
            ranks = kept[f"{end}_{rank}"].to_numpy()
            earliest = np.full(n_accounts, NEVER)
            # Backwards: the first of the new ones stays.
            earliest[account[new:][::-1]] = ranks[new:][::-1]
            wanted |= ranks >= earliest[account] - params.hub_counterparties - 1
    used = np.flatnonzero(wanted)
    table = kept[used]
    deeds = Deeds(
        source=payer[used],
        target=payee[used],
        at=at[used],
        until=at[used] + params.burst // MICROSECOND + 1,
        amount=table["amount"].to_numpy(),
        n_accounts=n_accounts,
    )
    size = deeds.at.size
    since = table["since"].to_numpy()
    every, unusual = np.arange(size), np.flatnonzero(since == NEVER)
    paying, receiving, unusual_paying, unusual_receiving = (
        held_side_of(account, n_accounts, end, held, table[f"{ENDS[end]}_{before}"].to_numpy())
        for held, before in ((every, "before"), (unusual, "unusual"))
        for end, account in enumerate((deeds.source, deeds.target))
    )
    traffic = Traffic.of_totals(totals)
    number = table["number"].to_numpy()
    return View(
        known=True,
        deeds=deeds,
        flow=flow_of(
            deeds,
            traffic,
            number=number,
            again=np.full(size, NEVER),
            began=table["began"].to_numpy(),
            since=since,
            prior=known_prior(totals, traffic, deeds.at // DAY, params),
        ),
        paying=paying,
        receiving=receiving,
        unusual_paying=unusual_paying,
        unusual_receiving=unusual_receiving,
        log_amount=np.log1p(deeds.amount),
        variance=known_variance(totals, traffic, deeds.at // DAY),
        links=_known_links(table, number),
    )


def known_prior(
    totals: pl.DataFrame, traffic: Traffic, day: NDArray[np.int64], params: RingParams
) -> Prior:
    """Return what the days before each deed's tell of accounts.

    Args:
        totals: `TOTAL_SCHEMA`.
        traffic: of the same days.
        day: Int64, (m,): UTC day of each deed.
        params: see `RingParams`.
    """
    before = _before(totals, traffic, day)
    begin = first_day(totals, day) * DAY + params.learning // MICROSECOND
    learning = int(np.searchsorted(traffic.day, begin // DAY))
    taught = traffic.through[learning - 1] if learning else 0.0
    passed = np.maximum(before("payments") - taught, 0.0)
    rate = (before("deeds") + 1.0) / (passed + 1.0)
    shape, weight, fresh = np.ones((3, 2, day.size))
    for end, peers in enumerate((before("payers"), before("payees"))):
        told = Told(
            np.stack([before(f"{ENDS[end]}_at_least_{k}") for k in (1, 2, 3, 4)], axis=1),
            before(f"{ENDS[end]}_gaps"),
        )
        shape[end] = told.shapes(peers)
        weight[end] = shape[end] * peers / rate
        fresh[end] = told.fresh(passed)
    return Prior(shape, weight, fresh, np.maximum(before("accounts"), 1.0))


def known_variance(
    totals: pl.DataFrame, traffic: Traffic, day: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the variance of the logarithms of amounts on the days before each deed's."""
    before = _before(totals, traffic, day)
    count = np.maximum(before("deeds"), 1.0)
    mean = before("log_sum") / count
    variance: NDArray[np.float64] = np.maximum(before("log_squares") / count - mean**2, 0.0)
    return variance


def _before(
    totals: pl.DataFrame, traffic: Traffic, day: NDArray[np.int64]
) -> Callable[[str], NDArray[np.float64]]:
    """Return what tells a column of the totals as of the end of the day before each."""
    place = np.searchsorted(traffic.day, day)

    def of(name: str) -> NDArray[np.float64]:
        told: NDArray[np.float64] = np.r_[0.0, totals[name].cast(pl.Float64).to_numpy()][place]
        return told

    return of


def _known_links(table: pl.DataFrame, number: NDArray[np.int64]) -> "Links":
    """Return the chains of kept deeds, a deed before that is not among them as none."""
    links = no_links(table.height)
    earlier = table["chain_from"].fill_null(-1).to_numpy()
    place = np.searchsorted(number, earlier)
    is_held = (earlier >= 0) & (number[np.minimum(place, number.size - 1)] == earlier)
    links.earlier[is_held] = place[is_held]
    links.hop[:] = table["chain_nats"].fill_null(0.0)
    links.length[:] = table["chain_length"].fill_null(1)
    return links
