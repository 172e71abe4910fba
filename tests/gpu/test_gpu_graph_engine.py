"""The GPU's graph engine against stand-ins for cuGraph: what it hands over and makes of answers."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_ops.gpu_graph import GpuGraphEngine
from gpu_ops.gpu_memory import GpuMemoryError
from gpu_ops.graph_engine import CpuGraphEngine, GraphConvergenceError, GraphEngine
from tests.gpu.stand_ins import StandIns

if TYPE_CHECKING:
    from collections.abc import Callable


def nodes(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, dtype=np.int32)


NONE = nodes()
ENGINE: GraphEngine = GpuGraphEngine()


@pytest.mark.usefixtures("libraries")
def test_components_are_named_by_their_smallest_node() -> None:
    # 4-1, 1-4 and 4-5 hang together, so do 2-3; 0 and 6 have no edge.
    found = ENGINE.components(nodes(4, 1, 5, 3), nodes(1, 4, 4, 2), 7)
    assert found.dtype == np.int32
    assert found.tolist() == [0, 1, 2, 2, 1, 1, 6]


@pytest.mark.usefixtures("libraries")
def test_communities_are_named_by_their_smallest_node() -> None:
    found = ENGINE.communities(nodes(2, 0), nodes(1, 3), np.array([1.0, 2.0]), 5, 1.0, 7)
    assert found.dtype == np.int32
    assert found.tolist() == [0, 1, 1, 0, 4]


def test_what_leiden_is_asked_for(libraries: StandIns) -> None:
    ENGINE.communities(nodes(0, 1, 1), nodes(1, 0, 2), np.array([2.0, 3.0, 1.0]), 3, 1.5, 42)
    calls = {path: named for path, _, named in libraries.calls}
    leiden, graph = calls["pylibcugraph.leiden"], calls["pylibcugraph.SGGraph"]
    assert (leiden["random_state"], leiden["resolution"]) == (42, 1.5)
    # Both directions of 0-1 are one edge of their joint weight.
    assert np.asarray(graph["src_or_offset_array"]).tolist() == [0, 1, 1, 2]
    assert np.asarray(graph["dst_or_index_array"]).tolist() == [1, 2, 0, 1]
    assert np.asarray(graph["weight_array"]).tolist() == [5.0, 1.0, 5.0, 1.0]


@pytest.mark.usefixtures("libraries")
def test_pagerank_of_one_payment() -> None:
    # r0 = .075 + .425 r1 and r0 + r1 = 1: who pays nobody passes all on to everybody alike.
    found = ENGINE.pagerank(nodes(0), nodes(1), np.array([7.0]), 2)
    np.testing.assert_allclose(found, [0.5 / 1.425, 0.925 / 1.425], atol=1e-6)


@pytest.mark.usefixtures("libraries")
def test_pagerank_is_the_cpus_with_weights_leaves_and_lone_nodes() -> None:
    random = np.random.default_rng(3)
    keys = random.choice(60 * 60, 150, replace=False)
    source, target = (keys // 60).astype(np.int32), (keys % 60).astype(np.int32)
    kept = source != target
    weight = random.lognormal(3, 2, 150)
    graph = (source[kept], target[kept], weight[kept], 70)
    on_cpu = CpuGraphEngine().pagerank(*graph)
    assert np.abs(ENGINE.pagerank(*graph) - on_cpu).sum() < 1e-5


def test_the_tolerance_is_that_of_all_nodes_together(libraries: StandIns) -> None:
    ENGINE.pagerank(nodes(0), nodes(1), np.array([7.0]), 1_000)
    (asked,) = [named for path, _, named in libraries.calls if path == "pylibcugraph.pagerank"]
    assert asked["epsilon"] == pytest.approx(1e-9)
    assert asked["alpha"] == 0.85
    assert asked["fail_on_nonconvergence"] is True


def test_without_edges_nothing_is_called(libraries: StandIns) -> None:
    weight = np.empty(0)
    assert ENGINE.components(NONE, NONE, 2).tolist() == [0, 1]
    assert ENGINE.communities(NONE, NONE, weight, 2, 1.0, 0).tolist() == [0, 1]
    assert ENGINE.pagerank(NONE, NONE, weight, 4).tolist() == [0.25] * 4
    assert ENGINE.pagerank(NONE, NONE, weight, 0).tolist() == []
    assert libraries.calls == []


@pytest.mark.parametrize("path", ["weakly_connected_components", "leiden", "pagerank", "SGGraph"])
def test_a_graph_too_large_says_what_to_do(libraries: StandIns, path: str) -> None:
    libraries.failures[f"pylibcugraph.{path}"] = MemoryError("CUGRAPH_ALLOC_ERROR std::bad_alloc")
    source, target, weight = nodes(0), nodes(1), np.array([1.0])
    calls: dict[str, Callable[[], object]] = {
        "weakly_connected_components": lambda: ENGINE.components(source, target, 2),
        "leiden": lambda: ENGINE.communities(source, target, weight, 2, 1.0, 0),
        "pagerank": lambda: ENGINE.pagerank(source, target, weight, 2),
        "SGGraph": lambda: ENGINE.components(source, target, 2),
    }
    with pytest.raises(GpuMemoryError, match="a graph of 1 edges does not fit"):
        calls[path]()


def test_a_pagerank_that_does_not_settle_is_an_error(libraries: StandIns) -> None:
    class FailedToConvergeError(Exception):
        """As pylibcugraph names it."""

    libraries.failures["pylibcugraph.pagerank"] = FailedToConvergeError()
    with pytest.raises(GraphConvergenceError, match="after 500 steps"):
        ENGINE.pagerank(nodes(0), nodes(1), np.array([1.0]), 2)


def test_other_errors_come_out_as_they_are(libraries: StandIns) -> None:
    libraries.failures["pylibcugraph.pagerank"] = RuntimeError("CUGRAPH_INVALID_INPUT")
    with pytest.raises(RuntimeError, match="CUGRAPH_INVALID_INPUT"):
        ENGINE.pagerank(nodes(0), nodes(1), np.array([1.0]), 2)
