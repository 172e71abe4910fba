import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from resources.lake import Lake
from resources.leases import Claim, Lease, LeaseBusyError, Owner, lease


def dead_owner() -> Owner:
    """The owner that a process was which has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    here = Owner.current()
    return here.model_copy(update={"pid": process.pid})


def elsewhere() -> Owner:
    return Owner.current().model_copy(update={"host": "another-host"})


def names(lake: Lake) -> list[str]:
    return [info.key.removeprefix("leases/raw-card/") for info in lake.list("leases/raw-card")]


def test_a_held_lease_keeps_others_out_and_a_released_one_lets_them_in(lake: Lake) -> None:
    with lease(lake, "raw-card") as held:
        assert held.is_held()
        message = rf"^raw-card is held by process {os.getpid()} on \S+ since \d{{4}}-"
        with pytest.raises(LeaseBusyError, match=message), lease(lake, "raw-card"):
            pass
        with lease(lake, "raw-aml"):
            pass
    assert not held.is_held()
    with lease(lake, "raw-card") as again:
        assert again.number == 2
        assert names(lake) == ["2.json"]


def test_a_lease_is_released_when_the_work_fails(lake: Lake) -> None:
    with pytest.raises(ZeroDivisionError), lease(lake, "raw-card"):
        raise ZeroDivisionError
    with lease(lake, "raw-card"):
        pass


def test_waiting_takes_the_lease_when_it_becomes_free(lake: Lake) -> None:
    order = []

    def hold() -> None:
        with lease(lake, "raw-card"):
            taken.set()
            time.sleep(0.5)
            order.append("first")

    taken = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    with lease(lake, "raw-card", wait_seconds=20):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def leave_behind(lake: Lake, owner: Owner, ttl_seconds: float) -> None:
    """A lease whose holder was killed: taken, never released, never renewed."""
    claim = Claim.model_validate(
        {
            "owner": owner.model_dump(),
            "token": "t",
            "taken_at": "2026-01-01T00:00:00Z",
            "ttl_seconds": ttl_seconds,
        }
    )
    lake.put("leases/raw-card/5.json", claim.model_dump_json().encode())


def test_the_lease_of_a_process_that_is_gone_is_taken_at_once(lake: Lake) -> None:
    leave_behind(lake, dead_owner(), ttl_seconds=3600)
    with lease(lake, "raw-card") as held:
        assert held.number == 6


def test_a_process_number_used_again_is_another_process(lake: Lake) -> None:
    started = psutil.Process().create_time()
    owner = Owner.current().model_copy(update={"started_at": started - 100})
    leave_behind(lake, owner, ttl_seconds=3600)
    with lease(lake, "raw-card") as held:
        assert held.number == 6


def test_a_holder_on_another_machine_is_succeeded_only_after_its_time_to_live(lake: Lake) -> None:
    leave_behind(lake, elsewhere(), ttl_seconds=3600)
    with pytest.raises(LeaseBusyError, match="on another-host"), lease(lake, "raw-card"):
        pass
    leave_behind(lake, elsewhere(), ttl_seconds=0.2)
    with lease(lake, "raw-card", wait_seconds=10) as held:
        assert held.number == 6


def test_a_heartbeat_keeps_a_lease_beyond_its_time_to_live(lake: Lake) -> None:
    owner = elsewhere()
    with lease(lake, "raw-card", owner, ttl_seconds=3.0) as held:
        with pytest.raises(LeaseBusyError), lease(lake, "raw-card", wait_seconds=4.5):
            pass
        assert held.is_held()


def test_a_holder_that_was_succeeded_learns_it(lake: Lake) -> None:
    with lease(lake, "raw-card", ttl_seconds=3600) as held:
        lake.put("leases/raw-card/2.json", lake.get("leases/raw-card/1.json"))
        assert not held.is_held()


def test_an_unreadable_claim_counts_as_held_until_it_is_old(lake: Lake) -> None:
    lake.put("leases/raw-card/1.json", b"{")
    with pytest.raises(LeaseBusyError, match="somebody unknown"), lease(lake, "raw-card"):
        pass


def test_a_taker_who_looked_long_ago_does_not_get_a_number_that_came_and_went(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Lake.put
    overtaken: list[str] = []

    def slow(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        if key.endswith("/1.json") and not overtaken:
            overtaken.append(key)  # meanwhile 1 came and went, and 2 is held
            put(lake, "leases/raw-card/2.json", data)
        return put(lake, key, data, create=create)

    monkeypatch.setattr(Lake, "put", slow)
    with pytest.raises(LeaseBusyError), lease(lake, "raw-card"):
        pass
    assert names(lake) == ["2.json"]


def test_a_success_whose_answer_was_lost_is_recognised(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Lake.put

    def forgetful(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        return put(lake, key, data, create=create) and not create

    monkeypatch.setattr(Lake, "put", forgetful)
    with lease(lake, "raw-card") as held:
        assert held.number == 1


def test_never_two_holders_at_once(lake: Lake) -> None:
    lake.put("warm", b"")
    inside: list[Lease] = []
    most = []

    def work() -> None:
        for _ in range(2):
            with lease(lake, "raw-card", wait_seconds=60) as held:
                inside.append(held)
                most.append(len(inside))
                time.sleep(0.02)
                inside.remove(held)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b"])
def test_odd_names_are_refused(folder_lake: Lake, name: str) -> None:
    with pytest.raises(ValueError, match="no lease name"), lease(folder_lake, name):
        pass


def test_this_process_lives() -> None:
    assert Owner.current().is_gone() is False
    assert dead_owner().is_gone() is True
    assert elsewhere().is_gone() is None
