"""`fraud-assets cases suppress` and its like: keep accounts off the cases for a time."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fraud_assets.case_command import (
    by_option,
    json_option,
    moment_of,
    opened,
    reason_option,
    told,
)
from fraud_assets.command_line import known_feed, print_lines

if TYPE_CHECKING:
    from gpu_ops.case_book import Book
    from gpu_ops.case_events import Draft
    from gpu_ops.case_model import ListKind, Subject
    from resources.settings import Settings

_until_option = click.option(
    "--until",
    required=True,
    metavar="DATE",
    help="What happens from then on alerts again; a date or a time, UTC if it names no zone.",
)


@click.command()
@click.argument("whom")
@_until_option
@by_option
@reason_option
@told
def suppress(*, whom: str, until: str, by: str, reason: str) -> None:
    """Open no case about WHOM for a time: a case, whose subject is meant, or feed:entity:id."""
    _put_on_list("suppressed", whom, until, by, reason)


@click.command()
@click.argument("whom")
@_until_option
@by_option
@reason_option
@told
def allow(*, whom: str, until: str, by: str, reason: str) -> None:
    """Trust WHOM for a time: no case about anything that it pays or is paid."""
    _put_on_list("allowed", whom, until, by, reason)


@click.command()
@click.argument("entry_id")
@by_option
@reason_option
@told
def lift(*, entry_id: str, by: str, reason: str) -> None:
    """End a suppression or an allowance before it runs out."""
    from fraud_assets.case_work import change_lists, find_entry
    from gpu_ops.case_lists import take_off_list

    def make(book: "Book") -> "Draft":
        entry = find_entry(book, entry_id)
        return take_off_list(entry, by=by, reason=reason, now=datetime.now(UTC))

    event = change_lists(opened()[1], make)
    print_lines([f"{event.stream} is lifted; what comes from now on alerts again"])


@click.command()
@json_option
@told
def suppressions(*, as_json: bool) -> None:
    """Who is suppressed or allowed, until when, by whom and why; accounts are masked."""
    from fraud_assets import case_listing

    _, store = opened()
    entries, now = list(store.book().entries()), datetime.now(UTC)
    if as_json:
        print_lines([case_listing.entry_json(entries, now)])
    else:
        print_lines(case_listing.entry_lines(entries, now) if entries else ["The lists are empty."])


def _put_on_list(kind: "ListKind", whom: str, until: str, by: str, reason: str) -> None:
    from fraud_assets.case_work import change_lists, find_case
    from gpu_ops.case_lists import put_on_list

    settings, store = opened()
    end = moment_of(until)
    account = _account(whom, settings)

    def make(book: "Book") -> "Draft":
        subject = find_case(book, whom, store.place).subject if account is None else account
        now = datetime.now(UTC)
        return put_on_list(book, subject, kind, until=end, by=by, reason=reason, now=now)

    event = change_lists(store, make)
    print_lines([f"{event.stream} is in force until {end:%Y-%m-%d %H:%M} UTC"])


def _account(whom: str, settings: "Settings") -> "Subject | None":
    """An account named as a node; None where a case is named, whose subject is meant.

    Raises:
        click.UsageError: It is neither, or no transaction can be of such an account: an entry about
            it would be in force and cover nothing.
    """
    from fraud_assets.feeds import load_feeds
    from gpu_ops.case_model import Subject

    feed, colon, rest = whom.strip().partition(":")
    if not colon:
        return None
    entity, _, name = rest.partition(":")
    if not (feed and entity and name):
        raise click.UsageError("name an account as feed:entity:id, or a case")
    accounts = known_feed(feed, load_feeds(settings.feeds_dir)).entities
    entities = {accounts.payer, accounts.payee}
    if entity not in entities:
        raise click.UsageError(
            f"{feed} has no {entity!r}; its accounts are {feed}:ENTITY:ID with "
            f"{' or '.join(sorted(entities))}"
        )
    return Subject(kind="entity", feed=feed, name=whom.strip())
