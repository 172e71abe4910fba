"""Drawings of rings: who paid whom, how much and when, with masked accounts."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from fraud_assets.ring_pictures import pictures_of, ring_picture, short_amount
from fraud_assets.svg import text_width

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


def boxes(svg: bytes) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each label and account; the paper is left out."""
    found = [one for one in ET.fromstring(svg).iter() if one.tag.endswith("}rect")][1:]  # noqa: S314 - our own drawing
    read = [[float(one.get(name, "0")) for name in ("x", "y", "width", "height")] for one in found]
    return [(x, y, x + width, y + height) for x, y, width, height in read]


SHAPES: dict[str, list[tuple[int, int]]] = {
    "cycle of 2": [(0, 1), (1, 0)],
    "cycle of 3": [(0, 1), (1, 2), (2, 0)],
    "cycle of 12": [(k, (k + 1) % 12) for k in range(12)],
    "chain of 4": [(k, k + 1) for k in range(3)],
    "chain of 6": [(k, k + 1) for k in range(5)],
    "chain of 7": [(k, k + 1) for k in range(6)],
    "chain of 12": [(k, k + 1) for k in range(11)],
    "fan_in of 21": [(k, 0) for k in range(1, 21)],
    "fan_out of 21": [(0, k) for k in range(1, 21)],
    "scatter_gather of 12": [(0, k) for k in range(2, 12)] + [(k, 1) for k in range(2, 12)],
    "gather_scatter of 9": [(k, 0) for k in range(1, 5)] + [(0, k) for k in range(4, 9)],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("times", [1, 2])
def test_no_label_lies_on_another_or_on_an_account(shape: str, times: int) -> None:
    pattern, _, size = shape.partition(" of ")
    # As wide as names can be: four capitals are shown of them.
    names = [f"aml:account:{n:04d}WMWM" for n in range(int(size))]
    paid = [pair for pair in SHAPES[shape] for _ in range(times)]
    table = pl.DataFrame(
        {
            "transaction_id": [f"t{n:03d}" for n in range(len(paid))],
            "occurred_at": [START + timedelta(hours=31 * n) for n in range(len(paid))],
            "amount": [12_345.0] * len(paid),
            "payer": [names[payer] for payer, _ in paid],
            "payee": [names[payee] for _, payee in paid],
        }
    )
    svg = ring_picture(ring(table, pattern, accounts=names), table)
    drawn = boxes(svg)
    assert len(drawn) == len(SHAPES[shape]) + int(size)
    width, height = (float(ET.fromstring(svg).get(name, "0")) for name in ("width", "height"))  # noqa: S314 - our own drawing
    for number, (left, top, right, bottom) in enumerate(drawn):
        assert 0 <= left < right <= width
        assert 40 <= top < bottom <= height
        for x0, y0, x1, y1 in drawn[:number]:
            # A pixel of two white edges does not matter.
            assert min(right, x1) - max(left, x0) <= 1 or min(bottom, y1) - max(top, y0) <= 1


def test_a_name_of_wide_letters_fits_into_its_box() -> None:
    accounts = ["aml:account:xxxxWMWM", "aml:account:xxxxilil", ACCOUNTS[0]]
    table = payments(("a", 1, 0, 1.0, 0)).with_columns(
        payer=pl.lit(accounts[1]), payee=pl.lit(accounts[0])
    )
    *_, wide, narrow, digits = boxes(ring_picture(ring(table, "cycle", accounts=accounts), table))
    # Five letters as wide as they are high, at 11 pixels, with room on both sides.
    assert wide[2] - wide[0] == pytest.approx(5 * 11 + 14, abs=0.1)
    assert text_width("1234", 10) < text_width("ABCD", 10) < text_width("WMWM", 10)
    assert narrow[2] - narrow[0] < digits[2] - digits[0] < wide[2] - wide[0]


def test_what_a_source_wrote_stays_text() -> None:
    accounts = ['aml:account:xxxx<a&"', "aml:account:xxxx'/>\u202e", ACCOUNTS[0]]
    table = payments(("a", 1, 0, 1.0, 0)).with_columns(
        payer=pl.lit(accounts[1]), payee=pl.lit(accounts[0])
    )
    svg = ring_picture(ring(table, "cycle", accounts=accounts, ring_id="<script>&"), table)
    assert texts(svg)[-3:] == ['\u2026<a&"', "\u2026'/>?", "\u2026001"]
    assert texts(svg)[1].startswith("<script>&, score 0.75")
    assert b"<script" not in svg


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0.0, "0"),
        (940.0, "940"),
        (1_240.0, "1.2k"),
        (35_400.0, "35k"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (9_960.0, "10k"),
        (999_400.0, "999k"),
        (999_600.0, "1.0M"),
        (-35_400.0, "-35k"),
        (1.1e6, "1.1M"),
        (2e9, "2.0G"),
    ],
)
def test_amounts_in_a_few_characters(amount: float, words: str) -> None:
    assert short_amount(amount) == words
