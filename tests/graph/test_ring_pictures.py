"""Drawings of rings: who paid whom, how much and when, with masked accounts."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from fraud_assets.ring_pictures import pictures_of, ring_picture, short_amount

START = datetime(2024, 3, 2, 10, tzinfo=UTC)
ACCOUNTS = ["aml:account:1000001", "aml:account:2000002", "aml:account:3000003"]


def payments(*told: tuple[str, int, int, float, float]) -> pl.DataFrame:
    """Name, payer and payee by number, amount, hours after the start."""
    return pl.DataFrame(
        [
            {
                "transaction_id": name,
                "occurred_at": START + timedelta(hours=hours),
                "amount": amount,
                "payer": ACCOUNTS[payer],
                "payee": ACCOUNTS[payee],
            }
            for name, payer, payee, amount, hours in told
        ]
    )


def ring(table: pl.DataFrame, pattern: str = "fan_in", **told: object) -> dict[str, object]:
    return {
        "ring_id": "ring-1",
        "pattern": pattern,
        "score": 0.75,
        "accounts": ACCOUNTS,
        "transaction_ids": table["transaction_id"].to_list(),
        "n_transactions": table.height,
        "first_at": table["occurred_at"].min(),
        "last_at": table["occurred_at"].max(),
        **told,
    }


def texts(svg: bytes) -> list[str]:
    return [one.text or "" for one in ET.fromstring(svg).iter() if one.tag.endswith("}text")]  # noqa: S314 - our own drawing


def paths(svg: bytes) -> list[list[float]]:
    """Start, middle and end of each arrow."""
    found = [one for one in ET.fromstring(svg).iter() if one.tag.endswith("}path")]  # noqa: S314 - our own drawing
    drawn = [one.get("d") or "" for one in found if one.get("marker-end")]
    return [[float(part) for part in d[1:].replace("Q", " ").split()] for d in drawn]


def test_an_arrow_tells_order_sum_and_time_of_a_pair() -> None:
    table = payments(("a", 1, 0, 1200.0, 0), ("b", 2, 0, 940.0, 1.5), ("c", 1, 0, 300.0, 49))
    svg = ring_picture(ring(table), table)
    assert texts(svg) == [
        "fan-in: 3 accounts, 3 payments, 02 Mar 2024 to 04 Mar 2024",
        "ring-1, score 0.75; each arrow: place in time, amount, when (UTC)",
        "1: 2x 1.5k, 02 Mar to 04 Mar",
        "2: 940, 02 Mar 11:30",
        "…001",
        "…002",
        "…003",
    ]
    # The payers stand on the left, the centre on the right, and money runs to the right.
    assert all(arrow[0] < 120 and arrow[4] > 640 for arrow in paths(svg))
    assert b"1000001" not in svg


def test_payments_there_and_back_do_not_lie_on_one_another() -> None:
    table = payments(("a", 0, 1, 10.0, 0), ("b", 1, 0, 10.0, 1))
    there, back = paths(ring_picture(ring(table, "cycle"), table))
    middles = (there[2], there[3]), (back[2], back[3])
    assert middles[0] != pytest.approx(middles[1], abs=20)


def test_of_a_large_ring_the_first_accounts_are_drawn() -> None:
    names = [f"aml:account:{1000 + n}" for n in range(30)]
    table = pl.DataFrame(
        {
            "transaction_id": [f"t{n}" for n in range(29)],
            "occurred_at": [START + timedelta(hours=n) for n in range(29)],
            "amount": [1.0] * 29,
            "payer": names[1:],
            "payee": [names[0]] * 29,
        }
    )
    svg = ring_picture(ring(table, accounts=names), table)
    assert texts(svg)[0].startswith("fan-in: 21 of 30 accounts, 29 payments")
    assert len(paths(svg)) == 20


def test_the_strongest_rings_have_a_file_each_and_the_same_bytes_again() -> None:
    table = payments(("a", 0, 1, 10.0, 0))
    rings = pl.DataFrame([ring(table, ring_id=f"ring-{n:02d}") for n in range(25)])
    drawn = pictures_of(rings, table)
    assert list(drawn) == [f"ring-{n:02d}.svg" for n in range(20)]
    assert drawn == pictures_of(rings, table)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0.0, "0"),
        (940.0, "940"),
        (1_240.0, "1.2k"),
        (35_400.0, "35k"),
        (1.1e6, "1.1M"),
        (2e9, "2.0G"),
    ],
)
def test_amounts_in_a_few_characters(amount: float, words: str) -> None:
    assert short_amount(amount) == words
