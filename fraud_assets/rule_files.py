"""Analysts' rules: files of YAML to checked values, with every mistake in them named."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fraud_assets.feeds.spelling import utc_datetime
from fraud_assets.rule_mistakes import RuleFileError, RuleMistake, cut, excerpt_of
from fraud_assets.rule_yaml import MOST_BYTES, MOST_RULES, Entry, YamlFault, entries_of
from gpu_ops.rules import MOST_WEIGHT, Rule, RuleSet
from gpu_ops.sql_faults import ConditionError, did_you_mean, told

Status = Literal["active", "shadow", "disabled"]

EXAMPLE: Final = Path(__file__).parent / "rule_examples" / "example.yaml"
"""Rules to begin with; they are loaded only from a folder of one's own."""

FAMILY: Final = "rules"
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_DAY: Final = timedelta(days=1)
_LAST_DAY: Final = datetime.max.replace(tzinfo=UTC) - _DAY
# Neither what drives a terminal nor what turns the direction of writing.
_LINE: Final = r"[^\x00-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]"


@dataclass(frozen=True)
class OwnRule:
    """A rule that an analyst wrote.

    Attributes:
        rule: The rule itself.
        status: `active`: its hits are reasons; `shadow`: they are counted; `disabled`: neither.
        feeds: Feeds that it looks at; empty: all.
        owner: Who answers for it; empty if nobody is named.
        file: Where it stands.
        line: And in which line.
    """

    rule: Rule
    status: Status
    feeds: tuple[str, ...]
    owner: str
    file: str
    line: int

    def looks_at(self, feed: str) -> bool:
        """Whether it is meant for the transactions of a feed."""
        return not self.feeds or feed in self.feeds


def load_rules(folder: Path | None, feeds: Collection[str]) -> tuple[OwnRule, ...]:
    """The rules of a folder's `*.yaml` and `*.yml` files, in the order of files and lines.

    Args:
        folder: The setting FRAUD_RULES_DIR; None: there are no rules of one's own.
        feeds: The feeds that there are.

    Raises:
        RuleFileError: All mistakes in all files, or no such folder.
    """
    if folder is None:
        return ()
    if not folder.is_dir():
        problem = "there is no such folder (setting FRAUD_RULES_DIR)"
        raise RuleFileError([RuleMistake(str(folder), None, "", problem)])
    files = sorted(one for one in folder.iterdir() if one.suffix.lower() in _SUFFIXES)
    return read_rules(files, feeds)


def read_rules(files: Iterable[Path], feeds: Collection[str]) -> tuple[OwnRule, ...]:
    """The rules of these files.

    Raises:
        RuleFileError: All mistakes in all files.
    """
    rules: list[OwnRule] = []
    mistakes: list[RuleMistake] = []
    for file in files:
        if file.exists() and not file.is_file():
            # Reading a named pipe would wait for a writer.
            mistakes.append(RuleMistake(str(file), None, "", "is no plain file"))
            continue
        try:
            rules += parse_rules(_read(file), str(file), feeds)
        except RuleFileError as error:
            mistakes += error.mistakes
        except OSError as error:
            mistakes.append(RuleMistake(str(file), None, "", f"cannot be read: {error.strerror}"))
    mistakes += _doubles(rules)
    if len(rules) > MOST_RULES:
        one = rules[MOST_RULES]
        mistakes.append(RuleMistake(one.file, one.line, "", f"more than {MOST_RULES} rules"))
    if mistakes:
        raise RuleFileError(mistakes)
    return tuple(rules)


def _read(file: Path) -> bytes:
    """The bytes of a file, of one that is too long just enough to see it."""
    with file.open("rb") as source:
        return source.read(MOST_BYTES + 1)


def parse_rules(content: bytes, file: str, feeds: Collection[str]) -> list[OwnRule]:
    """The rules that a text describes.

    Args:
        content: YAML in UTF-8.
        file: What mistakes call it.
        feeds: The feeds that there are.

    Raises:
        RuleFileError: Every mistake in it, codes that stand in other files left aside.
    """
    try:
        entries = entries_of(content)
    except YamlFault as error:
        raise RuleFileError([RuleMistake(file, error.line, "", error.problem)]) from error
    rules: list[OwnRule] = []
    mistakes: list[RuleMistake] = []
    for entry in entries:
        found = _rule_of(entry, file, feeds)
        if isinstance(found, OwnRule):
            rules.append(found)
        else:
            mistakes += found
    if mistakes:
        raise RuleFileError(mistakes)
    return rules


def rules_of(feed: str, rules: Iterable[OwnRule]) -> RuleSet:
    """What looks at a feed's transactions, of a folder's rules."""
    mine = [one for one in rules if one.looks_at(feed)]
    return RuleSet(
        tuple(one.rule for one in mine if one.status == "active"),
        tuple(one.rule for one in mine if one.status == "shadow"),
    )


