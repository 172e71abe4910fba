"""Delivers what the outbox holds."""

import dagster as dg

from resources.delivery import Delivery, DeliveryError, deliver
from resources.errors import LakeError
from resources.lake import Lake
from resources.settings import Settings

NO_TARGET = "No target is set: FRAUD_SNS_TOPIC, FRAUD_WEBHOOK_URL."


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
    done, problems = [], []
    for target in targets:
        try:
            report = deliver(lake, target, since=settings.delivery_since)
        except LakeError as error:
            problems.append(f"{target.name}: {error}")
            continue
        for refused in report.set_aside:
            context.log.warning("%s will not get %s", target.name, refused)
        done.append(_told(report))
        problems += [f"{target.name}: {problem}" for problem in report.problems]
    if problems:
        raise DeliveryError("\n".join([*problems, *done]))
    return dg.SkipReason(" ".join(done))


def _told(report: Delivery) -> str:
    """What a tick did, in a sentence."""
    if report.busy is not None:
        return f"{report.target}: {report.busy}."
    if report.waiting_until is not None:
        until = f"{report.waiting_until:%Y-%m-%d %H:%M:%S} UTC"
        return f"{report.target}: left alone until {until} after an outage."
    parts = [f"{report.delivered} delivered"]
    if report.repeated:
        parts.append(f"{report.repeated} sent again under the same ids after a broken-off attempt")
    if report.set_aside:
        parts.append(f"{len(report.set_aside)} refused and set aside")
    if report.more:
        parts.append("the rest goes out with the next ticks")
    return f"{report.target}: {', '.join(parts)}."
