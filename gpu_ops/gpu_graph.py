"""The graph algorithms on a GPU, by cuGraph's Python bindings without cuDF and Dask."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_ops.engine import Engine
from gpu_ops.gpu_calls import (
    ARANGE,
    COMPONENTS,
    GRAPH,
    GRAPH_PROPERTIES,
    LEIDEN,
    NOT_CONVERGED,
    PAGERANK,
    RESOURCE_HANDLE,
    TO_DEVICE,
    TO_HOST,
    DeviceArray,
    Opaque,
)
from gpu_ops.gpu_driver import require_gpu
from gpu_ops.gpu_memory import GpuMemoryError, is_memory_error
from gpu_ops.graph_engine import (
    DAMPING,
    TOLERANCE,
    CpuGraphEngine,
    GraphConvergenceError,
    GraphEngine,
    undirected_edges,
)

_MAX_ITERATIONS: Final = 500
_MAX_LEVELS: Final = 100
_THETA: Final = 1.0
"""cuGraph's default: how far Leiden's refinement may stray from the best move."""


def graph_engine_of(engine: Engine) -> GraphEngine:
    """The graph algorithms that go with an engine: cuGraph with ``gpu``, else the CPU's."""
    return GpuGraphEngine() if engine.name == "gpu" else CpuGraphEngine()


class GpuGraphEngine:
    """cuGraph for components, PageRank and communities; see `gpu_ops.graph_engine.GraphEngine`.

    cuGraph keeps the whole graph in the GPU's memory and does not spill; a graph cannot be split by
    account either, since its paths would be cut. Each method raises `GpuMemoryError` where it
    does not fit.
    """

    def components(
        self, source: NDArray[np.int32], target: NDArray[np.int32], n_nodes: int
    ) -> NDArray[np.int32]:
        """Return for each node the smallest node of its weakly connected component."""
        if source.size == 0:
            return np.arange(n_nodes, dtype=np.int32)
        try:
            handle, graph = _symmetric_graph(source, target, np.ones(source.size), n_nodes)
            vertices, labels = COMPONENTS(
                resource_handle=handle,
                graph=graph,
                offsets=None,
                indices=None,
                weights=None,
                labels=None,
                do_expensive_check=False,
            )
        except Exception as error:
            raise _readable(error, source.size) from error
        return _smallest_members(_by_node(vertices, labels, n_nodes))

    def pagerank(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
    ) -> NDArray[np.float64]:
        """Return each node's PageRank; the sum is 1.

        The rule is the CPU's: a node passes 85 % on by weight, and a node that pays nobody passes
        all of it to every node alike. cuGraph iterates the ranks themselves and stops when they
        change, over all nodes, by less than the tolerance times their number (its C++ header), so
        it is given the CPU's tolerance divided by that number.

        Raises:
            GraphConvergenceError: After 500 steps without settling.
        """
        if source.size == 0:
            return np.full(n_nodes, 1.0 / max(n_nodes, 1))
        try:
            handle, graph = _graph(source, target, weight, n_nodes, is_symmetric=False)
            vertices, ranks = PAGERANK(
                resource_handle=handle,
                graph=graph,
                precomputed_vertex_out_weight_vertices=None,
                precomputed_vertex_out_weight_sums=None,
                initial_guess_vertices=None,
                initial_guess_values=None,
                alpha=DAMPING,
                epsilon=TOLERANCE / n_nodes,
                max_iterations=_MAX_ITERATIONS,
                do_expensive_check=False,
                fail_on_nonconvergence=True,
            )
        except Exception as error:
            raise _readable(error, source.size) from error
        rank = _by_node(vertices, ranks, n_nodes).astype(np.float64)
        settled: NDArray[np.float64] = rank / rank.sum()
        return settled

    def communities(
        self,
        source: NDArray[np.int32],
        target: NDArray[np.int32],
        weight: NDArray[np.float64],
        n_nodes: int,
        resolution: float,
        seed: int,
    ) -> NDArray[np.int32]:
        """Return Leiden communities, each named by its smallest node.

        They agree with the CPU's in modularity, not in members: the search is random on both.
        """
        if source.size == 0:
            return np.arange(n_nodes, dtype=np.int32)
        try:
            handle, graph = _symmetric_graph(source, target, weight, n_nodes)
            vertices, clusters, _ = LEIDEN(
                resource_handle=handle,
                random_state=seed,
                graph=graph,
                max_level=_MAX_LEVELS,
                resolution=resolution,
                theta=_THETA,
                do_expensive_check=False,
            )
        except Exception as error:
            raise _readable(error, source.size) from error
        return _smallest_members(_by_node(vertices, clusters, n_nodes))


def _symmetric_graph(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: NDArray[np.float64],
    n_nodes: int,
) -> tuple[Opaque, Opaque]:
    """Each unordered pair once in either direction, with the weight of both."""
    low, high, both = undirected_edges(source, target, weight)
    return _graph(
        np.concatenate([low, high]),
        np.concatenate([high, low]),
        np.concatenate([both, both]),
        n_nodes,
        is_symmetric=True,
    )


def _graph(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: NDArray[np.float64],
    n_nodes: int,
    *,
    is_symmetric: bool,
) -> tuple[Opaque, Opaque]:
    """Build a graph on the GPU; returns its resource handle and the graph.

    Raises:
        EngineUnavailableError: There is no GPU.
    """
    require_gpu()
    handle = RESOURCE_HANDLE()
    graph = GRAPH(
        resource_handle=handle,
        graph_properties=GRAPH_PROPERTIES(is_symmetric=is_symmetric, is_multigraph=False),
        src_or_offset_array=TO_DEVICE(source),
        dst_or_index_array=TO_DEVICE(target),
        weight_array=TO_DEVICE(weight),
        # Only PageRank pulls along incoming edges, and only it is asked of directed graphs.
        store_transposed=not is_symmetric,
        renumber=True,
        do_expensive_check=False,
        # Nodes without an edge are in no other array.
        vertices_array=ARANGE(n_nodes, dtype=np.int32),
    )
    return handle, graph


def _by_node(vertices: DeviceArray, values: DeviceArray, n_nodes: int) -> NDArray[np.generic]:
    """Bring values from cuGraph's order of vertices into the order of the nodes."""
    places = np.asarray(TO_HOST(vertices))
    found = np.asarray(TO_HOST(values))
    ordered = np.empty(n_nodes, dtype=found.dtype)
    ordered[places] = found
    return ordered


def _smallest_members(labels: NDArray[np.generic]) -> NDArray[np.int32]:
    """Name each group by its smallest node."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    smallest: NDArray[np.int32] = first[place].astype(np.int32)
    return smallest


def _readable(error: Exception, n_edges: int) -> Exception:
    """Say in the project's words what a person can do something about; else the error itself."""
    if is_memory_error(error):
        return GpuMemoryError(
            f"a graph of {n_edges} edges does not fit into the GPU's memory; use a GPU with more "
            "memory, a shorter graph window, or the CPU's graph engine"
        )
    if type(error).__name__ == NOT_CONVERGED.name:
        return GraphConvergenceError(f"PageRank still moves after {_MAX_ITERATIONS} steps")
    return error
