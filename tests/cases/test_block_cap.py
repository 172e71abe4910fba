"""The fuse of automatic blocks: what is lowered, what is counted, in any split."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets import layers
from fraud_assets.fuse import allowances_of, block_turn, fused
from gpu_ops.block_cap import blocks_by_interval, capped_blocks
from gpu_ops.case_lists import put_on_list, take_off_list
from gpu_ops.case_model import Subject
from resources.case_settings import STORE_FILE
from resources.errors import LeaseBusyError
from resources.settings import Settings
from resources.versions import Manifest, Versions
from tests.cases.made_lake import made, published

NINE = datetime(2024, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(*told: tuple[str, float, str | None]) -> pl.DataFrame:
    """(id, minutes after nine, decision); each pays `b` from `a-<id>`."""
    return pl.DataFrame(
        {
            "transaction_id": [name for name, _, _ in told],
            "occurred_at": [NINE + timedelta(minutes=minutes) for _, minutes, _ in told],
            "decision": [decision for _, _, decision in told],
            "payer": [f"a-{name}" for name, _, _ in told],
            "payee": ["b"] * len(told),
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


def test_time_decides_before_the_id() -> None:
    table = rows(("1", 9, "block"), ("2", 3, "block"), ("3", 3, "block"))
    decision = capped_blocks(table, cap=1, interval=HOUR).decision
    assert decision.to_list() == ["alert", "block", "alert"]


def test_what_was_used_before_counts() -> None:
    capped = capped_blocks(FOUR, cap=2, interval=HOUR, used={NINE: 1, NINE - HOUR: 7})
    assert capped.lowered == 2
    assert capped.blocks == {NINE - HOUR: 7, NINE: 2, NINE + HOUR: 1}


def test_an_allowed_account_is_never_blocked_and_uses_nothing_up() -> None:
    later = NINE + timedelta(days=1)
    capped = capped_blocks(FOUR, cap=2, interval=HOUR, allowed={"a-1": later})
    assert capped.decision.to_list() == ["block", "alert", "block", "alert", None, "block"]
    assert capped_blocks(FOUR, cap=None, interval=HOUR, allowed={"b": later}).lowered == 4


def test_an_account_is_allowed_until_a_moment_of_event_time() -> None:
    until = NINE + timedelta(minutes=61)
    capped = capped_blocks(FOUR, cap=None, interval=HOUR, allowed={"b": until})
    assert capped.decision.to_list() == ["alert", "alert", "alert", "alert", None, "block"]


def test_blocks_are_counted_by_the_interval_they_fall_into() -> None:
    assert blocks_by_interval(FOUR.lazy(), HOUR) == {NINE: 3, NINE + HOUR: 1}
    with pytest.raises(ValueError, match="no length"):
        blocks_by_interval(FOUR.lazy(), timedelta(0))


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


def lake_of(folder: Path, **more: object) -> tuple[Versions, Settings]:
    settings = Settings.model_validate({"lake": str(folder), "blocks_per_interval": 2, **more})
    return Versions(settings.open_lake()), settings


def scored(
    versions: Versions, key: str, table: pl.DataFrame, feed: str = "card", *, sample: bool = False
) -> Manifest:
    """Publish the scores of an upload."""
    attempt = versions.begin(layers.upload_slot("augmented_transactions", feed, key), "run-1")
    attempt.write_table(table.with_columns(in_sample=pl.lit(sample)))
    return versions.publish(attempt, inputs={})


def decided(versions: Versions, settings: Settings, table: pl.DataFrame, key: str) -> list[object]:
    table = table.with_columns(in_sample=pl.lit(value=False))
    lowered, _ = fused(table.lazy(), versions, settings, "card", key)
    return lowered.collect()["decision"].to_list()


def allow(settings: Settings, name: str, until: datetime) -> None:
    store = settings.open_cases(settings.lake)
    assert store is not None
    subject = Subject(kind="entity", feed="card", name=name)
    draft = put_on_list(
        store.book(), subject, "allowed", until=until, by="A", reason="ours", now=NINE
    )
    store.append([draft])


def test_the_fuse_of_an_upload_leaves_what_is_in_sample(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path, blocks_per_interval=None)
    table = FOUR.with_columns(in_sample=pl.col("transaction_id") == "1").lazy()
    plain, nothing = fused(table, versions, settings, "card", "one")
    assert nothing == {}
    assert plain.collect().equals(table.collect())
    versions, settings = lake_of(tmp_path, blocks_per_interval=1)
    lowered, shown = fused(table, versions, settings, "card", "one")
    assert shown == {"blocks_lowered": 1.0}
    assert lowered.collect()["decision"].to_list() == [
        *("alert", "alert", "block"),
        *("block", None, "block"),
    ]


def test_what_an_earlier_upload_used_counts_and_its_own_earlier_scores_do_not(
    tmp_path: Path,
) -> None:
    versions, settings = lake_of(tmp_path)
    first = rows(("a1", 0, "block"), ("a2", 59.9, "alert"), ("a3", 60, "block"))
    scored(versions, "first", first)
    second = rows(("b1", 1, "block"), ("b2", 2, "block"), ("b3", 61, "block"))
    assert decided(versions, settings, second, "second") == ["block", "alert", "block"]
    assert decided(versions, settings, first, "first") == ["block", "alert", "block"]
    scored(versions, "second", rows(("b1", 1, "block"), ("b3", 61, "block")))
    third = rows(("c1", 0, "block"), ("c2", 119, "block"), ("c3", 120, "block"))
    assert decided(versions, settings, third, "third") == ["alert", "alert", "block"]


def test_an_upload_that_is_scored_again_does_not_count_against_itself(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path, blocks_per_interval=1)
    mine = rows(("1", 1, "block"), ("2", 2, "alert"))
    scored(versions, "mine", mine)
    assert decided(versions, settings, mine, "mine") == ["block", "alert"]
    assert decided(versions, settings, mine, "other") == ["alert", "alert"]


def test_other_feeds_and_rows_in_sample_use_nothing_up(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path, blocks_per_interval=1)
    scored(versions, "other", FOUR, feed="aml")
    scored(versions, "learned", FOUR, sample=True)
    assert decided(versions, settings, rows(("1", 1, "block")), "mine") == ["block"]
    scored(versions, "later", FOUR)
    assert decided(versions, settings, rows(("1", 1, "block")), "mine") == ["alert"]


def test_scores_of_before_there_were_levels_use_nothing_up(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path)
    scored(versions, "old", FOUR.drop("decision"))
    assert decided(versions, settings, rows(("1", 1, "block")), "mine") == ["block"]


def test_a_damaged_upload_keeps_no_other_from_its_scores(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path, blocks_per_interval=1)
    manifest = scored(versions, "damaged", FOUR)
    (file,) = manifest.files
    versions.lake.delete([manifest.key_of(file.name)])
    assert decided(versions, settings, rows(("1", 1, "block")), "mine") == ["block"]


def test_an_allowed_account_is_not_blocked_until_its_entry_ends(tmp_path: Path) -> None:
    versions, settings = lake_of(tmp_path, blocks_per_interval=None)
    allow(settings, "a-2", NINE + HOUR)
    allow(settings, "a-3", NINE + HOUR)
    assert decided(versions, settings, FOUR, "one") == [
        *("block", "alert", "alert"),
        *("block", None, "block"),
    ]
    (entry, _) = settings.open_cases(settings.lake).entries()  # type: ignore[union-attr]
    assert allowances_of(versions, settings, "aml").until == {}
    store = settings.open_cases(settings.lake)
    assert store is not None
    store.append([take_off_list(entry, by="B", reason="over", now=NINE)])
    assert len(allowances_of(versions, settings, "card").until) == 1


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_a_store_that_is_away_forgets_nobody_who_is_allowed(tmp_path: Path, harm: str) -> None:
    versions, settings = lake_of(tmp_path)
    allow(settings, "a-2", NINE + HOUR)
    published(settings)
    assert made(settings).success
    file = tmp_path / STORE_FILE
    for one in file.parent.iterdir():
        one.unlink()
    if harm == "damaged":
        file.write_text("no database " * 100)
    found = allowances_of(versions, settings, "card")
    assert found.until == {"a-2": NINE + HOUR}
    assert found.problem.startswith("as of alerts/cases@1: ")
    _, shown = fused(
        FOUR.with_columns(in_sample=pl.lit(value=False)).lazy(), versions, settings, "card", "one"
    )
    assert shown == {"blocks_lowered": 1.0, "allowances": found.problem}


def test_the_turn_to_count_is_one_uploads_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraud_assets.fuse._WAIT_SECONDS", 0.0)
    versions, settings = lake_of(tmp_path)
    with block_turn(versions.lake, settings, "card") as guard:
        guard()
        with (
            pytest.raises(LeaseBusyError),
            block_turn(versions.lake, settings, "card"),
        ):
            pass
        with block_turn(versions.lake, settings, "aml") as other:
            other()
        versions.lake.put("leases/blocks-card/2.json", b"{}", create=True)
        with pytest.raises(dg.Failure, match="took over the feed card meanwhile"):
            guard()
    _, free = lake_of(tmp_path, blocks_per_interval=None)
    with block_turn(versions.lake, free, "card"), block_turn(versions.lake, free, "card"):
        pass
