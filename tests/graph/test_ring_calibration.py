"""Of rings as strong as this one, how many turned out to be true."""

import polars as pl
import pytest

from gpu_ops.ring_calibration import ring_verdicts


def rings(*scores: float) -> pl.DataFrame:
    """Rings of three transactions each: a0, b0, c0, a1 and so on."""
    return pl.DataFrame(
        {
            "ring_id": [f"ring-{k}" for k in range(len(scores))],
            "score": list(scores),
            "transaction_ids": [[f"a{k}", f"b{k}", f"c{k}"] for k in range(len(scores))],
        },
        schema={
            "ring_id": pl.String,
            "score": pl.Float64,
            "transaction_ids": pl.List(pl.String),
        },
    )


def labels(**known: bool | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"transaction_id": list(known), "is_fraud": list(known.values())},
        schema={"transaction_id": pl.String, "is_fraud": pl.Boolean},
    )


STRONG, WEAK = [0.9] * 30, [0.3] * 30


def half_known(strong_true: int, weak_true: int) -> pl.DataFrame:
    """One label of each but the last ten of the strong and of the weak."""
    known: dict[str, bool | None] = {f"a{k}": k < strong_true for k in range(20)}
    known |= {f"b{30 + k}": k < weak_true for k in range(20)}
    return labels(**known)


def test_strong_rings_that_were_confirmed_more_often_have_the_larger_share() -> None:
    found = ring_verdicts(rings(*STRONG, *WEAK), half_known(16, 4))
    assert (found.judged, found.confirmed) == (40, 20)
    # A logistic curve through two strengths passes through their two shares, but for Platt's
    # smoothing of 40 targets: 16 and 4 of 20.
    assert found.share[0] == pytest.approx(0.8, abs=0.04)
    assert found.share[59] == pytest.approx(0.2, abs=0.04)
    assert found.share.n_unique() == 2
    assert found.reason == "20 of 40 judged rings were confirmed"


def test_where_strength_says_nothing_all_have_the_share_of_all() -> None:
    found = ring_verdicts(rings(*STRONG, *WEAK), half_known(5, 7))
    assert found.share.unique().to_list() == [pytest.approx(13 / 42)]
    assert found.reason == "12 of 40 judged rings were confirmed, stronger ones no more often"


def test_too_few_judged_rings_tell_no_share_and_say_so() -> None:
    found = ring_verdicts(rings(*STRONG, *WEAK), half_known(9, 0))
    assert found.share.null_count() == 60
    assert found.reason == (
        "9 of 40 judged rings were confirmed: fewer than 10 confirmed or refuted ones tell no share"
    )
    none = ring_verdicts(rings(*STRONG), labels(other=True))
    assert (none.judged, none.confirmed, none.share.null_count()) == (0, 0, 30)
    assert ring_verdicts(rings(), labels()).share.to_list() == []


def test_a_ring_is_confirmed_by_half_of_its_known_labels() -> None:
    known = {f"a{k}": True for k in range(12)} | {f"a{12 + k}": False for k in range(11)}
    # Half, a third, none known (null is unsure), and one of one.
    known |= {"a23": True, "b23": False}
    third: dict[str, bool | None] = {"a24": True, "b24": False, "c24": False, "a25": None}
    found = ring_verdicts(rings(*STRONG), labels(**known, **third))
    assert (found.judged, found.confirmed) == (25, 13)
