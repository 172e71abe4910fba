"""Delivers what the outbox holds."""

import dagster as dg

from resources.delivery import DeliveryError, deliver_all
from resources.delivery_settings import NO_TARGET
from resources.lake import Lake
from resources.settings import Settings


@dg.sensor(
    name="delivery_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends new alerts and failed runs to the SNS topic and the webhook, if any is set.",
)
def delivery_sensor(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SkipReason:
    """One tick: each target gets what it has not got.

    There is no cursor: what was delivered is recorded in the lake, so a tick of another daemon or
    after a loss of the Dagster instance repeats nothing. Where a target is away the tick fails,
    with what was delivered kept; other targets get theirs all the same.
    """
    targets = settings.targets()
    if not targets:
        return dg.SkipReason(NO_TARGET)
    reports = deliver_all(lake, targets, since=settings.delivery_since)
    for report in reports:
        for refused in report.set_aside:
            context.log.warning("%s will not get %s", report.target, refused)
    done = [report.told() for report in reports]
    problems = [f"{one.target}: {problem}" for one in reports for problem in one.problems]
    if problems:
        raise DeliveryError("\n".join([*problems, *done]))
    return dg.SkipReason(" ".join(done))
