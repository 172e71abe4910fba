"""What the commands of cases share: options, how errors are told, and the store they open."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

import click

from fraud_assets.command_line import open_lake
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from resources.case_store import CaseStore
    from resources.lake import Lake
    from resources.settings import Settings

_Arguments = ParamSpec("_Arguments")

NO_STORE = "a lake in S3 keeps no cases by itself: set FRAUD_CASES_URL to a database"

by_option = click.option("--by", required=True, metavar="NAME", help="Who decides.")
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


def told(command: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """As `told_plainly`, and what the rules of case work and the store refuse."""

    @wraps(command)
    def called(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        from gpu_ops.case_model import CaseRuleError
        from resources.case_store import CaseStoreError

        try:
            command(*args, **kwargs)
        except (CaseRuleError, CaseStoreError) as error:
            raise click.ClickException(str(error)) from error

    return told_plainly(called)


def opened(*, is_lost: bool = False) -> "tuple[Settings, CaseStore]":
    """The settings and the case store that they lead to.

    Args:
        is_lost: Whether the store may be one that was lost, as it is to be brought back.

    Raises:
        click.ClickException: They lead to none.
        CaseStoreError: The store lacks what the last table of cases was made of: whatever is done
            with it would begin a new log.
    """
    from resources.settings import Settings

    settings = Settings.load()
    lake = open_lake(settings)
    store = settings.open_cases(settings.lake)
    if store is None:
        raise click.ClickException(NO_STORE)
    if not is_lost:
        _refuse_lost(store, lake)
    return settings, store


def _refuse_lost(store: "CaseStore", lake: "Lake") -> None:
    from fraud_assets.case_due import head_of, last_readable
    from fraud_assets.case_work import refuse_lost_store
    from resources.errors import LakeUnavailableError
    from resources.versions import Versions

    try:
        snapshot = last_readable(Versions(lake))
    except LakeUnavailableError:
        # Cases are decided while the lake is away, too. But nobody can tell then whether an empty
        # store is a new one.
        if store.digest_at(1) is None:
            raise
        return
    if snapshot is not None:
        refuse_lost_store(store, head_of(snapshot), f"{snapshot.slot}@{snapshot.number}")


def moment_of(text: str) -> datetime:
    """A date or time as somebody typed it; UTC if it names no zone.

    Raises:
        click.UsageError: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        # Near the ends of the calendar a moment with a zone may be none in UTC.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(
            f"{text!r} is no date; write 2026-12-31 or 2026-12-31T18:00:00+01:00"
        ) from error
