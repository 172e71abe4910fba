"""How OpenMP threads wait for each other."""

import os


def wait_passively() -> None:
    """Asks an OpenMP runtime that is not loaded yet to let idle threads sleep, not spin.

    Call it before importing scikit-learn or XGBoost. Spinning threads fight over the cores with
    everything else that runs on them: on two busy cores training with two threads took three
    times the CPU time and twice the wall time. A value that the user has set is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
