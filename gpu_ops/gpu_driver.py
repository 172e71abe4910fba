"""What the NVIDIA driver says of this machine's GPUs."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

LEAST_CUDA: Final = (12, 2)
"""CUDA version that the driver must speak: driver 535 and newer do.

Source: docs.nvidia.com/datascience/platform-support, RAPIDS 26.10 with CUDA 12 wheels.
"""

LEAST_DRIVER: Final = 535
LEAST_CAPABILITY: Final = (7, 0)
"""Volta; the same page."""

_LIBRARY: Final = "libcuda.so.1"
_NAME_BYTES: Final = 256
# Numbers of CUdevice_attribute in cuda.h.
_CAPABILITY_MAJOR: Final = 75
_CAPABILITY_MINOR: Final = 76
_Answer = TypeVar("_Answer")
_ADVICE: Final = "choose 'cpu' or 'cpu-streaming' as engine, or run on a machine with a GPU"


class EngineUnavailableError(RuntimeError):
    """The chosen engine cannot run on this machine."""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: What its maker calls it.
        memory_bytes: All its memory, used or not.
        capability: Compute capability, major and minor.
    """

    name: str
    memory_bytes: int
    capability: tuple[int, int]


@dataclass(frozen=True)
class GpuDriver:
    """The driver and the GPUs that it shows to this process.

    Attributes:
        cuda: Newest CUDA version that the driver speaks, major and minor.
        gpus: At least one; `CUDA_VISIBLE_DEVICES` hides others.
    """

    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]

    @property
    def problem(self) -> str | None:
        """Why RAPIDS cannot run here, with what to do; None where it can."""
        if self.cuda < LEAST_CUDA:
            return (
                f"the NVIDIA driver speaks CUDA {_dotted(self.cuda)}, and the GPU libraries need "
                f"{_dotted(LEAST_CUDA)}: install driver {LEAST_DRIVER} or newer"
            )
        first = self.gpus[0]
        if first.capability < LEAST_CAPABILITY:
            return (
                f"the GPU {first.name} has compute capability {_dotted(first.capability)}, and "
                f"the GPU libraries need {_dotted(LEAST_CAPABILITY)}: use a Volta GPU or newer"
            )
        return None


def gpu_available() -> bool:
    """Tell whether the NVIDIA driver reports at least one GPU.

    Asks the driver itself (``cuInit``, ``cuDeviceGetCount``), since the GPU libraries import
    without a GPU and fail only later.
    """
    return _asked(lambda library: _count(library) > 0) or False


def find_driver() -> GpuDriver | None:
    """Ask the driver for its version and its GPUs; None where there is no driver or no GPU."""
    return _asked(_driver)


def require_gpu() -> Gpu:
    """Return the GPU that work runs on: the first one that the driver shows.

    Raises:
        EngineUnavailableError: There is none, or driver or GPU are too old for the libraries.
    """
    driver = find_driver()
    if driver is None:
        raise EngineUnavailableError(
            f"a GPU was chosen, but the NVIDIA driver reports no GPU here; {_ADVICE}"
        )
    if driver.problem is not None:
        raise EngineUnavailableError(f"a GPU was chosen, but {driver.problem}; or {_ADVICE}")
    return driver.gpus[0]


def _asked(question: Callable[[ctypes.CDLL], _Answer]) -> _Answer | None:
    try:
        return question(ctypes.CDLL(_LIBRARY))
    except Exception:  # noqa: BLE001 - whatever a missing or broken driver does, there is no GPU
        return None


def _count(library: ctypes.CDLL) -> int:
    """Return how many GPUs there are; 0 where the driver does not start."""
    count = ctypes.c_int(0)
    if library.cuInit(0) != 0 or library.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _driver(library: ctypes.CDLL) -> GpuDriver | None:
    count = _count(library)
    if count < 1:
        return None
    version = ctypes.c_int(0)
    _check(library.cuDriverGetVersion(ctypes.byref(version)))
    # The driver tells 12020 for 12.2.
    cuda = (version.value // 1000, version.value % 1000 // 10)
    return GpuDriver(cuda, tuple(_gpu(library, ordinal) for ordinal in range(count)))


def _gpu(library: ctypes.CDLL, ordinal: int) -> Gpu:
    device = ctypes.c_int(0)
    _check(library.cuDeviceGet(ctypes.byref(device), ordinal))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(library.cuDeviceGetName(name, _NAME_BYTES, device))
    memory = ctypes.c_size_t(0)
    # The name without the suffix is the old function, which counts in 32 bits.
    _check(library.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    capability = (
        _attribute(library, _CAPABILITY_MAJOR, device),
        _attribute(library, _CAPABILITY_MINOR, device),
    )
    return Gpu(name.value.decode(), memory.value, capability)


def _attribute(library: ctypes.CDLL, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int(0)
    _check(library.cuDeviceGetAttribute(ctypes.byref(value), number, device))
    return value.value


def _check(status: int) -> None:
    if status != 0:
        raise OSError(f"the NVIDIA driver answered with error {status}")


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
