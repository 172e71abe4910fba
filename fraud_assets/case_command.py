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


def opened() -> "tuple[Settings, CaseStore]":
    """The settings and the case store that they lead to.

    Raises:
        click.ClickException: They lead to none.
    """
    from resources.settings import Settings

    settings = Settings.load()
    open_lake(settings)
    store = settings.open_cases(settings.lake)
    if store is None:
        raise click.ClickException(NO_STORE)
    return settings, store


def moment_of(text: str) -> datetime:
    """A date or time as somebody typed it; UTC if it names no zone.

    Raises:
        click.UsageError: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise click.UsageError(
            f"{text!r} is no date; write 2026-12-31 or 2026-12-31T18:00:00+01:00"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
