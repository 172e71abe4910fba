"""The calls of the code fit the installed GPU libraries; most of these need no GPU to be read."""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gpu_ops import gpu_calls
from gpu_ops.anomaly import fit_forest
from gpu_ops.engine import polars_gpu_engine
from gpu_ops.gpu_calls import CALLS, NOT_CONVERGED, Call
from gpu_ops.gpu_forest import fit_forest_on_gpu
from gpu_ops.gpu_graph import GpuGraphEngine
from gpu_ops.gpu_parity import PARITY
from tests.gpu.signatures import installed, stored
from tests.gpu.stand_ins import StandIns, stored_signature

needs_libraries = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("cupy", "pylibcugraph", "nvforest", "cuml")),
    reason="needs the GPU libraries: run 'make test-gpu-plans'",
)
COLUMNS = ("a", "b", "c")
LIBRARIES = ("cudf", "cugraph", "cuml", "cupy", "nvforest", "pylibcudf", "pylibcugraph", "rmm")


def table(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame({name: random.normal(size=rows).astype(np.float32) for name in COLUMNS})


def made_calls(libraries: StandIns) -> StandIns:
    """Run everything that calls a GPU library."""
    source, target = np.array([0, 1], np.int32), np.array([1, 2], np.int32)
    graph = GpuGraphEngine()
    graph.components(source, target, 4)
    graph.pagerank(source, target, np.ones(2), 4)
    graph.communities(source, target, np.ones(2), 4, 1.0, 0)
    fit_forest_on_gpu(table(300), COLUMNS, seed=1, n_trees=3).score(table(10), device="cuda")
    return libraries


def test_every_listed_call_is_made(libraries: StandIns) -> None:
    assert {path for path, _, _ in made_calls(libraries).calls} == {call.path for call in CALLS}


def test_every_declared_call_is_listed() -> None:
    declared = {one for one in vars(gpu_calls).values() if isinstance(one, Call)}
    assert declared == {*CALLS, NOT_CONVERGED}


def test_the_libraries_are_called_nowhere_else() -> None:
    folder = Path(gpu_calls.__file__).parent
    found = [
        f"{path.name}: {line.strip()}"
        for path in folder.parent.glob("*/*.py")
        if path.parent.name in ("fraud_assets", "gpu_ops", "resources", "schedules")
        for line in path.read_text().splitlines()
        if line.strip().startswith(
            tuple(f"{word} {name}" for word in ("import", "from") for name in LIBRARIES)
        )
    ]
    assert found == []


@needs_libraries
def test_the_stored_signatures_are_the_installed_ones() -> None:
    assert stored() == installed(), "renew them: python -m tests.gpu.signatures"


@needs_libraries
def test_every_call_fits_its_installed_signature(
    libraries: StandIns, monkeypatch: pytest.MonkeyPatch, reported: Callable[[str, str], None]
) -> None:
    calls = made_calls(libraries).calls
    monkeypatch.undo()
    targets = {call.path: call.target() for call in CALLS}
    read = 0
    for path, arguments, named in calls:
        try:
            signature = inspect.signature(targets[path])
            read += 1
        except ValueError:
            # Classes of Cython: their signature comes from the installed source, see above.
            signature = stored_signature(path)
        signature.bind(*arguments, **named)
    reported(
        "calls bound to installed signatures",
        f"{len(calls)} calls of {len(CALLS)} functions, {len(calls) - read} read from source",
    )


@needs_libraries
def test_what_pagerank_raises_is_known_by_its_name() -> None:
    error = NOT_CONVERGED.target()
    assert isinstance(error, type)
    assert issubclass(error, Exception)
    assert error.__name__ == "FailedToConvergeError"


@needs_libraries
@pytest.mark.usefixtures("a_gpu")
def test_nvforest_scores_the_stored_forest_within_its_limit(
    monkeypatch: pytest.MonkeyPatch, reported: Callable[[str, str], None]
) -> None:
    """nvForest itself, on its CPU: the model it reads and the precision are those of the GPU."""
    import nvforest

    rows = table(2_000)
    forest = fit_forest(rows, COLUMNS, seed=3)
    # Values that lie on a threshold go left; rounded thresholds would send some of them right.
    splits = [tree.tree_.threshold[tree.tree_.feature == 0] for tree in forest.model.estimators_]
    on_splits = pl.DataFrame({"a": np.concatenate(splits).astype(np.float32)}).with_columns(
        b=pl.lit(0.0, pl.Float32), c=pl.lit(0.0, pl.Float32)
    )
    assert on_splits.height > 1_000
    load, predict = nvforest.load_from_sklearn, nvforest.CPUForestInferenceRegressor.predict

    def on_cpu(model: object, *, device: str, precision: str) -> object:
        return load(model, device=device.replace("gpu", "cpu"), precision=precision)

    instead: dict[str, Callable[..., object]] = {
        "nvforest.load_from_sklearn": on_cpu,
        "nvforest.GPUForestInferenceRegressor.predict": predict,
        "cupy.asarray": np.asarray,
        "cupy.asnumpy": np.asarray,
    }

    def target(call: Call[object]) -> Callable[..., object]:
        return instead[call.path]

    monkeypatch.setattr(Call, "target", target)
    both = pl.concat([rows, on_splits])
    distance = np.abs(forest.score(both, device="cuda") - forest.score(both)).max()
    assert distance <= PARITY["anomaly"].limit
    reported("nvForest on its CPU, greatest distance of a score", f"{distance:.1e}")


@needs_libraries
def test_the_gpu_engine_is_one_that_cudf_polars_takes() -> None:
    from cudf_polars.utils.config import ConfigOptions

    options = ConfigOptions.from_polars_engine(polars_gpu_engine())
    assert options.raise_on_fail is True
    assert options.executor.name == "in-memory"
