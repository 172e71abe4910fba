"""Files of rules: what they say, and every mistake in them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_assets.feeds import load_feeds
from fraud_assets.rule_files import (
    EXAMPLE,
    load_rules,
    parse_rules,
    read_rules,
    rules_of,
)
from fraud_assets.rule_mistakes import RuleFileError
from gpu_ops.reasons import REASONS

FEEDS = ("card", "sim")
GOOD = b"""
rules:
  - code: RULE_NIGHT
    text: It is night.
    when: |
      hour_of_day BETWEEN 1 AND 5
      AND amount > 10
    weight: 3
    status: active
    feeds: [sim]
    valid_from: 2026-01-01
    valid_until: 2026-01-31
    owner: ann
  - {code: RULE_ALL, text: All., when: amount >= 0}
  - {code: RULE_TRIED, text: Tried., when: amount >= 0, status: shadow}
  - {code: RULE_OFF, text: Off., when: amount >= 0, status: disabled}
"""


def mistakes(content: bytes) -> list[str]:
    with pytest.raises(RuleFileError) as caught:
        parse_rules(content, "a.yaml", FEEDS)
    return str(caught.value).splitlines()


def test_a_rule_says_what_its_file_says() -> None:
    night, whole, *_ = parse_rules(GOOD, "a.yaml", FEEDS)
    assert (night.rule.code, night.rule.text, night.rule.weight) == (
        "RULE_NIGHT",
        "It is night.",
        3,
    )
    assert str(night.rule.parsed) == "(hour_of_day BETWEEN 1.0 AND 5.0) AND (amount > 10.0)"
    assert night.rule.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
    # A date means that the whole day still counts.
    assert night.rule.valid_until == datetime(2026, 2, 1, tzinfo=UTC)
    assert (night.owner, night.feeds, night.file, night.line) == ("ann", ("sim",), "a.yaml", 3)
    assert (whole.status, whole.rule.weight, whole.rule.valid_until, whole.line) == (
        "active",
        1,
        None,
        14,
    )


def test_a_feed_is_screened_by_its_rules_and_those_of_all() -> None:
    rules = parse_rules(GOOD, "a.yaml", FEEDS)
    sim, card = rules_of("sim", rules), rules_of("card", rules)
    assert [one.code for one in sim.own] == ["RULE_NIGHT", "RULE_ALL"]
    assert [one.code for one in card.own] == ["RULE_ALL"]
    assert [one.code for one in sim.shadow] == ["RULE_TRIED"]


def test_every_mistake_is_told_with_its_line() -> None:
    content = b"""\
rules:
  - code: rule_small
    text: a
    when: amont > 5
  - code: RULE_A
    text: |
      two
      lines
    when: |
      amount > 5
      AND is_fraud = TRUE
    wieght: 3
  - code: RULE_B
    text: c
    when: amount > 1 AND
    feeds: [sin]
    valid_from: 2026-02-01
    valid_until: 2026-01-31
  - code: RULE_C
    when: 5
    weight: 11
    status: on
  - RULE_D
