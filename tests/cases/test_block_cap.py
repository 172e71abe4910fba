"""The fuse of automatic blocks: what is lowered, what is counted, in any split."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets.fuse import fused
from gpu_ops.block_cap import capped_blocks
from resources.settings import Settings

NINE = datetime(2024, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(*decided: tuple[str, float, str | None]) -> pl.DataFrame:
    """(id, minutes after nine, decision); each pays `b` from `a-<id>`."""
    return pl.DataFrame(
        {
            "transaction_id": [name for name, _, _ in decided],
            "occurred_at": [NINE + timedelta(minutes=minutes) for _, minutes, _ in decided],
            "decision": [decision for _, _, decision in decided],
            "payer": [f"a-{name}" for name, _, _ in decided],
            "payee": ["b"] * len(decided),
        },
        schema_overrides={"decision": pl.String, "occurred_at": pl.Datetime("us", "UTC")},
    )


FOUR = rows(
    ("4", 59.9, "block"),
    ("x", 1, "alert"),
    ("2", 5, "block"),
    ("1", 5, "block"),
    ("n", 6, None),
    ("3", 61, "block"),
)


@pytest.mark.parametrize(
    ("cap", "decided", "lowered"),
    [
        (None, ["block", "alert", "block", "block", None, "block"], 0),
        (3, ["block", "alert", "block", "block", None, "block"], 0),
        (2, ["alert", "alert", "block", "block", None, "block"], 1),
        # At equal times the smaller id keeps its block.
        (1, ["alert", "alert", "alert", "block", None, "block"], 2),
        (0, ["alert", "alert", "alert", "alert", None, "alert"], 4),
    ],
)
def test_the_earliest_of_an_interval_keep_their_block(
    cap: int | None, decided: list[str | None], lowered: int
) -> None:
    capped = capped_blocks(FOUR, cap=cap, interval=HOUR)
    assert capped.decision.to_list() == decided
    assert capped.lowered == lowered
    assert FOUR["decision"].to_list().count("block") == 4


def test_what_was_used_before_counts() -> None:
    capped = capped_blocks(FOUR, cap=2, interval=HOUR, used={NINE: 1, NINE - HOUR: 7})
    assert capped.lowered == 2
    assert capped.blocks == {NINE - HOUR: 7, NINE: 2, NINE + HOUR: 1}


def test_an_allowed_account_is_never_blocked_and_uses_nothing_up() -> None:
    capped = capped_blocks(FOUR, cap=2, interval=HOUR, allowed={"a-1"})
    assert capped.decision.to_list() == ["block", "alert", "block", "alert", None, "block"]
    assert capped_blocks(FOUR, cap=None, interval=HOUR, allowed={"b"}).lowered == 4


def test_before_1970_intervals_begin_as_after() -> None:
    old = rows(("1", 0, "block")).with_columns(
        occurred_at=pl.lit(datetime(1969, 12, 31, 23, 30, tzinfo=UTC))
    )
    blocks = capped_blocks(old, cap=1, interval=HOUR).blocks
    assert blocks == {datetime(1969, 12, 31, 23, tzinfo=UTC): 1}


@pytest.mark.parametrize(("cap", "interval"), [(-1, HOUR), (1, timedelta(0))])
def test_nonsense_is_refused(cap: int, interval: timedelta) -> None:
    with pytest.raises(ValueError, match=r"makes no sense|no length"):
        capped_blocks(FOUR, cap=cap, interval=interval)


def test_no_rows() -> None:
    assert capped_blocks(FOUR.clear(), cap=1, interval=HOUR).lowered == 0


@settings(deadline=None, max_examples=30)
@given(
    minutes=st.lists(st.integers(0, 180), max_size=12).map(sorted),
    cut=st.integers(0, 12),
    cap=st.integers(0, 3),
)
def test_one_after_the_other_is_as_all_at_once(minutes: list[int], cut: int, cap: int) -> None:
    table = rows(*((f"{place:02d}", minute, "block") for place, minute in enumerate(minutes)))
    whole = capped_blocks(table, cap=cap, interval=HOUR)
    first = capped_blocks(table[:cut], cap=cap, interval=HOUR)
    rest = capped_blocks(table[cut:], cap=cap, interval=HOUR, used=first.blocks)
    assert pl.concat([first.decision, rest.decision]).equals(whole.decision)
    assert first.lowered + rest.lowered == whole.lowered
    assert max([0, *whole.blocks.values()]) <= cap


def test_the_fuse_of_an_upload_leaves_what_is_in_sample() -> None:
    table = FOUR.with_columns(in_sample=pl.col("transaction_id") == "1").lazy()
    plain, nothing = fused(table, Settings())
    assert nothing == {}
    assert plain.collect().equals(table.collect())
    lowered, shown = fused(table, Settings(blocks_per_interval=1))
    assert shown == {"blocks_lowered": 1.0}
    assert lowered.collect()["decision"].to_list() == [
        *("alert", "alert", "block"),
        *("block", None, "block"),
    ]
