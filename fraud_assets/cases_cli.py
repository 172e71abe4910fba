"""`fraud-assets cases`: what an analyst does with cases, from a terminal."""

import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fraud_assets.case_command import by_option, json_option, opened, reason_option, told
from fraud_assets.case_lists_cli import allow, lift, suppress, suppressions
from fraud_assets.command_line import known_feed, open_lake, print_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_ops.case_book import Book
    from gpu_ops.case_events import Draft, Event
    from gpu_ops.case_model import Case, State, Verdict
    from resources.case_store import CaseStore
    from resources.settings import Settings

_FAILED: Final = 1
_OPEN: Final = "open"
_WORKED_ON: Final = frozenset({"new", "assigned"})

_seen_option = click.option(
    "--seen", type=int, metavar="VERSION", help="Only if it is still the version that you saw."
)
_full_option = click.option("--full", is_flag=True, help="Whole account ids instead of masked.")


@click.group()
def cases() -> None:
    """List cases, look at one, decide it; keep accounts off the list for a time.

    A case is named by its id or by as many first characters of it as no other case has.
    """


@cases.command("list")
@click.option(
    "--state",
    type=click.Choice([_OPEN, "new", "assigned", "closed", "merged", "all"]),
    default=_OPEN,
    show_default=True,
)
@click.option("--feed", help="Of this feed alone.")
@click.option("--assignee", metavar="NAME", help="Of this person alone.")
@click.option("--overdue", is_flag=True, help="Only those that should be closed by now.")
@click.option("--limit", type=click.IntRange(min=1), help="So many at most.")
@json_option
@told
def list_cases(
    *,
    state: str,
    feed: str | None,
    assignee: str | None,
    overdue: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Cases in the order in which to work on them; accounts are masked."""
    from fraud_assets import case_listing
    from fraud_assets.feeds import load_feeds
    from gpu_ops.case_model import STATES

    settings, store = opened()
    book, now = store.book(), datetime.now(UTC)
    # Cases outlive the definition of their feed.
    if feed is not None and all(one.subject.feed != feed for one in book.cases()):
        known_feed(feed, load_feeds(settings.feeds_dir))
    wanted: frozenset[State] = frozenset(
        one for one in STATES if state in {one, "all"} or (state == _OPEN and one in _WORKED_ON)
    )
    chosen = case_listing.Filter(wanted, feed, assignee, overdue)
    found = case_listing.chosen(book, chosen, now)[:limit]
    if as_json:
        print_lines([case_listing.list_json(found, now)])
    elif found:
        print_lines(case_listing.list_lines(found, now))
    else:
        print_lines([f"No such case in {store.place}; fraud-assets run takes alerts in."])


@cases.command()
@click.argument("case_id")
@_full_option
@json_option
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write its timeline, as SVG.",
)
@told
def show(*, case_id: str, full: bool, as_json: bool, picture: Path | None) -> None:
    """All of a case: what it is about in words, reasons, alerts, and who did what when."""
    from fraud_assets import case_listing
    from fraud_assets.case_explaining import explain_case
    from fraud_assets.case_pictures import case_timeline
    from fraud_assets.case_work import find_case
    from resources.bedrock import explainer_of
    from resources.versions import Versions

    settings, store = opened()
    book = store.book()
    case = find_case(book, case_id, store.place)
    lake = settings.open_lake()
    words = explain_case(
        Versions(lake), case, book.cases_about(case.subject), explainer_of(settings, lake)
    )
    if picture is not None:
        if not case.alerts:
            raise click.ClickException(f"{case.case_id} has no alert to draw")
        picture.write_bytes(case_timeline(case))
    events, now = store.events(case.case_id), datetime.now(UTC)
    if as_json:
        print_lines([case_listing.show_json(case, events, now, words=words, full=full)])
    else:
        print_lines(case_listing.show_lines(case, events, now, words=words, full=full))


@cases.command()
@click.argument("case_id")
@click.option("--to", required=True, metavar="NAME", help="Who is to work on it.")
@by_option
@_seen_option
@told
def assign(*, case_id: str, to: str, by: str, seen: int | None) -> None:
    """Give a case to somebody; also from somebody else."""
    from gpu_ops import case_actions

    def make(_: "Book", case: "Case") -> "Draft":
        return case_actions.assign(case, to=to, by=by, now=datetime.now(UTC))

    event = _changed(opened()[1], case_id, make, seen)
    print_lines([f"{event.stream} is assigned to {to.strip()}"])


@cases.command()
@click.argument("case_id")
@by_option
@reason_option
@click.option("--to", metavar="NAME", help="Who is to look at it.")
@_seen_option
@told
def escalate(*, case_id: str, by: str, reason: str, to: str | None, seen: int | None) -> None:
    """Ask for somebody with more authority; escalated cases stand first in the list."""
    from gpu_ops import case_actions

    def make(_: "Book", case: "Case") -> "Draft":
        return case_actions.escalate(case, reason=reason, by=by, to=to, now=datetime.now(UTC))

    event = _changed(opened()[1], case_id, make, seen)
    print_lines([f"{event.stream} is escalated"])


@cases.command()
@click.argument("case_id")
@click.option("--verdict", type=click.Choice(["confirmed", "false", "unsure"]), required=True)
@by_option
@reason_option
@click.option(
    "--transactions",
    metavar="ID,ID",
    multiple=True,
    help="What it applies to, may be given several times; the case's evidence if not given.",
)
@_seen_option
@told
def close(
    *,
    case_id: str,
    verdict: "Verdict",
    by: str,
    reason: str,
    transactions: tuple[str, ...],
    seen: int | None,
) -> None:
    """Close a case. Its transactions get the verdict as a label that is known from now on."""
    from gpu_ops import case_actions

    def make(book: "Book", case: "Case") -> "Draft":
        ticked = [name for given in transactions for name in _named(given, case.evidence)]
        return case_actions.close(
            book,
            case,
            verdict=verdict,
            reason=reason,
            by=by,
            now=datetime.now(UTC),
            transaction_ids=ticked if transactions else None,
        )

    settings, store = opened()
    event = _changed(store, case_id, make, seen)
    print_lines([f"{event.stream} is closed as {verdict}"])
    _land_labels(settings, store)


@cases.command()
@click.argument("case_id")
@by_option
@reason_option
@_seen_option
@told
def reopen(*, case_id: str, by: str, reason: str, seen: int | None) -> None:
    """Work on a closed case again; its labels stand until it is closed anew."""
    from gpu_ops import case_actions

    settings, store = opened()

    def make(book: "Book", case: "Case") -> "Draft":
        now = datetime.now(UTC)
        return case_actions.reopen(book, case, reason=reason, by=by, now=now, due=settings.case_due)

    event = _changed(store, case_id, make, seen)
    print_lines([f"{event.stream} is open again"])


@cases.command()
@told
def verify() -> None:
    """Check that nobody changed the log, and that the cases are what it gives."""
    _, store = opened()
    problems = store.problems()
    if problems:
        raise click.ClickException("\n".join(problems))
    print_lines([f"{store.place}: {store.book().number} events, none changed"])


@cases.command()
@told
def restore() -> None:
    """Bring a lost store back from the last table of cases in the lake."""
    from fraud_assets.case_due import last_readable
    from fraud_assets.case_log import LOG
    from fraud_assets.case_log import restore as bring_back
    from resources.versions import Versions

    settings, store = opened(is_lost=True)
    versions = Versions(open_lake(settings))
    snapshot = last_readable(versions)
    if snapshot is None:
        raise click.ClickException(
            "the lake has no table of cases yet; there is nothing to restore"
        )
    restored = bring_back(store, versions.scan(snapshot, LOG).collect())
    print_lines([f"{restored} events came back from {snapshot.slot}@{snapshot.number}"])


for _command in (suppress, allow, lift, suppressions):
    cases.add_command(_command)


def _named(given: str, evidence: Collection[str]) -> list[str]:
    """Ids between commas; one of the evidence that holds commas itself is taken whole."""
    if given.strip() in evidence:
        return [given.strip()]
    return [name.strip() for name in given.split(",") if name.strip()]


def _changed(
    store: "CaseStore",
    case_id: str,
    make: "Callable[[Book, Case], Draft]",
    seen: int | None,
) -> "Event":
    from fraud_assets.case_work import change_case

    return change_case(store, case_id, make, version=seen)


def _land_labels(settings: "Settings", store: "CaseStore") -> None:
    """Land what has to go out; what cannot is told and lands with the next run or closing."""
    from fraud_assets.case_labels import land_labels
    from fraud_assets.feeds import load_feeds
    from fraud_assets.uploads import Uploads

    landed = land_labels(store, Uploads(open_lake(settings), load_feeds(settings.feeds_dir)))
    print_lines(landed.keys)
    for problem in landed.problems:
        click.echo(f"Error: {problem}; the next closing or run lands them", err=True)
    if landed.problems:
        sys.exit(_FAILED)
