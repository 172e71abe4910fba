"""Every call that the project makes to a GPU library, in one table.

The modules `gpu_*` call these values and nothing else of CuPy, pylibcugraph, nvForest and cuML. So
a test without a GPU can run them against stand-ins and bind each call, with the very arguments
that the code passes, to the signatures of the installed libraries. cuDF is only reached through
Polars, and XGBoost's calls are the same on either device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Generic, Protocol, TypeVar, cast

_Result_co = TypeVar("_Result_co", covariant=True)


class DeviceArray(Protocol):
    """An array in a GPU's memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths."""


class Opaque(Protocol):
    """What one library call returns for another one."""


class LoadedForest(Protocol):
    """A forest in nvForest."""


class Estimator(Protocol):
    """An estimator of cuML."""


@dataclass(frozen=True)
class Call(Generic[_Result_co]):
    """A function or a class of a library, or a method, called with its object first.

    Attributes:
        module: Where it is imported from, at the moment of the call.
        name: Its name there; of a method `Class.method`.
    """

    module: str
    name: str

    @property
    def path(self) -> str:
        """Its full name."""
        return f"{self.module}.{self.name}"

    def target(self) -> Callable[..., _Result_co]:
        """Import it.

        Raises:
            ImportError: The library is not installed; the extra `gpu` brings it.
        """
        found: object = import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return cast("Callable[..., _Result_co]", found)

    def __call__(self, *arguments: object, **named: object) -> _Result_co:
        """Call it."""
        return self.target()(*arguments, **named)


ByVertex = tuple[DeviceArray, DeviceArray]
"""Vertices, and a value for each, in one order."""

TO_DEVICE: Final[Call[DeviceArray]] = Call("cupy", "asarray")
TO_HOST: Final[Call[object]] = Call("cupy", "asnumpy")
ARANGE: Final[Call[DeviceArray]] = Call("cupy", "arange")

RESOURCE_HANDLE: Final[Call[Opaque]] = Call("pylibcugraph", "ResourceHandle")
GRAPH_PROPERTIES: Final[Call[Opaque]] = Call("pylibcugraph", "GraphProperties")
GRAPH: Final[Call[Opaque]] = Call("pylibcugraph", "SGGraph")
COMPONENTS: Final[Call[ByVertex]] = Call("pylibcugraph", "weakly_connected_components")
PAGERANK: Final[Call[ByVertex]] = Call("pylibcugraph", "pagerank")
LEIDEN: Final[Call[tuple[DeviceArray, DeviceArray, float]]] = Call("pylibcugraph", "leiden")
NOT_CONVERGED: Final[Call[Exception]] = Call("pylibcugraph.exceptions", "FailedToConvergeError")
"""What `PAGERANK` raises; known by its name, and never called."""

LOAD_FOREST: Final[Call[LoadedForest]] = Call("nvforest", "load_from_sklearn")
SCORE_FOREST: Final[Call[DeviceArray]] = Call("nvforest", "GPUForestInferenceRegressor.predict")

FOREST_TRAINER: Final[Call[Estimator]] = Call("cuml.ensemble", "IsolationForest")
FIT_FOREST: Final[Call[Estimator]] = Call("cuml.ensemble", "IsolationForest.fit")
FOREST_TO_SKLEARN: Final[Call[object]] = Call("cuml.ensemble", "IsolationForest.as_sklearn")

CALLS: Final[tuple[Call[object], ...]] = (
    TO_DEVICE,
    TO_HOST,
    ARANGE,
    RESOURCE_HANDLE,
    GRAPH_PROPERTIES,
    GRAPH,
    COMPONENTS,
    PAGERANK,
    LEIDEN,
    LOAD_FOREST,
    SCORE_FOREST,
    FOREST_TRAINER,
    FIT_FOREST,
    FOREST_TO_SKLEARN,
)
"""All that are called."""
