import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.accounts import coded_accounts


def test_accounts_are_numbered_in_the_order_of_their_names() -> None:
    coded = coded_accounts(pl.Series(["f:b", "f:a", "f:b"]), pl.Series(["f:c", "f:b", "f:aa"]))
    assert coded.names.to_list() == ["f:a", "f:aa", "f:b", "f:c"]
    assert coded.payer.tolist() == [2, 0, 2]
    assert coded.payee.tolist() == [3, 2, 1]


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(names, names), min_size=1, max_size=30))
def test_numbers_order_as_utf8_bytes_do(pairs: list[tuple[str, str]]) -> None:
    payer, payee = [a for a, _ in pairs], [b for _, b in pairs]
    coded = coded_accounts(pl.Series(payer), pl.Series(payee))
    expected = sorted({*payer, *payee}, key=str.encode)
    assert coded.names.to_list() == expected
    assert [expected[k] for k in coded.payer] == payer
    assert [expected[k] for k in coded.payee] == payee


def test_no_rows() -> None:
    empty = pl.Series([], dtype=pl.String)
    assert coded_accounts(empty, empty).names.is_empty()


@pytest.mark.parametrize("name", [None, "a\0b"])
def test_names_that_cannot_be_ordered_are_refused(name: str | None) -> None:
    with pytest.raises(ValueError, match="account"):
        coded_accounts(pl.Series([name, "a"], dtype=pl.String), pl.Series(["b", "b"]))
