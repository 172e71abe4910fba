import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpu_ops import gpu_driver
from gpu_ops.gpu_calls import Call
from gpu_ops.gpu_driver import Gpu, GpuDriver

if TYPE_CHECKING:
    from tests.gpu.stand_ins import StandIns

# This folder's tests share modules; plain `pytest` does not add the root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver tells of a GPU."""
    driver = GpuDriver((12, 9), (Gpu("NVIDIA L4", 24_000_000_000, (8, 9)),))
    monkeypatch.setattr(gpu_driver, "find_driver", lambda: driver)


@pytest.fixture
def libraries(a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> "StandIns":
    """The GPU libraries' calls go to stand-ins."""
    from tests.gpu.stand_ins import StandIns

    stand_ins = StandIns()

    def target(call: Call[object]) -> Callable[..., object]:
        # A function of its own, so that the class makes a method of it.
        return stand_ins.target(call)

    monkeypatch.setattr(Call, "target", target)
    return stand_ins


_counts: dict[str, str] = {}


@pytest.fixture(scope="session")
def reported() -> Callable[[str, str], None]:
    """`reported("plans", "12 of 12")` is printed at the end of the session."""
    return _counts.__setitem__


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _counts:
        terminalreporter.section("GPU proofs without a GPU")
        for name, count in _counts.items():
            terminalreporter.line(f"{name}: {count}")
