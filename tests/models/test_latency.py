import os
from time import sleep

import pytest

from gpu_ops.latency import call_latency
from gpu_ops.openmp import wait_passively


def test_percentiles_are_those_of_the_calls_after_the_warm_up() -> None:
    numbers: list[int] = []

    def call(number: int) -> None:
        numbers.append(number)
        # The first calls, which load and compile, must not count.
        sleep(0.05 if len(numbers) <= 2 else 0.002)

    found = call_latency(call, calls=5, warm_up=2)
    assert numbers == [0, 1, 0, 1, 2, 3, 4]
    assert 2.0 <= found.p50_ms <= found.p99_ms
    assert found.p50_ms < 50.0
    assert found.calls == 5


def test_the_users_own_wait_policy_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
