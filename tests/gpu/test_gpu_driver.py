"""A driver that is played: what it says decides, and it is asked by the names that it knows."""

import ctypes
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from gpu_ops.engine import Engine, EngineUnavailableError
from gpu_ops.gpu_driver import Gpu, GpuDriver, find_driver, gpu_available, require_gpu

L4 = Gpu("NVIDIA L4", 24_152_899_584, (8, 9))
Play = Callable[..., None]


class Driver:
    """libcuda as far as it is asked; every function returns a CUresult."""

    def __init__(
        self, *, version: int = 12020, gpus: tuple[Gpu, ...] = (L4,), **failing: int
    ) -> None:
        self.version, self.gpus, self.failing = version, gpus, failing

    def __getattr__(self, name: str) -> Callable[..., int]:
        answers: dict[str, Callable[..., None]] = {
            "cuInit": lambda _flags: None,
            "cuDeviceGetCount": lambda to: _write(to, len(self.gpus)),
            "cuDriverGetVersion": lambda to: _write(to, self.version),
            "cuDeviceGet": _write,
            "cuDeviceGetName": lambda to, _size, device: _write(
                to, self.gpus[device.value].name.encode()
            ),
            "cuDeviceTotalMem_v2": lambda to, device: _write(
                to, self.gpus[device.value].memory_bytes
            ),
            "cuDeviceGetAttribute": lambda to, number, device: _write(
                to, self.gpus[device.value].capability[number - 75]
            ),
        }
        if name not in answers:
            raise AttributeError(name)

        def ask(*arguments: object) -> int:
            answers[name](*arguments)
            return self.failing.get(name, 0)

        return ask


def _write(to: Any, value: object) -> None:  # noqa: ANN401 - what ctypes passes has no type
    """Fill what was passed by reference, or a buffer."""
    getattr(to, "_obj", to).value = value


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    def start(**given: Any) -> None:  # noqa: ANN401 - the arguments of `Driver`
        monkeypatch.setattr(ctypes, "CDLL", lambda _name: Driver(**given))

    return start


def test_the_driver_tells_its_version_and_every_gpu(play: Play) -> None:
    a10 = Gpu("NVIDIA A10G", 23_609_475_072, (8, 6))
    play(version=12090, gpus=(L4, a10))
    assert find_driver() == GpuDriver((12, 9), (L4, a10))
    assert require_gpu() == L4


@pytest.mark.parametrize(
    "given", [{"gpus": ()}, {"cuInit": 100}, {"cuDeviceGetCount": 3}], ids=["none", "init", "count"]
)
def test_no_gpu_is_said_with_what_to_do(play: Play, given: dict[str, Any]) -> None:
    play(**given)
    assert not gpu_available()
    assert find_driver() is None
    with pytest.raises(EngineUnavailableError, match="reports no GPU here; choose 'cpu'"):
        Engine("gpu").collect(pl.LazyFrame({"a": [1]}))


def test_a_driver_that_fails_midway_is_no_driver(play: Play) -> None:
    play(cuDeviceTotalMem_v2=999)
    assert find_driver() is None


def test_without_a_driver_library_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not gpu_available()
    assert find_driver() is None


@pytest.mark.parametrize("version", [11080, 12010])
def test_a_driver_older_than_the_libraries_need_is_refused(play: Play, version: int) -> None:
    play(version=version)
    said = f"speaks CUDA {version // 1000}.{version % 1000 // 10}, .* need 12.2: install driver 535"
    with pytest.raises(EngineUnavailableError, match=said):
        require_gpu()


def test_a_gpu_older_than_volta_is_refused(play: Play) -> None:
    play(gpus=(Gpu("Tesla P4", 8_000_000_000, (6, 1)),))
    with pytest.raises(EngineUnavailableError, match=r"Tesla P4 has compute capability 6\.1"):
        require_gpu()


def test_the_oldest_driver_and_gpu_that_suffice(play: Play) -> None:
    v100 = Gpu("V100", 16_000_000_000, (7, 0))
    play(version=12020, gpus=(v100,))
    assert require_gpu() == v100
