"""Compiled loops over account graphs; import it inside functions, since numba is slow to load."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled


@compiled
def smallest_members(
    source: NDArray[np.int32], target: NDArray[np.int32], n_nodes: int
) -> NDArray[np.int32]:
    """Return for each node the smallest node of its weakly connected component.

    Union-find with path halving; the smaller root always wins, so that the label does not depend
    on the order of the edges (Tarjan and van Leeuwen, 1984, without ranks).
    """
    parent = np.arange(n_nodes, dtype=np.int32)
    for k in range(source.size):
        a, b = source[k], target[k]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b
    # A parent is never larger than its child: one ascending pass reaches every root.
    for node in range(n_nodes):
        parent[node] = parent[parent[node]]
    return parent
