"""What happened to a case, in words, without an account."""

from gpu_ops.case_events import (
    AlertJoined,
    AlertLeft,
    AlertPassedOver,
    Assigned,
    Change,
    Closed,
    Escalated,
    Merged,
    Opened,
    Reopened,
    SubjectChanged,
)
from gpu_ops.case_words import in_a_line


def told(change: Change) -> str:
    """What happened, without an account."""
    match change:
        case Opened(follows=follows):
            return "opened" if follows is None else f"opened, follows {follows}"
        case Merged(into=into):
            return f"merged into {into}"
        case SubjectChanged():
            return "its ring became part of an older one"
        case AlertJoined() | AlertLeft() | AlertPassedOver():
            return _movement(change)
    return _decision(change)


def _movement(change: AlertJoined | AlertLeft | AlertPassedOver) -> str:
    match change:
        case AlertJoined(alert=alert):
            return f"alert {alert.alert_id} joined"
        case AlertLeft(alert_id=alert_id, to=to):
            return f"alert {alert_id} went to {to}"
        case AlertPassedOver(alert_id=alert_id):
            return f"alert {alert_id} passed over, nothing in it is new"


def _decision(change: Change) -> str:
    match change:
        case Assigned(to=to):
            return f"assigned to {to}"
        case Escalated(reason=reason, to=to):
            return f"escalated{'' if to is None else f' to {to}'}: {in_a_line(reason)}"
        case Closed(verdict=verdict, reason=reason, transaction_ids=ticked):
            return f"closed as {verdict} on {len(ticked)} transactions: {in_a_line(reason)}"
        case Reopened(reason=reason):
            return f"reopened: {in_a_line(reason)}"
    return change.kind.replace("_", " ")
