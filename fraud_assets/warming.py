"""Loads, beside the first step of a run, the libraries that its later steps need."""

import importlib
import threading
from contextlib import suppress
from typing import Final

from gpu_ops.openmp import wait_passively

LIBRARIES: Final = (
    "gpu_ops.isolation_paths",
    "xgboost",
    "gpu_ops.graph_engine",
    "matplotlib.figure",
)
"""In the order in which they are first used."""


def load_libraries_ahead() -> threading.Thread:
    """Starts to import them in a thread of its own and returns that thread.

    Reading a file leaves a core idle for part of the time; the imports take 2 to 3 seconds of one.
    What keeps a library from loading is left to whoever needs it, who then says what is missing.
    Its memory counts in the peak of the step beside which it loads.
    """
    thread = threading.Thread(target=_load, name="libraries")
    thread.start()
    return thread


def _load() -> None:
    wait_passively()
    for name in LIBRARIES:
        # A broken OpenMP raises errors of XGBoost's own; nobody asked for the library yet.
        with suppress(Exception):
            importlib.import_module(name)
