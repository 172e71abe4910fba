"""When the table of cases is behind, where the whole way of alerts does not tell by itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from fraud_assets import layers
from fraud_assets.case_due import head_of, last_readable, why_due
from fraud_assets.case_work import change_case, take_in_alerts
from gpu_ops import case_actions
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_model import Case
from resources.case_settings import STORE_FILE
from resources.case_store import CaseStore
from resources.lake import utc_now
from resources.manifests import Manifest
from resources.settings import Settings
from resources.versions import Versions
from tests.cases.made_alerts import NOON, WEEK, payment
from tests.cases.made_lake import made, paid, published

SLOT = layers.snapshot_slot("cases")
TICK = timedelta(microseconds=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(lake=str(tmp_path / "lake"))


def store_of(settings: Settings) -> CaseStore:
    store = settings.open_cases(settings.lake)
    assert store is not None
    return store


def assign(settings: Settings) -> None:
    def draft(_: Book, case: Case) -> Draft:
        return case_actions.assign(case, to="Ada", by="Bea", now=utc_now())

    store = store_of(settings)
    (case,) = store.book().cases()
    change_case(store, case.case_id, draft)


def newest(settings: Settings) -> Manifest:
    manifest = Versions(settings.open_lake()).latest(SLOT)
    assert manifest is not None
    return manifest


def test_what_people_did_counts_once_the_table_is_as_old_as_asked(settings: Settings) -> None:
    published(settings, paid("t1"))
    made(settings)
    assign(settings)
    store, versions = store_of(settings), Versions(settings.open_lake())
    calm, at = timedelta(hours=1), newest(settings).published_at
    assert why_due(versions, store, at + calm - TICK, calm) is None
    assert why_due(versions, store, at + calm, calm) == "somebody worked on cases"


def test_another_store_in_the_place_of_the_one_that_was_lost_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    published(settings, paid("t1"))
    made(settings)
    (tmp_path / "lake" / STORE_FILE).unlink()
    take_in_alerts(store_of(settings), [payment("other")], now=NOON, due=WEEK)
    assert why_due(Versions(settings.open_lake()), store_of(settings), utc_now()) == (
        "the case store is not the one that the table was made of"
    )


def test_before_the_first_event_there_is_nothing_to_compare(settings: Settings) -> None:
    published(settings)
    assert made(settings).success
    assert newest(settings).rows == 0
    assert why_due(Versions(settings.open_lake()), store_of(settings), utc_now()) is None


def test_a_table_of_an_earlier_release_tells_of_no_log(settings: Settings) -> None:
    published(settings, paid("t1"))
    made(settings)
    assert head_of(newest(settings))["number"] == 2
    assert head_of(newest(settings).model_copy(update={"extra": {}})) == {"number": 0}


def test_a_damaged_table_does_not_hide_the_one_before(settings: Settings) -> None:
    published(settings, paid("t1"))
    made(settings)
    assign(settings)
    made(settings)
    lake = settings.open_lake()
    assert newest(settings).number == 2
    lake.put(SLOT.manifest_key(2), b"{")
    readable = last_readable(Versions(lake))
    assert readable is not None
    assert readable.number == 1
    lake.put(SLOT.manifest_key(1), b"{")
    assert last_readable(Versions(lake)) is None
