from base64 import b64decode
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fraud_assets.pictures import (
    as_markdown,
    precision_recall_picture,
    score_histogram,
)
from fraud_assets.ring_layout import ring_layout
from gpu_ops.metrics import Evaluation, Figure
from gpu_ops.ranking_metrics import CurvePoint
from gpu_ops.ring_params import PATTERNS

LARGEST = 150_000


def dark_share(png: bytes) -> float:
    """Return the share of pixels that are not white; the picture must also be small."""
    assert len(png) < LARGEST
    pixels = np.asarray(Image.open(BytesIO(png)).convert("L"))
    return float((pixels < 200).mean())


@pytest.mark.parametrize("curve", [(), (CurvePoint(0.2, 0.9, 0.8), CurvePoint(1.0, 0.1, 0.1))])
def test_precision_recall_picture(curve: tuple[CurvePoint, ...]) -> None:
    figures = {"average_precision": Figure(0.5 if curve else None, 1.0, 0.01)}
    evaluation = Evaluation(1000, 10 if curve else 0, 5, 100, 5.0, figures, curve)
    assert dark_share(precision_recall_picture(evaluation, title="card")) > 0.005


@pytest.mark.parametrize("scores", [[], [None], [0.0, 0.5, 1.0, None]])
def test_score_histogram(scores: list[float | None]) -> None:
    drawn = score_histogram(pl.Series(scores, dtype=pl.Float32), "anomaly_score")
    assert dark_share(drawn) > 0.005


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_two_accounts_share_a_place(pattern: str) -> None:
    accounts = list("abcdefg")
    payments = [("b", "a"), ("c", "a"), ("a", "d"), ("a", "e"), ("a", "f"), ("a", "g")]
    places = ring_layout(pattern, accounts, payments)
    assert set(places) == set(accounts)
    assert len({(round(x, 6), round(y, 6)) for x, y in places.values()}) == 7
    assert all(abs(value) <= 1.0 + 1e-9 for place in places.values() for value in place)


def test_payers_of_a_gathering_stand_left_of_its_payees() -> None:
    places = ring_layout("gather_scatter", ["a", "b", "c"], [("b", "a"), ("a", "c")])
    assert places["b"][0] < places["a"][0] < places["c"][0]


def test_a_chain_runs_to_the_right_and_a_long_one_in_a_circle() -> None:
    six = ring_layout("chain", list("abcdef"), [])
    assert [round(six[name][0], 1) for name in "abcdef"] == [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]
    assert {y for _, y in six.values()} == {0.5, -0.5}
    # With more in a row its labels would lie on each other's arrows.
    seven = ring_layout("chain", list("abcdefg"), [])
    assert seven["a"] == (0.0, 1.0)
    assert {round(x * x + y * y, 9) for x, y in seven.values()} == {1.0}


def test_markdown_holds_the_bytes() -> None:
    text = as_markdown(b"\x89PNG", "rings")
    assert text.startswith("![rings](data:image/png;base64,")
    assert b64decode(text.removesuffix(")").split(",")[1]) == b"\x89PNG"
