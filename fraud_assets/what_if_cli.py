"""`fraud-assets what-if`: what other levels would have led to."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from fraud_assets.command_line import open_lake, print_lines
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from fraud_assets.what_if import WhatIf

_SHARE: Final = click.FloatRange(0, 1)
_DATE: Final = click.DateTime(formats=["%Y-%m-%d"])
_SHARES: Final = ("precision", "recall", "review_precision", "block_precision", "savings")
_NAMES: Final = {
    "alert": "alert level",
    "block": "block level",
    "capacity": "capacity a day",
    "alerts_a_day": "alerts a day",
    "reviews_a_day": "reviewed a day",
    "blocks_a_day": "blocked a day",
    "released_a_day": "released a day",
    "precision": "precision",
    "recall": "recall",
    "review_precision": "precision of reviews",
    "block_precision": "precision of blocks",
    "cost": "cost",
    "cost_of_nothing": "cost of doing nothing",
    "savings": "saving",
}


@click.command("what-if")
@click.option("--feed", required=True, help="Whose scores.")
@click.option("--alert", type=_SHARE, metavar="P", help="Alert from this probability on.")
@click.option("--block", type=_SHARE, metavar="P", help="Block from this probability on.")
@click.option("--capacity", type=click.IntRange(min=1), metavar="N", help="Reviews a day.")
@click.option("--from", "first", type=_DATE, metavar="DATE", help="First UTC day.")
@click.option("--to", "last", type=_DATE, metavar="DATE", help="Last UTC day, inclusive.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@told_plainly
def what_if(
    *,
    feed: str,
    alert: float | None,
    block: float | None,
    capacity: int | None,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,
) -> None:
    """What other levels would have led to, beside the present ones.

    From stored scores of rows with a known label that the champion was not made of. Nothing is
    scored again and nothing changes.
    """
    from fraud_assets.feeds import load_feeds
    from fraud_assets.what_if import Change, Span
    from fraud_assets.what_if import what_if as answer
    from resources.settings import Settings
    from resources.versions import Versions

    settings = Settings.load()
    feeds = load_feeds(settings.feeds_dir)
    if feed not in feeds:
        raise click.UsageError(f"there is no feed {feed!r}; known feeds: {', '.join(feeds)}")
    span = Span(
        None if first is None else first.replace(tzinfo=UTC),
        None if last is None else last.replace(tzinfo=UTC) + timedelta(days=1),
    )
    change = Change(alert, block, capacity)
    versions = Versions(open_lake(settings))
    found = answer(versions, feeds[feed], settings, change, span, datetime.now(UTC))
    print_lines([json.dumps(found.to_json())] if as_json else _lines(found))


def _lines(found: "WhatIf") -> Iterator[str]:
    from fraud_assets.text_layout import paragraph, table

    yield (
        f"{found.model}, {found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}: {found.rows:,} rows with "
        f"a known label, {found.frauds:,} frauds; {found.unlabelled:,} without one left out"
    )
    present = asdict(found.present)
    changed = None if found.changed is None else asdict(found.changed)
    rows = [
        [told, *(_cell(name, one[name]) for one in (present, changed) if one is not None)]
        for name, told in _NAMES.items()
    ]
    header = ["", f"present (by {found.policy})", *([] if changed is None else ["changed"])]
    yield from table("What it leads to", header, rows, numbers=len(header) - 1)
    yield ""
    yield from paragraph("", _released(found), "", lines=None)


def _released(found: "WhatIf") -> str:
    lot = found.released
    if lot.block_precision is None or lot.lower is None or lot.upper is None:
        return "No payment to be blocked was released yet whose outcome is known."
    return (
        f"Released by lot: {lot.rows:,} payments to be blocked, {lot.frauds:,} of them frauds; so "
        f"{lot.block_precision:.1%} of blocks are right ({lot.lower:.1%} to {lot.upper:.1%})."
    )


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "none" if name in {"alert", "block"} else ""
    if name in _SHARES:
        return f"{value:.1%}"
    if name in {"alert", "block"}:
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