"""
    assert mistakes(content) == [
        (
            "a.yaml:2: rule_small: code: found 'rule_small'; accepted: RULE_, then capital "
            "letters, digits and _, 60 characters at most"
        ),
        (
            "a.yaml:4: rule_small: when, line 1, column 1: there is no column 'amont'; did you "
            "mean 'amount'?"
        ),
        (
            "a.yaml:6: RULE_A: text: found 'two\\nlines\\n'; accepted: one line of 1 to 300 "
            "characters that an analyst understands"
        ),
        (
            "a.yaml:12: RULE_A: wieght: unknown key; did you mean 'weight'? accepted: code, text, "
            "when, weight, status, feeds, valid_from, valid_until, owner"
        ),
        (
            "a.yaml:9: RULE_A: when, line 2, column 5: 'is_fraud' cannot be read: a label is not "
            "known at the moment of the transaction"
        ),
        (
            "a.yaml:16: RULE_B: feeds: there is no feed 'sin'; did you mean 'sim'? known feeds: "
            "card, sim"
        ),
        "a.yaml:18: RULE_B: valid_until: it lies before valid_from",
        "a.yaml:15: RULE_B: when, line 1, column 15: a value is missing here; found the end",
        "a.yaml:19: RULE_C: text: this key is required",
        "a.yaml:20: RULE_C: when: found 5; accepted: a condition in SQL, as text",
        "a.yaml:21: RULE_C: weight: found 11; accepted: a whole number from 1 to 10",
        "a.yaml:22: RULE_C: status: found True; accepted: active, shadow, disabled",
        (
            "a.yaml:23: a rule is a mapping with the keys code, text, when, weight, status, feeds, "
            "valid_from, valid_until, owner"
        ),
    ]


def test_the_place_in_a_condition_is_shown() -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_rules(
            b"rules:\n- {code: RULE_A, text: a, when: amount > 5 AND kynd = 'card'}", "a", FEEDS
        )
    (mistake,) = caught.value.mistakes
    assert mistake.excerpt == "amount > 5 AND kynd = 'card'\n               ^"
    # A long line is shown around the place alone.
    long = f"amount > 5 AND {'amount > 5 AND ' * 20}kynd = 'card'{' OR amount > 5' * 20}"
    with pytest.raises(RuleFileError) as caught:
        parse_rules(f"rules:\n- {{code: RULE_A, text: a, when: {long}}}".encode(), "a", FEEDS)
    (mistake,) = caught.value.mistakes
    before = "amount > 5 AND " * 4
    after = "kynd = 'card' OR amount > 5 OR amount > 5 OR amount > 5 OR a"
    assert mistake.excerpt == f"{before}{after}\n{' ' * 60}^"


def test_what_a_mistake_shows_of_a_file_is_short_and_drives_no_terminal() -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_rules(
            b'rules:\n- code: "R\\e[2J"\n  text: a\n  when: "amount >\\t\\e[2J\\u202e"\n'
            b'  "k\\e": 1\n'
            b"- {code: " + b"A" * 1_000 + b", text: a, when: amount > 5}\n",
            "a.yaml",
            FEEDS,
        )
    first, second, third, fourth = caught.value.mistakes
    assert str(first).startswith("a.yaml:2: R?[2J: code: found 'R\\x1b[2J'; accepted: RULE_")
    assert str(second).startswith("a.yaml:5: R?[2J: k?: unknown key")
    assert third.excerpt == "amount > ?[2J?\n         ^"
    assert str(fourth).startswith(f"a.yaml:6: {'A' * 60}…: code: found '{'A' * 59}…; accepted")


@pytest.mark.parametrize("sign", ["\\e", "\\x9b", "\\u202e", "\\u2066", "\\u2028"])
def test_texts_that_drive_a_terminal_are_mistakes(sign: str) -> None:
    for key in ("text", "owner"):
        text = "" if key == "text" else "text: a, "
        content = f'rules:\n- {{code: RULE_A, {text}when: amount > 5, {key}: "a{sign}b"}}'
        (mistake,) = mistakes(content.encode())
        assert mistake.startswith(f"a.yaml:2: RULE_A: {key}: found 'a\\")


def test_there_are_at_most_so_many_rules(tmp_path: Path) -> None:
    def written(name: str, count: int) -> None:
        rules = "".join(
            f"- {{code: RULE_{name}{number}, text: a, when: amount > 5}}\n"
            for number in range(count)
        )
        (tmp_path / f"{name}.yaml").write_text(f"rules:\n{rules}")

    written("A", 300)
    written("B", 200)
    assert len(load_rules(tmp_path, FEEDS)) == 500
    written("B", 201)
    with pytest.raises(RuleFileError, match=r"B\.yaml:202: more than 500 rules"):
        load_rules(tmp_path, FEEDS)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.yaml: it holds one key, rules, with a list of rules below it"),
        (b"rules: 5", "a.yaml: it holds one key, rules"),
        (b"rules: []\nmore: 1", "a.yaml: it holds one key, rules"),
        (b"rules:\n - {code: RULE_A, code: RULE_B}", "a.yaml:2: it is not YAML: the key 'code' is"),
        (b"rules:\n - &a {code: RULE_A}\n - *a", "a.yaml:3: it is not YAML: aliases (*) are not"),
        (b"rules: " + b"[" * 1_500, "a.yaml: it is nested too deeply"),
        (b"rules:\n - {code: !!python/name:os.system }", "a.yaml:2: it is not YAML: tags (!) are"),
        (b"rules:\n - {code: 1}\n - !!bool x", "a.yaml:3: it is not YAML: tags (!) are not"),
        (b"rules:\n - !!timestamp x", "a.yaml:2: it is not YAML: tags (!) are not allowed"),
        (b"rules:\n - !!int ''", "a.yaml:2: it is not YAML: tags (!) are not allowed"),
        (b"rules:\n - !!map {a: 1}", "a.yaml:2: it is not YAML: tags (!) are not allowed"),
        (b"rules:\n - code: 1\n   ? [a, b]\n   : 1", "a.yaml:3: it is not YAML: a key is a plain"),
        (b"? {a: 1}\n: 2", "a.yaml:1: it is not YAML: a key is a plain text"),
        # Three spellings of one value, of which YAML would keep the last.
        (
            b"rules:\n- code: RULE_A\n  true: 1\n  True: 2\n  yes: 3",
            "a.yaml:3: it is not YAML: a key",
        ),
        (
            b"rules:\n- code: RULE_A\n  yes: 1",
            "a.yaml:3: it is not YAML: a key is a plain text, not",
        ),
        (
            b"rules:\n- code: A\n  'code': B",
            "a.yaml:3: it is not YAML: the key 'code' is given twice",
        ),
        (
            b"rules:\n- code: A\n  <<: {code: B}",
            "a.yaml:3: it is not YAML: a key is a plain text, not",
        ),
        (b"rules:\n- code: A\n  text: \x00", "a.yaml:3: U+0000 is not allowed in YAML"),
        (b"\xff\xfe", "a.yaml: it is not UTF-8 at byte 0"),
        (b"#" * 1_048_577, "a.yaml: the file has more than 1,048,576 bytes"),
        # A file made to be slow is refused before it is read to its end.
        (
            b"rules:\n" + b"- {}\n" * 200_000,
            "a.yaml:19999: there are more than 20,000 keys and values up to here, more than 500",
        ),
        (b"rules:\n" + b"- {}\n" * 501, "a.yaml:502: more than 500 rules"),
    ],
)
def test_what_is_no_file_of_rules_is_refused(content: bytes, told: str) -> None:
    assert mistakes(content)[0].startswith(told)


BARE = "rules:\n- code: RULE_A\n  text: a\n  when: amount > 5\n  "


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "valid_from: 0001-01-01T00:00:00+02:00",
            "valid_from: found 0001-01-01 00:00:00+02:00; write",
        ),
        (
            "valid_from: '0001-01-01T00:00:00+02:00'",
            "valid_from: found '0001-01-01T00:00:00+02:00';",
        ),
        ("valid_until: 9999-12-31T23:00:00-05:00", "valid_until: found 9999-12-31 23:00:00-05:00;"),
        # The day after it, which the rule would end with, is in no calendar.
        ("valid_until: 9999-12-31", "valid_until: found 9999-12-31; write an earlier day; without"),
        ("valid_until: '9999-12-31'", "valid_until: found '9999-12-31'; write an earlier day;"),
        # YAML takes these for dates and numbers, which they are not.
        ("valid_from: 2026-13-45", "valid_from: found '2026-13-45'; write a date or an ISO 8601"),
        ("valid_from: 2026-01-01T00:00:00+25:00", "valid_from: found '2026-01-01T00:00:00+25:00';"),
        ("weight: 0x_", "weight: found '0x_'; accepted: a whole number from 1 to 10"),
        (f"weight: {'9' * 5_000}", f"weight: found '{'9' * 59}…; accepted: a whole number from"),
        # More digits than a number may be printed with, in other spellings of YAML.
        (f"weight: 0x{'f' * 5_000}", f"weight: found '0x{'f' * 57}…; accepted: a whole number"),
        (f"weight: 1{':59' * 5_000}", f"weight: found '1{':59' * 19}:…; accepted: a whole number"),
        ('owner: "ann\\nbob"', "owner: found 'ann\\nbob'; accepted: one line of at most 100"),
    ],
)
def test_a_value_that_cannot_be_is_a_mistake_of_its_rule(line: str, told: str) -> None:
    content = f"{BARE}{line}\n- {{code: RULE_B, text: b, when: amont > 5}}\n".encode()
    first, second = mistakes(content)
    assert first.startswith(f"a.yaml:5: RULE_A: {told}")
    assert second.startswith("a.yaml:6: RULE_B: when, line 1, column 1: there is no column 'amont'")


def test_the_last_day_that_can_be_written_still_ends() -> None:
    (rule,) = parse_rules(f"{BARE}valid_until: 9999-12-30\n".encode(), "a.yaml", FEEDS)
    assert rule.rule.valid_until == datetime(9999, 12, 31, tzinfo=UTC)


def test_a_folder_is_read_whole_and_a_code_stands_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("rules:\n- {code: RULE_A, text: a, when: amount > 5}")
    (tmp_path / "a.YML").write_text("rules:\n\n- {code: RULE_A, text: a, when: amount > 6}")
    (tmp_path / "notes.txt").write_text("no rules")
    with pytest.raises(RuleFileError) as caught:
        load_rules(tmp_path, FEEDS)
    first, second = tmp_path / "a.YML", tmp_path / "b.yaml"
    assert str(caught.value) == f"{second}:2: RULE_A: {first}:3 has this code too; one rule a code"
    (tmp_path / "b.yaml").unlink()
    assert [one.rule.formula for one in load_rules(tmp_path, FEEDS)] == ["amount > 6"]


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(100 * 1024**3)
    with pytest.raises(RuleFileError, match=r"long\.yaml: the file has more than 1,048,576 bytes"):
        read_rules([file], FEEDS)


def test_every_key_of_as_many_rules_as_there_may_be_fits() -> None:
    feeds = [f"feed{number}" for number in range(19)]
    whole = "".join(
        f"- {{code: RULE_{number}, text: a, when: amount > 5, weight: 1, status: shadow, "
        f"feeds: [{', '.join(feeds)}], valid_from: 2026-01-01, valid_until: 2026-02-01, "
        "owner: ann}\n"
        for number in range(500)
    )
    assert len(parse_rules(f"rules:\n{whole}".encode(), "a.yaml", feeds)) == 500


def test_no_folder_is_no_rules_and_a_missing_one_is_a_mistake(tmp_path: Path) -> None:
    assert load_rules(None, FEEDS) == ()
    with pytest.raises(RuleFileError, match="there is no such folder"):
        load_rules(tmp_path / "gone", FEEDS)
    with pytest.raises(RuleFileError, match=r"gone\.yaml: cannot be read: No such file"):
        read_rules([tmp_path / "gone.yaml"], FEEDS)


def test_a_folder_or_a_pipe_is_no_file_of_rules(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    os.mkfifo(tmp_path / "b.yaml")
    with pytest.raises(RuleFileError) as refused:
        load_rules(tmp_path, FEEDS)
    assert [one.problem for one in refused.value.mistakes] == ["is no plain file"] * 2


def test_the_example_has_no_mistakes_and_hits_nothing_before_it_is_switched_on() -> None:
    rules = read_rules([EXAMPLE], load_feeds())
    assert len(rules) == 4
    assert {one.status for one in rules} == {"shadow"}


def test_no_code_of_the_project_can_be_taken() -> None:
    assert not [code for code in REASONS if code.startswith("RULE_")]
