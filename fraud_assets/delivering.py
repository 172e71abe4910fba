"""What `fraud-assets deliver` does: the outbox goes to its targets now, without a daemon."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from resources.delivery import Clock, Delivery, deliver_all, retry_set_aside
from resources.delivery_settings import NO_TARGET
from resources.lake import Lake
from resources.settings import Settings


@dataclass(frozen=True)
class Delivering:
    """What a command delivered.

    Attributes:
        reports: What was done for each target.
        again: How many messages that were set aside were put back first.
    """

    reports: Sequence[Delivery]
    again: int | None = None

    @property
    def went_through(self) -> bool:
        """Whether every target now has all that the outbox holds."""
        return all(report.went_through for report in self.reports)

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        if self.again is not None:
            yield f"{self.again} messages that were set aside go out again."
        for report in self.reports:
            yield report.told()
            yield from (f"{report.target} will not get {refused}" for refused in report.set_aside)
            yield from (f"{report.target}: {problem}" for problem in report.problems)

    def as_json(self) -> str:
        """The object that `--json` prints; its keys are stable."""
        return json.dumps(
            {
                "again": self.again,
                "targets": [
                    {
                        "target": one.target,
                        "delivered": one.delivered,
                        "repeated": one.repeated,
                        "set_aside": one.set_aside,
                        "problems": one.problems,
                        "waiting_until": one.waiting_until and one.waiting_until.isoformat(),
                        "busy": one.busy,
                    }
                    for one in self.reports
                ],
            }
        )


def deliver_now(
    lake: Lake, settings: Settings, again: str | None, clock: Clock | None = None
) -> Delivering:
    """Delivers all that the outbox holds, however long it takes.

    Args:
        lake: Where the outbox is.
        settings: Which targets, and since when.
        again: A target whose messages that were set aside go out again.
        clock: Time.

    Raises:
        click.ClickException: No target is set.
        click.UsageError: `again` names a target that is not set.
        LeaseBusyError: Another process delivers to the target of `again` at the moment.
        LakeError: The lake cannot be read or written.
    """
    targets = settings.targets()
    if not targets:
        raise click.ClickException(f"{NO_TARGET} Nothing is delivered.")
    names = [target.name for target in targets]
    if again is not None and again not in names:
        raise click.UsageError(f"{again} is no target that is set: {', '.join(names)}")
    put_back = None if again is None else retry_set_aside(lake, again)
    reports = deliver_all(
        lake, targets, since=settings.delivery_since, seconds=math.inf, clock=clock
    )
    return Delivering(reports, put_back)
