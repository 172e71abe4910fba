"""A batch of payments as flat arrays: what every scenario adds to the simulation."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.canonical import KINDS

KIND_CODE: Final[dict[str, int]] = {kind: code for code, kind in enumerate(KINDS)}
"""Small integer of each kind: its place in `KINDS`."""

AS_GIVEN: Final = -1
"""`basis` of a payment whose amount is its `cents`."""
OF_REFILLED_BALANCE: Final = -2
"""`basis` of a payment of `share` of the payer's balance, first filled up to the reserve."""
OF_BALANCE: Final = -3
"""`basis` of a payment of `share` of the payer's balance as it stands."""


@dataclass(frozen=True)
class Payments:
    """Payments of one scenario, all arrays of one length, in no particular order.

    Attributes:
        second: Seconds since the start of the simulation.
        kind: Code of the kind, see `KIND_CODE`.
        payer: Account index.
        payee: Account index.
        cents: Amount in cents, where `basis` is `AS_GIVEN`.
        basis: What the amount is a share of: one of the constants above, or the index in this batch
            of an earlier payment.
        share: Factor on the basis; not used for `AS_GIVEN`.
        fraud: Whether the payment is fraud.
        ring: Number of the planted ring, -1 for none.
        role: What the payment does in its ring: an index of `simulator.rings.ROLES`, -1 for none.
    """

    second: NDArray[np.int64]
    kind: NDArray[np.int8]
    payer: NDArray[np.int64]
    payee: NDArray[np.int64]
    cents: NDArray[np.int64]
    basis: NDArray[np.int64]
    share: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    ring: NDArray[np.int64]
    role: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.second)

    def in_order_of_time(self) -> "Payments":
        """The same payments sorted by time, with `basis` pointing at the new places."""
        order = np.argsort(self.second, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        columns = {field.name: getattr(self, field.name)[order] for field in fields(self)}
        basis = columns["basis"]
        columns["basis"] = np.where(basis >= 0, place[np.maximum(basis, 0)], basis)
        return Payments(**columns)


def plain_payments(
    *,
    second: NDArray[np.int64],
    kind: NDArray[np.int8],
    payer: NDArray[np.int64],
    payee: NDArray[np.int64],
    cents: NDArray[np.int64],
) -> Payments:
    """Legitimate payments of given amounts."""
    size = len(second)
    return Payments(
        second=second,
        kind=kind,
        payer=payer,
        payee=payee,
        cents=cents,
        basis=np.full(size, AS_GIVEN, dtype=np.int64),
        share=np.zeros(size),
        fraud=np.zeros(size, dtype=np.bool_),
        ring=np.full(size, -1, dtype=np.int64),
        role=np.full(size, -1, dtype=np.int8),
    )


def joined(batches: Sequence[Payments]) -> Payments:
    """All batches as one, with `basis` shifted to the joined places."""
    starts = np.cumsum([0, *(len(batch) for batch in batches)])
    columns = {
        field.name: np.concatenate([getattr(batch, field.name) for batch in batches])
        for field in fields(Payments)
    }
    columns["basis"] = np.concatenate(
        [
            np.where(batch.basis >= 0, batch.basis + start, batch.basis)
            for batch, start in zip(batches, starts, strict=False)
        ]
    )
    return Payments(**columns)
