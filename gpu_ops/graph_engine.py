"""The graph algorithms behind the account features, and the CPU's way to run them."""

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pairs import pair_keys, pairs_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DAMPING: Final = 0.85
TOLERANCE: Final = 1e-6
_MAX_ITERATIONS: Final = 200


class GraphConvergenceError(RuntimeError):
    """PageRank did not settle within its iterations."""


class GraphEngine(Protocol):
    """Where graph algorithms run; nodes are 0..n-1, edges are int32 arrays without self-loops."""

    def components(
        self, source: NDArray[np.int32], target: NDArray[np.int32], n_nodes: int
    ) -> NDArray[np.int32]:
        """Return for each node the smallest node of its weakly connected component."""

    def pagerank(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
    ) -> NDArray[np.float64]:
        """Return each node's PageRank; the sum is 1."""

    def communities(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
        resolution: float,
        seed: int,
    ) -> NDArray[np.int32]:
        """Return a community label (0..n-1, gaps allowed) for each node, of the undirected graph.

        The same input gives the same labels on one engine; two engines agree in quality
        (modularity), not in labels.
        """


class CpuGraphEngine:
    """Numba for components, SciPy for PageRank, graspologic-native for communities."""

    def components(
        self, source: NDArray[np.int32], target: NDArray[np.int32], n_nodes: int
    ) -> NDArray[np.int32]:
        """Return for each node the smallest node of its weakly connected component."""
        from gpu_ops.graph_kernels import smallest_members

        return smallest_members(source, target, n_nodes)

    def pagerank(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
    ) -> NDArray[np.float64]:
        """Return each node's PageRank by power iteration; the sum is 1.

        A node passes 85 % of its rank on, in proportion to its edges' weights; the rest, and all
        of a node that pays nobody, goes to every node alike (Page, Brin, Motwani and Winograd, The
        PageRank Citation Ranking, 1999). What goes to all alike only scales the solution, so the
        sparse system `y = 1 + 0.85 P' y` is iterated and normalised at the end (Del Corso, Gulli
        and Romani, Fast PageRank Computation via a Sparse Linear System, 2005): on payment graphs,
        where most money stops after a step or two, it settles in as many steps. It ends when a
        step changes less than 1e-6 of the whole.

        Raises:
            GraphConvergenceError: after 200 steps without settling.
        """
        from scipy.sparse import csr_array

        paid = np.bincount(source, weight, n_nodes)[source]
        share = np.divide(DAMPING * weight, paid, out=np.zeros_like(weight), where=paid > 0)
        passed_on = csr_array((share, (target, source)), shape=(n_nodes, n_nodes))
        rank = np.ones(n_nodes)
        for _ in range(_MAX_ITERATIONS):
            following = passed_on @ rank + 1.0
            total = following.sum()
            if np.abs(following - rank).sum() < TOLERANCE * total:
                settled: NDArray[np.float64] = following / total
                return settled
            rank = following
        raise GraphConvergenceError(f"PageRank still moves after {_MAX_ITERATIONS} steps")

    def communities(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
        resolution: float,
        seed: int,
    ) -> NDArray[np.int32]:
        """Return Leiden communities; a node with one neighbour joins that neighbour's.

        In the partition of greatest modularity such leaves sit with their neighbour (Brandes et
        al., On Modularity Clustering, 2008), so the search runs without them: all leaves of a node
        become one, as heavy as they were together, which leaves modularity as it was (after
        Arenas et al., Size reduction of complex networks preserving modularity, 2007). On payment
        graphs most nodes are leaves. One pass only: what hangs by two edges from a community need
        not belong to it. Source of the search: Traag, Waltman and van Eck, From Louvain to Leiden
        (2019).
        """
        from scipy.sparse import coo_array

        low, high, weight = undirected_edges(source, target, weight)
        neighbours = np.bincount(low, minlength=n_nodes) + np.bincount(high, minlength=n_nodes)
        is_leaf = neighbours == 1
        label = np.arange(n_nodes, dtype=np.int32)
        low_hangs, high_hangs = is_leaf[low], is_leaf[high]
        # Of two leaves that only know each other, the smaller stays as their centre.
        label[high[high_hangs]] = low[high_hangs]
        low_only = low_hangs & ~high_hangs
        label[low[low_only]] = high[low_only]

        inner = ~(low_hangs | high_hangs)
        kept = np.unique(np.concatenate([low[inner], high[inner]]))
        if kept.size == 0:
            return label
        hanging = np.zeros(n_nodes)
        np.add.at(hanging, low[high_hangs & ~low_hangs], weight[high_hangs & ~low_hangs])
        np.add.at(hanging, high[low_only], weight[low_only])
        burdened = np.flatnonzero(hanging[kept] > 0)
        pendants = kept.size + np.arange(burdened.size)
        rows = np.concatenate([np.searchsorted(kept, low[inner]), burdened])
        columns = np.concatenate([np.searchsorted(kept, high[inner]), pendants])
        values = np.concatenate([weight[inner], hanging[kept][burdened]])
        size = kept.size + burdened.size
        upper = coo_array((values, (rows, columns)), shape=(size, size)).tocsr()
        # Stars that touch nothing else are left out of the search, not out of the total weight.
        share = float(values.sum() / weight.sum())
        found = _leiden(upper + upper.T, resolution * share, seed)[: kept.size]
        label[kept] = _smallest_of_group(kept, found)
        label[is_leaf] = label[label[is_leaf]]
        return label


def undirected_edges(
    source: NDArray[np.int32], target: NDArray[np.int32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return each unordered pair once, smaller node first, with the weight of both directions."""
    keys = pair_keys(np.minimum(source, target), np.maximum(source, target))
    unique, place = np.unique(keys, return_inverse=True)
    low, high = pairs_of(unique)
    return low, high, np.bincount(place, weight).astype(np.float64, copy=False)


def _leiden(adjacency: "csr_array", resolution: float, seed: int) -> NDArray[np.int64]:
    """Return the Leiden community of each node of a symmetric weight matrix."""
    from graspologic_native import leiden_csr

    adjacency.sort_indices()
    n_nodes = adjacency.shape[0]
    _, community_of = leiden_csr(
        adjacency.indptr.astype(np.int64),
        adjacency.indices.astype(np.int32),
        adjacency.data.astype(np.float64),
        n_nodes,
        resolution=resolution,
        seed=seed,
    )
    found = np.empty(n_nodes, dtype=np.int64)
    found[np.fromiter(community_of.keys(), np.int64, n_nodes)] = np.fromiter(
        community_of.values(), np.int64, n_nodes
    )
    return found


def _smallest_of_group(members: NDArray[np.int32], group: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for each of the ascending members the smallest one of its group."""
    _, first, place = np.unique(group, return_index=True, return_inverse=True)
    return members[first][place]
