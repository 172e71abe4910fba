"""Where a lazy plan runs: in memory, in a stream, or on a GPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import polars as pl

from gpu_ops.gpu_driver import EngineUnavailableError, gpu_available, require_gpu

__all__ = [
    "ENGINE_NAMES",
    "Device",
    "Engine",
    "EngineName",
    "EngineUnavailableError",
    "gpu_available",
    "polars_gpu_engine",
]

EngineName = Literal["cpu", "cpu-streaming", "gpu"]
ENGINE_NAMES: Final[tuple[EngineName, ...]] = get_args(EngineName)
Device = Literal["cpu", "cuda"]
"""Where models train and score, under XGBoost's names."""


@dataclass(frozen=True)
class Engine:
    """One of the ways to run a Polars plan; all of them give the same table.

    Args:
        name: ``cpu`` runs in memory on all cores. ``cpu-streaming`` runs in batches and, for
            features, one group of accounts at a time, for tables larger than memory. ``gpu`` runs
            on one NVIDIA GPU through cudf-polars and never falls back in silence.

    Raises:
        ValueError: the name is none of the three.
    """

    name: EngineName = "cpu"

    def __post_init__(self) -> None:
        if self.name not in ENGINE_NAMES:
            raise ValueError(f"engine {self.name!r} is unknown; choose one of {ENGINE_NAMES}")

    def collect(self, plan: pl.LazyFrame) -> pl.DataFrame:
        """Run the plan and return its table.

        Raises:
            EngineUnavailableError: the engine is ``gpu``, and there is no GPU or too old a driver.
            MemoryError: the engine is ``gpu`` and its memory does not suffice.
            NotImplementedError: the engine is ``gpu`` and it cannot run some part of the plan.
        """
        if self.name == "cpu":
            return plan.collect(engine="in-memory")
        if self.name == "cpu-streaming":
            return plan.collect(engine="streaming")
        require_gpu()
        return plan.collect(engine=polars_gpu_engine())

    def read(self, plan: pl.LazyFrame) -> pl.LazyFrame:
        """Return a plan of files as this engine can go on with it.

        cudf-polars reads files on S3 by itself: it ignores the plan's storage options (region,
        endpoint) and knows no roles or profiles, only keys in the environment (KvikIO 26.10). So
        for ``gpu`` the CPU reads the rows into memory, as Polars does for the other engines.
        """
        return plan.collect(engine="streaming").lazy() if self.name == "gpu" else plan

    def write(self, plan: pl.LazyFrame, path: Path) -> None:
        """Stream the plan into a Parquet file, in its row order, on the CPU with every engine.

        What is written to a file need not fit into memory, least of all a GPU's.
        """
        plan.sink_parquet(path, compression="lz4", engine="streaming")

    @property
    def device(self) -> Device:
        """Where the models of a run with this engine train and score."""
        return "cuda" if self.name == "gpu" else "cpu"


def polars_gpu_engine() -> pl.GPUEngine:
    """The engine that Polars is asked for: one device, and an error where it cannot run a part."""
    # One partition on one device: rolling has no multi-partition lowering in cudf-polars.
    return pl.GPUEngine(raise_on_fail=True, executor="in-memory")
