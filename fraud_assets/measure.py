"""Seconds and peak resident memory of one step."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

_CLEAR_PEAK: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")
_SAMPLE_SECONDS: Final = 0.02
_MIB: Final = 1024 * 1024


class StepMeter:
    """Measures the block it wraps: wall seconds and peak resident memory in MiB.

    The peak is that of the block, not of the process since it started. Linux keeps a peak that can
    be reset; elsewhere a thread samples every 20 ms, so a shorter spike can be missed.
    """

    def __init__(self) -> None:
        self.seconds: float = 0.0
        self.peak_mib: float = 0.0
        self._process = psutil.Process()
        self._started = 0.0
        self._kernel_keeps_peak = False
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self.peak_mib = self._resident_mib()
        self._kernel_keeps_peak = _reset_kernel_peak()
        if not self._kernel_keeps_peak:
            self._sampler = threading.Thread(target=self._sample, daemon=True)
            self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the figures now; called again, it takes them anew."""
        self.seconds = time.perf_counter() - self._started
        self._stop.set()
        if self._sampler is not None:
            self._sampler.join()
            self._sampler = None
        peak = _kernel_peak_mib() if self._kernel_keeps_peak else None
        self.peak_mib = max(self.peak_mib, self._resident_mib(), peak or 0.0)

    def _resident_mib(self) -> float:
        return float(self._process.memory_info().rss) / _MIB

    def _sample(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.peak_mib = max(self.peak_mib, self._resident_mib())


def _reset_kernel_peak() -> bool:
    try:
        _CLEAR_PEAK.write_text("5", encoding="ascii")
    except OSError:
        return False
    return _kernel_peak_mib() is not None


def _kernel_peak_mib() -> float | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None
