"""The meter of a step: its own peak of memory, not that of the process."""

import gc
import time

import numpy as np
import psutil
import pytest

from fraud_assets import measure
from fraud_assets.measure import StepMeter

MIB = 1024 * 1024


@pytest.fixture(params=["kernel", "sampled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the peak is found: the kernel keeps it, or a thread samples."""
    name = str(request.param)
    if name == "sampled":
        monkeypatch.setattr(measure, "_reset_kernel_peak", lambda: False)
    elif not measure._reset_kernel_peak():
        pytest.skip("this kernel keeps no peak that can be reset")
    return name


def touch(mib: int) -> None:
    """Hold so much memory for a moment."""
    block = np.ones(mib * MIB, dtype=np.uint8)
    time.sleep(0.1)
    del block
    gc.collect()


def resident_mib() -> float:
    return float(psutil.Process().memory_info().rss) / MIB


def test_what_a_step_holds_for_a_moment_is_its_peak(way: str) -> None:
    with StepMeter() as meter:
        before = resident_mib()
        touch(200)
        after = resident_mib()
    assert after < before + 100
    assert before + 190 <= meter.peak_mib <= before + 300
    assert 0.1 <= meter.seconds < 10


def test_what_was_held_before_a_step_does_not_count(way: str) -> None:
    touch(200)
    before = resident_mib()
    with StepMeter() as meter:
        touch(1)
    assert meter.peak_mib < before + 100


def test_figures_can_be_taken_before_the_end_and_again(way: str) -> None:
    with StepMeter() as meter:
        meter.stop()
        early = meter.seconds
        time.sleep(0.02)
    assert meter.seconds >= early + 0.02
    assert meter.peak_mib > 0
