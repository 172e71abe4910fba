"""One rule hides identifiers wherever a person sees them."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.masking import masked, masked_expr

SHOWN = {
    "C1305486145": "…6145",
    "card:customer:1234567": "…567",
    "paysim:account:C123456789": "…6789",
    "12345678": "…5678",
    "card:terminal:596": "…6",
    "12": "…2",
    "card:terminal:7": "…",
    "7": "…",
    "": "…",
    "aml:account:iban:DE12:9876": "…9876",
    "one:colon": "…on",
    "\u20ac" * 9: "…" + "\u20ac" * 4,
    "abcdef\n\x00": "…ef??",
    "abcdefgh\u2028 \u00a0i": "…? ?i",
}


def of_table(values: list[str | None]) -> list[str | None]:
    frame = pl.DataFrame({"id": values}, schema={"id": pl.String})
    return frame.select(masked_expr(pl.col("id"))).to_series().to_list()


@pytest.mark.parametrize(("identifier", "shown"), SHOWN.items())
def test_at_most_four_characters_and_half_are_shown(identifier: str, shown: str) -> None:
    assert masked(identifier) == shown


def test_a_column_is_masked_as_single_names_are() -> None:
    assert of_table([*SHOWN, None]) == [*SHOWN.values(), None]


# Letters that are not assigned yet are left out: libraries disagree on them.
@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"])), max_size=20))
def test_table_and_single_names_agree_and_hide_at_least_half(names: list[str]) -> None:
    alone = [masked(name) for name in names]
    assert of_table([*names]) == alone
    for name, shown in zip(names, alone, strict=True):
        assert len(shown) - 1 <= min(4, len(name) // 2)
