"""Compiled counts of accounts' deeds as time goes on; import inside functions."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled


@compiled
def tallied(  # noqa: PLR0913, PLR0917 - what is kept is counted on in place
    account: NDArray[np.int32],
    moment: NDArray[np.int64],
    middle: NDArray[np.float64],
    width: NDArray[np.float64],
    count: NDArray[np.int64],
    first: NDArray[np.float64],
    gap: NDArray[np.float64],
    at_least: NDArray[np.float64],
    gaps: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Count deeds by account, and by moment the accounts that reach one, two, three and four.

    Args:
        account: Int32, (m,): of deeds in the order of time.
        moment: Int64, (m,): with which moment each is told.
        middle: Float64, (m,): payments of the feed up to the middle of its day.
        width: Float64, (m,): payments of its day.
        count: Int64, (accounts,): deeds so far, counted on.
        first: Float64, (accounts,): `middle` of the first, kept on.
        gap: Float64, (accounts,): payments between the first two, kept on.
        at_least: Float64, (moments, 4): counted on.
        gaps: Float64, (moments,): `gap` of accounts with just two deeds, summed up.

    Returns:
        Int64, (m,): deeds of the account before each.
    """
    earlier = np.empty(account.size, dtype=np.int64)
    for deed in range(account.size):
        one, when = account[deed], moment[deed]
        rank = count[one]
        earlier[deed] = rank
        if rank < at_least.shape[1]:
            at_least[when, rank] += 1.0
        if rank == 0:
            first[one] = middle[deed]
        elif rank == 1:
            # Two of one day: a third of its width.
            gap[one] = max(middle[deed] - first[one], width[deed] / 3.0)
            gaps[when] += gap[one]
        elif rank == 2:  # noqa: PLR2004 - the third of its account
            gaps[when] -= gap[one]
        count[one] += 1
    return earlier


@compiled
def counted(
    account: NDArray[np.int32], counts: NDArray[np.bool_], so_far: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many deeds of its account that count lie before each.

    Args:
        account: Int32, (m,): of deeds in the order of time.
        counts: Boolean, (m,).
        so_far: Int64, (accounts,): counted on.
    """
    earlier = np.empty(account.size, dtype=np.int64)
    for deed in range(account.size):
        earlier[deed] = so_far[account[deed]]
        so_far[account[deed]] += counts[deed]
    return earlier
