"""Stand-ins for the GPU libraries: NumPy and SciPy behind cuGraph's, nvForest's and cuML's calls.

They take what the libraries take (a call is bound to the stored signature first), refuse what
those would get wrong, and return vertices in an order of their own.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_ops.gpu_calls import Call

SIGNATURES = Path(__file__).with_name("signatures.json")
Array = NDArray[Any]


def stored_signature(path: str) -> inspect.Signature:
    """The signature that the installed library had when it was last looked at."""
    parameters = json.loads(SIGNATURES.read_text())[path]
    return inspect.Signature(
        [
            inspect.Parameter(
                name, inspect._ParameterKind[kind], default=None if optional else inspect._empty
            )
            for name, kind, optional in parameters
        ]
    )


@dataclass
class StandIns:
    """What was called, and what to fail with."""

    calls: list[tuple[str, tuple[object, ...], dict[str, object]]] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)

    def target(self, call: Call[object]) -> Callable[..., object]:
        """What `Call.target` finds instead of the library."""

        def called(*arguments: object, **named: object) -> object:
            stored_signature(call.path).bind(*arguments, **named)
            self.calls.append((call.path, arguments, named))
            if call.path in self.failures:
                raise self.failures[call.path]
            return _FUNCTIONS[call.path](*arguments, **named)

        return called


def _graph(**given: object) -> SimpleNamespace:
    graph = SimpleNamespace(**given)
    assert graph.src_or_offset_array.dtype == np.int32
    assert graph.dst_or_index_array.dtype == np.int32
    assert graph.vertices_array.dtype == np.int32
    assert graph.weight_array.dtype == np.float64
    pairs = list(zip(graph.src_or_offset_array, graph.dst_or_index_array, strict=True))
    assert len(set(pairs)) == len(pairs), "is_multigraph is False"
    graph.is_symmetric = graph.graph_properties.is_symmetric
    if graph.is_symmetric:
        assert {(b, a) for a, b in pairs} == set(pairs), "is_symmetric is True"
    return graph


def _shuffled(values: Array) -> tuple[Array, Array]:
    vertices = np.random.default_rng(5).permutation(values.size).astype(np.int32)
    return vertices, values[vertices]


def _labels(graph: SimpleNamespace) -> Array:
    """Components by repeated spreading, labelled by whatever comes."""
    assert graph.is_symmetric
    label = np.arange(graph.vertices_array.size)
    for _ in range(label.size):
        np.maximum.at(label, graph.dst_or_index_array, label[graph.src_or_offset_array])
    return label + 1_000


def _components(*, graph: SimpleNamespace, **_: object) -> tuple[Array, Array]:
    return _shuffled(_labels(graph))


def _leiden(*, graph: SimpleNamespace, **_: object) -> tuple[Array, Array, float]:
    return *_shuffled(_labels(graph)), 0.5


def _pagerank(
    *, graph: SimpleNamespace, alpha: float, epsilon: float, max_iterations: int, **_: object
) -> tuple[Array, Array]:
    """The definition, as a dense matrix."""
    assert not graph.is_symmetric
    assert graph.store_transposed
    n = graph.vertices_array.size
    flow = np.zeros((n, n))
    flow[graph.dst_or_index_array, graph.src_or_offset_array] = graph.weight_array
    paid = flow.sum(axis=0)
    flow = np.where(paid > 0, flow / np.where(paid > 0, paid, 1), 1 / n)
    rank = np.full(n, 1 / n)
    for _step in range(max_iterations):
        rank, former = alpha * flow @ rank + (1 - alpha) / n, rank
        if np.abs(rank - former).sum() < n * epsilon:
            break
    return _shuffled(rank)


def _loaded(model: object, *, device: str, precision: str) -> object:
    assert (device, precision) == ("gpu", "double")
    return model


def _isolation_forest(**given: object) -> object:
    from sklearn.ensemble import IsolationForest

    return IsolationForest(**given)


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "cupy.asarray": np.asarray,
    "cupy.asnumpy": np.asarray,
    "cupy.arange": np.arange,
    "pylibcugraph.ResourceHandle": object,
    "pylibcugraph.GraphProperties": SimpleNamespace,
    "pylibcugraph.SGGraph": _graph,
    "pylibcugraph.weakly_connected_components": _components,
    "pylibcugraph.pagerank": _pagerank,
    "pylibcugraph.leiden": _leiden,
    "nvforest.load_from_sklearn": _loaded,
    "nvforest.GPUForestInferenceRegressor.predict": (
        lambda model, rows: -model.score_samples(rows).reshape(-1, 1)
    ),
    "cuml.ensemble.IsolationForest": _isolation_forest,
    "cuml.ensemble.IsolationForest.fit": lambda model, rows: model.fit(rows),
    "cuml.ensemble.IsolationForest.as_sklearn": lambda model: model,
}
