"""Where a lazy plan runs: in memory, in a stream, or on a GPU."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import polars as pl

EngineName = Literal["cpu", "cpu-streaming", "gpu"]
ENGINE_NAMES: Final[tuple[EngineName, ...]] = get_args(EngineName)


class EngineUnavailableError(RuntimeError):
    """The chosen engine cannot run on this machine."""


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
            EngineUnavailableError: the engine is ``gpu`` and the driver reports no GPU.
            polars.exceptions.ComputeError: the engine is ``gpu`` and it cannot run some part.
        """
        if self.name == "cpu":
            return plan.collect(engine="in-memory")
        if self.name == "cpu-streaming":
            return plan.collect(engine="streaming")
        if not gpu_available():
            raise EngineUnavailableError(
                "engine 'gpu' was chosen, but the NVIDIA driver reports no GPU here; "
                "choose 'cpu' or 'cpu-streaming', or run on a machine with a GPU"
            )
        # One partition on one device: rolling has no multi-partition lowering in cudf-polars.
        return plan.collect(engine=pl.GPUEngine(raise_on_fail=True, executor="in-memory"))

    def write(self, plan: pl.LazyFrame, path: Path) -> None:
        """Run the plan into a Parquet file, in its row order; streamed unless on a GPU."""
        if self.name == "gpu":
            self.collect(plan).write_parquet(path)
        else:
            plan.sink_parquet(path, compression="lz4", engine="streaming")


def gpu_available() -> bool:
    """Tell whether the NVIDIA driver reports at least one GPU.

    Asks the driver itself (``cuInit``, ``cuDeviceGetCount``), since the GPU libraries import
    without a GPU and fail only later.
    """
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        initialised = driver.cuInit(0) == 0
        return initialised and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except Exception:  # noqa: BLE001 - whatever a missing or broken driver does, there is no GPU
        return False