def _end(value: object) -> object:
    """A moment; a date alone means that the whole day still counts.

    Raises:
        ValueError: It is none, or the day after it is in no calendar.
    """
    at = utc_datetime(value)
    is_date = not isinstance(value, datetime) and len(str(value)) <= len("2026-01-01")
    if not is_date or not isinstance(at, datetime):
        return at
    if at > _LAST_DAY:
        raise ValueError("write an earlier day; without this key the rule has no end")
    return at + _DAY


class _Written(BaseModel):
    """A rule as its author writes it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    code: str = Field(pattern=r"^RULE_[A-Z0-9][A-Z0-9_]*$", max_length=60)
    text: str = Field(min_length=1, max_length=300, pattern=f"^{_LINE}+$")
    when: str = Field(min_length=1)
    weight: int = Field(default=1, ge=1, le=MOST_WEIGHT)
    status: Status = "active"
    feeds: list[str] = Field(default_factory=list)
    valid_from: Annotated[datetime | None, BeforeValidator(utc_datetime)] = None
    valid_until: Annotated[datetime | None, BeforeValidator(_end)] = None
    owner: str = Field(default="", max_length=100, pattern=f"^{_LINE}*$")


_ACCEPTED: Final = {
    "code": "accepted: RULE_, then capital letters, digits and _, 60 characters at most",
    "text": "accepted: one line of 1 to 300 characters that an analyst understands",
    "when": "accepted: a condition in SQL, as text",
    "weight": f"accepted: a whole number from 1 to {MOST_WEIGHT}",
    "status": "accepted: active, shadow, disabled",
    "feeds": "accepted: a list of feeds",
    "owner": "accepted: one line of at most 100 characters",
}


def _rule_of(entry: Entry, file: str, feeds: Collection[str]) -> OwnRule | list[RuleMistake]:
    raw = entry.value if isinstance(entry.value, dict) else {}
    named = raw.get("code")
    code = cut(named) if isinstance(named, str) else ""

    def mistake(problem: str, key: str = "", excerpt: str = "") -> RuleMistake:
        return RuleMistake(file, entry.lines.get(key, entry.line), code, problem, excerpt)

    try:
        written = _Written.model_validate(entry.value)
    except ValidationError as error:
        details = error.errors()
        found = [
            mistake(_problem(one), str(one["loc"][0] if one["loc"] else "")) for one in details
        ]
        if not any(one["loc"][:1] == ("when",) for one in details) and "when" in raw:
            found += [mistake(*one) for one in _faults(str(raw["when"]))]
        return found
    problems = [(one, "feeds", "") for one in _unknown_feeds(written.feeds, feeds)]
    if written.valid_from and written.valid_until and written.valid_from >= written.valid_until:
        problems.append(("valid_until: it lies before valid_from", "valid_until", ""))
    problems += _faults(written.when)
    if problems:
        return [mistake(*one) for one in problems]
    rule = Rule(
        written.code,
        FAMILY,
        written.text,
        written.when,
        written.weight,
        written.valid_from,
        written.valid_until,
    )
    return OwnRule(rule, written.status, tuple(written.feeds), written.owner, file, entry.line)


def _faults(condition: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a condition: the problem, the key, and the place marked in its line."""
    try:
        Rule("RULE_X", FAMILY, "", condition)
    except ConditionError as error:
        for fault in error.faults:
            yield f"when, {told(condition, fault)}", "when", excerpt_of(condition, fault)


def _unknown_feeds(named: Iterable[str], feeds: Collection[str]) -> list[str]:
    return [
        f"feeds: there is no feed {one!r}{did_you_mean(one, feeds)} "
        f"known feeds: {', '.join(sorted(feeds))}".replace("  ", " ")
        for one in named
        if one not in feeds
    ]


def _doubles(rules: Iterable[OwnRule]) -> Iterator[RuleMistake]:
    first: dict[str, OwnRule] = {}
    for one in rules:
        code = one.rule.code
        if code in first:
            where = f"{first[code].file}:{first[code].line}"
            yield RuleMistake(
                one.file, one.line, code, f"{where} has this code too; one rule a code"
            )
        first.setdefault(code, one)


def _problem(details: ErrorDetails) -> str:
    if not details["loc"]:
        return f"a rule is a mapping with the keys {', '.join(_Written.model_fields)}"
    key = cut(str(details["loc"][0]))
    if details["type"] == "missing":
        return f"{key}: this key is required"
    if details["type"] == "extra_forbidden":
        hint = did_you_mean(key, _Written.model_fields)
        return f"{key}: unknown key{hint} accepted: {', '.join(_Written.model_fields)}"
    given = details["input"]
    found = str(given) if isinstance(given, date) else repr(given)
    shown = cut(found)
    accepted = _ACCEPTED.get(key) or details["msg"].removeprefix("Value error, ")
    return f"{key}: found {shown}; {accepted}"
