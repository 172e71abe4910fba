"""`fraud-assets rules`: analysts' rules, checked, listed, and tried on the stored past."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fraud_assets.command_line import known_feed, open_lake, print_lines
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fraud_assets.feeds import Feed
    from fraud_assets.rule_files import OwnRule
    from fraud_assets.rule_mistakes import RuleMistake
    from gpu_ops.rules import Rule
    from resources.settings import Settings

_MISTAKES: Final = 1
_DATE: Final = click.DateTime(formats=["%Y-%m-%d"])
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


@click.group()
def rules() -> None:
    """Screening rules of your own, in the folder FRAUD_RULES_DIR."""


@rules.command()
@click.argument("files", nargs=-1, type=_FILE)
@told_plainly
def check(files: tuple[Path, ...]) -> None:
    """Look for mistakes in FILES, or in all files of the folder, and show them all."""
    from fraud_assets.rule_files import read_rules
    from fraud_assets.rule_mistakes import RuleFileError

    settings, feeds = _settings_and_feeds()
    try:
        found = read_rules(files, feeds) if files else _own_rules(settings, feeds)
    except RuleFileError as error:
        print_lines(line for one in error.mistakes for line in _mistake_lines(one))
        sys.exit(_MISTAKES)
    print_lines([f"{len(found)} rules, no mistakes"])


@rules.command("list")
@click.option("--feed", help="Only rules that look at this feed.")
@_json_option
@told_plainly
def list_(*, feed: str | None, as_json: bool) -> None:
    """Rules of one's own and of the project, with what they look at."""
    from gpu_ops.rules import RULES

    settings, feeds = _settings_and_feeds()
    if feed is not None:
        known_feed(feed, feeds)
    own = [one for one in _own_rules(settings, feeds) if feed is None or one.looks_at(feed)]
    if as_json:
        listed = [_as_json(one) for one in own]
        listed += [{"code": one.code, "status": "built in", "when": one.formula} for one in RULES]
        print_lines([json.dumps({"rules": listed})])
    else:
        print_lines(_listed(own, RULES))


@rules.command()
@click.argument("rule")
@click.option("--feed", required=True, help="In whose stored transactions.")
@click.option("--since", type=_DATE, metavar="DATE", help="First UTC day.")
@click.option("--until", type=_DATE, metavar="DATE", help="Last UTC day, inclusive.")
@_json_option
@told_plainly
def backtest(
    *, rule: str, feed: str, since: datetime | None, until: datetime | None, as_json: bool
) -> None:
    """What RULE would have found: a rule's code, or a file of rules that need not be in the folder.

    From stored features, scores and labels. Nothing is scored again and nothing changes.
    """
    from fraud_assets.rule_backtest import backtest_rules
    from fraud_assets.rule_files import rules_of
    from fraud_assets.rule_report import backtest_lines
    from fraud_assets.what_if import Span
    from resources.versions import Versions

    if since is not None and until is not None and since > until:
        raise click.UsageError("--since lies after --until")
    settings, feeds = _settings_and_feeds()
    chosen = known_feed(feed, feeds)
    own = _own_rules(settings, feeds)
    span = Span(
        None if since is None else since.replace(tzinfo=UTC),
        None if until is None else until.replace(tzinfo=UTC) + timedelta(days=1),
    )
    versions = Versions(open_lake(settings))
    tried, present = _tried(rule, own, feeds), rules_of(feed, own)
    found = backtest_rules(versions, chosen, tried, present, span, datetime.now(UTC))
    if as_json:
        print_lines([json.dumps({"backtests": [one.to_json() for one in found]})])
    else:
        print_lines(line for one in found for line in backtest_lines(one))


def _settings_and_feeds() -> "tuple[Settings, dict[str, Feed]]":
    from fraud_assets.feeds import load_feeds
    from resources.settings import Settings

    settings = Settings.load()
    return settings, load_feeds(settings.feeds_dir)


def _own_rules(settings: "Settings", feeds: "Collection[str]") -> "tuple[OwnRule, ...]":
    from fraud_assets.rule_files import load_rules

    return load_rules(settings.rules_dir, feeds)


def _tried(named: str, own: "Sequence[OwnRule]", feeds: "Collection[str]") -> "list[Rule]":
    """The rules that a code or a file names."""
    from fraud_assets.rule_files import read_rules
    from gpu_ops.rules import RULES
    from gpu_ops.sql_faults import did_you_mean

    file = Path(named)
    if file.is_file():
        drafts = [one.rule for one in read_rules([file], feeds)]
        if not drafts:
            raise click.UsageError(f"{named!r} holds no rule")
        return drafts
    known = {one.code: one for one in (*RULES, *(one.rule for one in own))}
    if named not in known:
        raise click.UsageError(
            f"{named!r} is no file and no rule's code{did_you_mean(named, known)}"
        )
    return [known[named]]


def _mistake_lines(mistake: "RuleMistake") -> Iterator[str]:
    yield str(mistake)
    yield from (f"    {line}" for line in mistake.excerpt.splitlines())


def _as_json(one: "OwnRule") -> dict[str, object]:
    rule = one.rule
    return {
        "code": rule.code,
        "status": one.status,
        "when": rule.formula,
        "text": rule.text,
        "weight": rule.weight,
        "feeds": list(one.feeds),
        "valid_from": rule.valid_from and rule.valid_from.isoformat(),
        "valid_until": rule.valid_until and rule.valid_until.isoformat(),
        "owner": one.owner,
        "file": one.file,
        "line": one.line,
        "digest": rule.digest,
    }


def _listed(own: "Sequence[OwnRule]", built_in: "Sequence[Rule]") -> Iterator[str]:
    from fraud_assets.text_layout import table

    if not own:
        yield "No rules of your own here; name their folder in FRAUD_RULES_DIR."
    yield from table(
        "Rules of your own",
        ["code", "status", "weight", "feeds", "owner", "where"],
        [
            [
                one.rule.code,
                one.status,
                str(one.rule.weight),
                ", ".join(one.feeds) or "all",
                one.owner,
                f"{Path(one.file).name}:{one.line}",
            ]
            for one in own
        ],
    )
    yield from table(
        "Rules of the project", ["code", "when"], [[one.code, one.formula] for one in built_in]
    )
