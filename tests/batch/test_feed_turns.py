"""Waiting for another upload of the feed: long where it costs nothing, short in a container."""

from pathlib import Path

import dagster as dg
import pytest

from fraud_assets.feed_turns import feed_lease
from resources.lake import Lake
from resources.leases import LeaseBusyError


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr("fraud_assets.feed_turns._WAIT_SECONDS", 0.0)
    monkeypatch.delenv("AWS_BATCH_JOB_ID", raising=False)
    return Lake.open(str(tmp_path / "lake"))


def test_a_host_gives_up_when_its_waiting_time_is_over(lake: Lake) -> None:
    with feed_lease(lake, "card"), pytest.raises(LeaseBusyError), feed_lease(lake, "card"):
        pass


def test_a_container_leaves_the_waiting_to_its_run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job")
    # The long wait would take as long as a test may.
    monkeypatch.setattr("fraud_assets.feed_turns._WAIT_SECONDS", 1800.0)
    monkeypatch.setattr("fraud_assets.feed_turns._JOB_WAIT_SECONDS", 0.0)
    with (
        feed_lease(lake, "card"),
        pytest.raises(dg.RetryRequested) as caught,
        feed_lease(lake, "card"),
    ):
        pass
    assert (caught.value.max_retries, caught.value.seconds_to_wait) == (4, 240)
    with feed_lease(lake, "card") as held:
        assert held.is_held()
