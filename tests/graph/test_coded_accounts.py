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


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


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


def test_an_account_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="account"):
        coded_accounts(pl.Series([None, "a"], dtype=pl.String), pl.Series(["b", "b"]))


def test_names_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pl.Series, "hash", lambda self: self.str.len_bytes().cast(pl.UInt64), raising=True
    )
    coded = coded_accounts(pl.Series(["f:b", "f:a", "f:b"]), pl.Series(["f:c", "f:b", "f:aa"]))
    assert coded.names.to_list() == ["f:a", "f:aa", "f:b", "f:c"]
    assert coded.payer.tolist() == [2, 0, 2]
    assert coded.payee.tolist() == [3, 2, 1]


def test_many_accounts_are_numbered_once_each() -> None:
    """More of them than a table of numbers starts with, in an order that is not theirs."""
    payer = [f"account {(k * 7919) % 5000:04d}" for k in range(10_000)]
    coded = coded_accounts(pl.Series(payer), pl.Series(payer[::-1]))
    assert coded.names.to_list() == [f"account {k:04d}" for k in range(5000)]
    assert coded.payer.tolist() == [(k * 7919) % 5000 for k in range(10_000)]
    assert coded.payee.tolist() == coded.payer.tolist()[::-1]
