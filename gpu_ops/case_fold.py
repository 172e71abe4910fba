"""The state after an event: the one place that says what each event does to a case."""

from collections.abc import Iterable
from typing import TypeAlias

from gpu_ops.case_events import (
    AlertJoined,
    AlertLeft,
    AlertPassedOver,
    Assigned,
    Closed,
    EntryEnded,
    EntryMade,
    Escalated,
    Event,
    Merged,
    Opened,
    Reopened,
    SubjectChanged,
)
from gpu_ops.case_model import Case, ListEntry

Stream: TypeAlias = Case | ListEntry


class LogError(ValueError):
    """An event cannot have happened to what it names: the log is damaged."""


def folded(events: Iterable[Event]) -> dict[str, Stream]:
    """The state of every case and list entry after all these events, in order.

    Raises:
        LogError: An event does not fit what was before it.
    """
    states: dict[str, Stream] = {}
    for event in events:
        states[event.stream] = applied(states.get(event.stream), event)
    return states


def applied(state: Stream | None, event: Event) -> Stream:
    """The state after an event.

    Args:
        state: Before; None where nothing has happened to it yet.
        event: What happens.

    Raises:
        LogError: The event does not fit the state.
    """
    change = event.change
    if isinstance(change, EntryMade):
        if state is not None:
            raise _misplaced(event)
        return ListEntry(
            entry_id=event.stream,
            list_kind=change.list_kind,
            subject=change.subject,
            until=change.until,
            reason=change.reason,
            by=event.by,
            made_at=event.at,
            version=event.number,
        )
    if isinstance(change, Opened) and state is None:
        return Case(
            case_id=event.stream,
            subject=change.subject,
            opened_at=event.at,
            due_at=change.due_at,
            follows=change.follows,
            version=event.number,
            changed_at=event.at,
        )
    if isinstance(state, ListEntry):
        return _entry(state, event)
    if isinstance(state, Case):
        updates = _updates(state, event)
        # Of two clocks one may be behind: what comes next must not look older than what was.
        updates |= {"version": event.number, "changed_at": max(event.at, state.changed_at)}
        return state.model_copy(update=updates)
    raise _misplaced(event)


def _entry(entry: ListEntry, event: Event) -> ListEntry:
    change = event.change
    if isinstance(change, AlertPassedOver):
        updates: dict[str, object] = {"passed_over": (*entry.passed_over, change.alert_id)}
    elif isinstance(change, EntryEnded):
        updates = {"ended_at": event.at, "ended_by": event.by, "end_reason": change.reason}
    else:
        raise _misplaced(event)
    return entry.model_copy(update={**updates, "version": event.number})


def _updates(case: Case, event: Event) -> dict[str, object]:
    """What an event changes of a case."""
    match event.change:
        case Opened(due_at=due_at, follows=follows) if case.is_open and not case.alerts:
            return {"opened_at": event.at, "due_at": due_at, "follows": follows}
        case Merged(into=into):
            return {"state": "merged", "merged_into": into}
        case SubjectChanged(subject=subject, follows=follows):
            former = (*case.former_subjects, case.subject.name)
            return {
                "subject": subject,
                "former_subjects": former,
                "follows": case.follows or follows,
            }
        case AlertJoined() | AlertLeft() | AlertPassedOver():
            return _held(case, event.change)
    return _decided(case, event)


def _held(case: Case, change: AlertJoined | AlertLeft | AlertPassedOver) -> dict[str, object]:
    """What a case holds after an alert came, went, or was passed over."""
    match change:
        case AlertJoined(alert=alert):
            return {"alerts": (*case.alerts, alert)}
        case AlertLeft(alert_id=gone):
            return {"alerts": tuple(one for one in case.alerts if one.alert_id != gone)}
        case AlertPassedOver(alert_id=alert_id):
            return {"passed_over": (*case.passed_over, alert_id)}


def _decided(case: Case, event: Event) -> dict[str, object]:
    """What a person's decision changes of a case."""
    match event.change:
        case Assigned(to=to):
            return {"state": "assigned", "assignee": to, "is_touched": True}
        case Escalated(to=to):
            moved = {} if to is None else {"state": "assigned", "assignee": to}
            return {"escalated": True, "is_touched": True, **moved}
        case Closed(verdict=verdict, reason=reason, transaction_ids=ticked):
            return {
                "state": "closed",
                "verdict": verdict,
                "reason": reason,
                "ticked": ticked,
                "judged": tuple(dict.fromkeys((*case.judged, *ticked))),
                "closed_at": event.at,
                "closed_by": event.by,
                "is_touched": True,
            }
        case Reopened(due_at=due_at):
            return {
                "state": "new" if case.assignee is None else "assigned",
                "verdict": None,
                "reason": None,
                "ticked": (),
                "closed_at": None,
                "closed_by": None,
                "opened_at": event.at,
                "due_at": due_at,
                "is_touched": True,
            }
    raise _misplaced(event)


def _misplaced(event: Event) -> LogError:
    return LogError(
        f"event {event.number} ({event.change.kind}) cannot have happened to {event.stream}"
    )
