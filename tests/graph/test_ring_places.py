"""Where accounts of a ring stand in its drawing, and what its head and arrows say."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from fraud_assets import svg
from fraud_assets.ring_layout import ring_layout
from fraud_assets.ring_pictures import ring_picture

LETTERS = list("abcde")
START = datetime(2024, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(("pattern", "side"), [("fan_in", 1.0), ("fan_out", -1.0)])
def test_money_of_a_fan_runs_from_left_to_right(pattern: str, side: float) -> None:
    places = ring_layout(pattern, LETTERS, [])
    assert places["a"] == (side, 0.0)
    assert [places[name][0] for name in LETTERS[1:]] == [-side] * 4
    assert [places[name][1] for name in LETTERS[1:]] == pytest.approx([1.0, 1 / 3, -1 / 3, -1.0])


def test_intermediaries_stand_between_source_and_sink() -> None:
    assert ring_layout("scatter_gather", LETTERS, []) == {
        "a": (-1.0, 0.0),
        "b": (1.0, 0.0),
        "c": (0.0, 1.0),
        "d": (0.0, 0.0),
        "e": (0.0, -1.0),
    }


def test_a_cycle_runs_clockwise_from_the_top() -> None:
    places = ring_layout("cycle", LETTERS[:4], [])
    assert [tuple(round(value, 6) + 0.0 for value in place) for place in places.values()] == [
        (0.0, 1.0),
        (1.0, 0.0),
        (0.0, -1.0),
        (-1.0, 0.0),
    ]


def test_a_chain_runs_from_left_to_right_up_and_down_by_turns() -> None:
    places = ring_layout("chain", LETTERS, [])
    assert list(places.values()) == [(-1, 0.5), (-0.5, -0.5), (0, 0.5), (0.5, -0.5), (1, 0.5)]


def drawing(pattern: str, last_hours: float) -> str:
    """Account a pays b twice, first and after some hours."""
    table = pl.DataFrame(
        {
            "transaction_id": ["s", "t"],
            "occurred_at": [START, START + timedelta(hours=last_hours)],
            "amount": [10.0, 20.0],
            "payer": ["a", "a"],
            "payee": ["b", "b"],
        }
    )
    ring = {
        "ring_id": "ring-1",
        "pattern": pattern,
        "score": 0.75,
        "accounts": ["a", "b"],
        "transaction_ids": ["s", "t"],
        "n_transactions": 2,
        "first_at": START,
        "last_at": START + timedelta(hours=last_hours),
    }
    return ring_picture(ring, table).decode()


def test_days_are_told_once_where_they_are_the_same() -> None:
    one_day, two_days = drawing("fan_out", 5), drawing("fan_out", 20)
    assert "2 payments, 02 Mar 2024<" in one_day
    assert "1: 2x 30, 02 Mar 10:00<" in one_day
    assert "2 payments, 02 Mar 2024 to 03 Mar 2024<" in two_days
    assert "1: 2x 30, 02 Mar to 03 Mar<" in two_days


def test_a_centre_is_told_by_its_colour_and_a_cycle_has_none() -> None:
    assert drawing("fan_out", 5).count(f'fill="{svg.CENTRE}"') == 1
    assert drawing("cycle", 5).count(f'fill="{svg.CENTRE}"') == 0
