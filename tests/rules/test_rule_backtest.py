"""What a rule would have found, from stored tables made by hand; and nothing of it from later."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets import layers
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.rule_backtest import RuleBacktest, RuleBacktestError, backtest_rules
from fraud_assets.what_if import Span
from gpu_ops.rule_figures import Overlap
from gpu_ops.rules import Rule, RuleSet
from gpu_ops.splits import TimeSplit, Window
from resources.lake import Lake
from resources.registry import ModelNotFoundError, ModelRegistry
from resources.versions import Versions
from tests.rules.made_backtest import Paid, alerts, day, labels, publish, upload

AMOUNTS = st.sampled_from([5.0, 99.99, 100.0, 250.0])
LABELS = st.none() | st.tuples(st.booleans(), st.integers(0, 15))
NOW = 10
LATER = st.integers(NOW, NOW + 9)
FEED: Feed = load_feeds()["sim"]
LARGE = Rule("RULE_LARGE", "rules", "It is large.", "amount >= 100")
NIGHT = Rule("RULE_NIGHT", "rules", "It is night.", "hour_of_day < 6")
EVER = Span(None, None)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path / "lake")))


def tried(
    versions: Versions,
    now: datetime,
    *,
    rule: Rule = LARGE,
    span: Span = EVER,
    present: RuleSet | None = None,
) -> RuleBacktest:
    (found,) = backtest_rules(versions, FEED, [rule], present or RuleSet(), span, now)
    return found


def test_what_is_stored_is_counted_once_and_with_the_labels_of_now(versions: Versions) -> None:
    upload(
        versions,
        "one",
        [
            Paid("a", 0.5, is_fraud=True, known=3),
            Paid("b", 0.5, is_fraud=False, known=3),
            Paid("c", 1.5, is_fraud=True, known=20),
            Paid("d", 1.5, amount=99.99, is_fraud=True, known=2, in_sample=True),
            Paid("e", 1.5, in_sample=True),
        ],
    )
    # A transaction that two uploads hold is one.
    upload(versions, "two", [Paid("f", 2.5, 400.0), Paid("a", 0.5, is_fraud=True, known=3)])
    labels(versions, "late", ("f", True, 9), ("b", True, 11), ("e", False, 10))
    found = tried(versions, day(10)).figures
    assert (found.rows, found.days, found.hits, found.amount_hit) == (6, 3, 5, 800.0)
    assert (found.labelled, found.frauds, found.labelled_hits, found.fraud_hits) == (4, 3, 3, 2)
    assert (found.unlabelled_hits, found.in_sample_hits) == (2, 1)
    assert [(one.day.day, one.hits, one.frauds) for one in found.by_day] == [
        (1, 2, 1),
        (2, 2, 0),
        (3, 1, 1),
    ]
    # What is known from a moment on is not known at it.
    assert tried(versions, day(9)).figures.fraud_hits == 1
    later = tried(versions, day(21)).figures
    assert (later.labelled, later.frauds, later.fraud_hits) == (6, 5, 4)


@pytest.mark.parametrize(
    ("start", "end", "names"),
    [
        (None, None, ["2026-01-01", "2026-01-02", "2026-01-03"]),
        (1, None, ["2026-01-02", "2026-01-03"]),
        (None, 2, ["2026-01-01", "2026-01-02"]),
        (1, 2, ["2026-01-02"]),
    ],
)
def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(
    versions: Versions, start: int | None, end: int | None, names: list[str]
) -> None:
    upload(versions, "one", [Paid("a", 0), Paid("b", 1), Paid("c", 1.9), Paid("d", 2)])
    span = Span(None if start is None else day(start), None if end is None else day(end))
    found = tried(versions, day(10), span=span)
    assert [str(one.day) for one in found.figures.by_day] == names
    assert (found.first, found.last) == (
        day(0 if start is None else 1),
        day(2 if end is None else 1.9),
    )


def test_what_else_found_a_hit(versions: Versions) -> None:
    upload(
        versions,
        "one",
        [
            *(Paid(name, 0.5) for name in ("first", "second", "related", "ringed")),
            *(Paid(name, 0.5) for name in ("elsewhere", "alone")),
            Paid("blocked", 0.5, decision="block"),
            Paid("passed", 0.5, decision="none"),
            Paid("odd", 0.5, anomaly=0.65),
            Paid("nightly", 0.5, hour=3),
            Paid("unknown", 0.5, hour=None),
        ],
    )
    alerts(
        versions,
        ("sim", "transaction", "first", ["related"]),
        ("sim", "transaction", "second", None),
        ("sim", "ring", "alone", ["ringed"]),
        ("card", "transaction", "elsewhere", []),
    )
    found = tried(versions, day(1), present=RuleSet(own=(NIGHT,))).figures
    assert (found.hits, found.alerted_hits) == (11, 4)
    # Beside them: a block, a rule of the project and one of somebody's own.
    assert found.alone == 4
    assert [one for one in found.overlaps if one.both] == [
        Overlap("ANOMALY_HIGH", 1, 1, 1 / 11),
        Overlap("RULE_NIGHT", 1, 1, 1 / 11),
    ]


def test_a_draft_stands_in_the_place_of_the_rule_that_it_changes(versions: Versions) -> None:
    upload(versions, "one", [Paid("a", 0.5, hour=3), Paid("b", 0.5, hour=9)])
    draft = Rule("RULE_NIGHT", "rules", "It is night.", "hour_of_day < 12")
    found = tried(versions, day(1), rule=draft, present=RuleSet(own=(NIGHT, LARGE))).figures
    assert found.hits == 2
    assert [one.code for one in found.overlaps if one.both] == ["RULE_LARGE"]


def test_rows_that_a_model_knew_the_future_of_are_told_apart(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = (Window(day(2), day(4)), Window(day(5), day(6)), Window(day(8), day(9)))
    split = TimeSplit(*windows, label_delay=timedelta(days=1))

    def model(_: ModelRegistry, feed: str, version: int) -> SimpleNamespace:
        if (feed, version) == ("sim", 3):
            return SimpleNamespace(split=split)
        raise ModelNotFoundError("gone")

    monkeypatch.setattr(ModelRegistry, "get", model)
    # Before the windows, in them, between them, and within the delay of the last labels.
    days = {"before": 1, "in": 3, "between": 4.5, "delay": 6.5, "after": 7}
    rows = [Paid(name, at, in_sample=name == "in") for name, at in days.items()]
    upload(versions, "one", rows, "sim/3")
    found = tried(versions, day(10)).figures
    assert (found.hits, found.in_sample_hits) == (5, 4)
    # Nobody can tell of a model that is gone; a forest says itself what it was fitted on.
    upload(versions, "two", [Paid("gone", 20)], "sim/2")
    upload(versions, "three", [Paid("forest", 0), Paid("fitted", 0, in_sample=True)])
    found = tried(versions, day(30)).figures
    assert (found.hits, found.in_sample_hits) == (8, 6)


def test_uploads_whose_layers_do_not_fit_are_left_out_and_counted(versions: Versions) -> None:
    upload(versions, "whole", [Paid("a", 0.5)])
    raw, prepped = upload(versions, "young", [Paid("b", 0.5)])
    other = [Paid("c", 0.5), Paid("d", 0.5)]
    # Features that are newer than the scores, and transactions that are newer than both.
    slot = layers.upload_slot("prepped_transactions", "sim", "young")
    publish(versions, slot, versions.scan(prepped).collect(), raw, raw)
    publish(
        versions,
        slot,
        versions.scan(prepped).collect().with_columns(hour_of_day=None),
        raw,
    )
    elsewhere, _ = upload(versions, "moved", other)
    table = versions.scan(elsewhere).collect()
    publish(versions, layers.upload_slot("raw_transactions", "sim", "moved"), table[:1])
    upload(versions, "empty", [])
    found = tried(versions, day(1))
    assert (found.figures.rows, found.left_out) == (1, 2)


def test_rules_of_one_draft_stand_beside_the_active_ones_alone(versions: Versions) -> None:
    upload(versions, "one", [Paid("a", 0.5, hour=3), Paid("b", 0.5, hour=9)])
    found = backtest_rules(versions, FEED, [LARGE, NIGHT], RuleSet(own=(NIGHT,)), EVER, day(1))
    assert [one.figures.hits for one in found] == [2, 1]
    large, night = ({other.code for other in one.figures.overlaps} for one in found)
    assert "RULE_NIGHT" in large
    assert not {"RULE_NIGHT", "RULE_LARGE"} & night


def test_what_the_json_says_of_the_backtest(versions: Versions) -> None:
    upload(versions, "one", [Paid("a", 0.5), Paid("b", 1.5, 400.0)])
    upload(versions, "empty", [])
    raw, _ = upload(versions, "stale", [Paid("c", 0.5)])
    publish(
        versions,
        layers.upload_slot("raw_transactions", "sim", "stale"),
        versions.scan(raw).collect().clear(),
    )
    told = tried(versions, day(2)).to_json()
    names = ("feed", "rule", "when", "digest", "first", "last", "left_out_uploads", "reads_scores")
    assert [told[name] for name in names] == [
        "sim",
        "RULE_LARGE",
        "amount >= 100",
        LARGE.digest,
        "2026-01-01T12:00:00+00:00",
        "2026-01-02T12:00:00+00:00",
        1,
        False,
    ]
    assert told["by_day"] == [
        {"day": "2026-01-01", "hits": 1, "frauds": 0},
        {"day": "2026-01-02", "hits": 1, "frauds": 0},
    ]
    json.dumps(told)


def test_features_of_an_earlier_release_answer_what_they_can(versions: Versions) -> None:
    old, _ = upload(versions, "old", [Paid("a", 0.5)])
    prepped = versions.latest(layers.upload_slot("prepped_transactions", "sim", "old"))
    assert prepped is not None
    # The project's own rules read features that this upload has not; they hit nothing in it.
    hour = versions.scan(prepped).select("hour_of_day").collect()
    publish(versions, layers.upload_slot("prepped_transactions", "sim", "old"), hour, old)
    made = versions.latest(layers.upload_slot("prepped_transactions", "sim", "old"))
    assert made is not None
    slot = layers.upload_slot("augmented_transactions", "sim", "old")
    scored = versions.latest(slot)
    assert scored is not None
    publish(versions, slot, versions.scan(scored).collect(), old, made)
    assert tried(versions, day(1)).figures.hits == 1
    busy = Rule("RULE_BUSY", "rules", "The payer is busy.", "payer_count_30d > 3")
    with pytest.raises(
        RuleBacktestError,
        match=r"run \(1 uploads are left out: their features lack what the rule reads, or .* "
        r"fraud-assets run --backfill makes them anew\)",
    ):
        tried(versions, day(1), rule=busy)
    upload(versions, "new", [Paid("b", 0.5), Paid("c", 0.5)])
    found = tried(versions, day(1), rule=busy)
    assert (found.figures.rows, found.left_out) == (2, 1)
    assert tried(versions, day(1)).figures.rows == 3


def test_where_no_row_is_there_is_no_answer(versions: Versions) -> None:
    for span in (EVER, Span(day(5), None)):
        with pytest.raises(RuleBacktestError, match="no transaction of sim is scored in this span"):
            tried(versions, day(1), span=span)
        upload(versions, "one", [Paid("a", 0.5)])


@st.composite
def rows_between(draw: st.DrawFn, name: str, first: int, last: int) -> list[Paid]:
    """Transactions of some days, each with a label known then or later, or with none."""
    found = []
    for number, at in enumerate(draw(st.lists(st.integers(first, last), min_size=1, max_size=5))):
        label = draw(LABELS)
        is_fraud, known = (None, None) if label is None else (label[0], at + label[1] + 0.5)
        hour = draw(st.sampled_from([3, 12]))
        found.append(Paid(f"{name}{number}", at, draw(AMOUNTS), is_fraud, known, hour))
    return found


@given(
    rows_between("early", 0, NOW - 1),
    rows_between("later", NOW, NOW + 9),
    st.lists(st.tuples(st.sampled_from(["early0", "early1", "later0"]), st.booleans(), LATER)),
)
@settings(max_examples=10, deadline=None)
def test_no_figure_of_a_day_is_made_of_what_came_later(
    early: list[Paid], later: list[Paid], told: list[tuple[str, bool, float]]
) -> None:
    with TemporaryDirectory() as folder:
        versions = Versions(Lake.open(folder))
        upload(versions, "first", early)
        before = [tried(versions, day(NOW), rule=rule) for rule in (LARGE, NIGHT)]
        # Transactions that happen later, and labels of theirs and of the earlier ones.
        upload(versions, "a-second", later)
        labels(versions, "late", *told)
        until, end = Span(None, day(NOW)), day(NOW + 30)
        for rule, one in zip((LARGE, NIGHT), before, strict=True):
            as_of_then = tried(versions, day(NOW), rule=rule, span=until)
            assert as_of_then.figures == one.figures
            days = len(one.figures.by_day)
            whole = tried(versions, day(NOW), rule=rule).figures.by_day
            assert whole[:days] == one.figures.by_day
            # Later labels tell more of what was right. They never change what is hit.
            by_then = tried(versions, end, rule=rule).figures.by_day[:days]
            assert [one.hits for one in by_then] == [day.hits for day in one.figures.by_day]
