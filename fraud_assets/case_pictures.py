"""A case as a drawing: when each alert happened, how much was moved, and why it was told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from fraud_assets import svg
from fraud_assets.ring_pictures import short_amount
from gpu_ops.case_model import Case, CaseAlert
from gpu_ops.masking import masked

CASES_DRAWN: Final = 20
"""How many of the cases that come first have a drawing in the lake."""

CASES_SHOWN: Final = 3
"""How many of them the UI shows with a version."""

_ALERTS_DRAWN: Final = 24
_WIDTH: Final = 900.0
_LEFT: Final = 250.0
_RIGHT: Final = 640.0
_HEAD: Final = 84.0
_LINE: Final = 24.0
_MARGIN: Final = 14.0
_WORDS: Final = 10.5
_ASSIGNEE_WIDTH: Final = 280.0
_TICKS: Final = 4
_SECOND: Final = timedelta(seconds=1)


def case_timeline(case: Case) -> bytes:
    """A case as SVG: an alert a line, in the order of time.

    A transaction is a dot, a ring a bar from its first payment to its last; dots are the larger the
    more was moved. Left: when, and how much. Right: what the alert rests on most. Of a large case
    the alerts that would cost most are drawn, and the head says so. Accounts are masked.

    Args:
        case: With at least one alert.

    Raises:
        ValueError: The case has none.
    """
    if not case.alerts:
        raise ValueError(f"case {case.case_id} has no alert to draw")
    dear = sorted(case.alerts, key=lambda one: (-_worth(one), one.alert_id))[:_ALERTS_DRAWN]
    alerts = sorted(dear, key=lambda one: (one.first_at, one.alert_id))
    first = min(one.first_at for one in alerts)
    last = max(*(one.last_at for one in alerts), first + _SECOND)
    height = _HEAD + _LINE * len(alerts) + 34.0
    title, *more = _head(case, len(alerts))
    picture = svg.Drawing(_WIDTH, height, title)
    picture.text(14, 22, title, size=13)
    for number, words in enumerate(more):
        picture.text(14, 40 + 16 * number, words, size=11, colour=svg.FAINT)
    _axis(picture, first, last, height)
    largest = max(one.amount for one in alerts) or 1.0
    for number, alert in enumerate(alerts):
        _row(picture, alert, _HEAD + _LINE * (number + 0.5), (first, last), largest)
    return picture.to_bytes()


def timelines_of(cases: Sequence[Case]) -> dict[str, bytes]:
    """File name to drawing of the first cases that have alerts."""
    drawn = [one for one in cases if one.alerts][:CASES_DRAWN]
    return {f"{one.case_id}.svg": case_timeline(one) for one in drawn}


def _worth(alert: CaseAlert) -> float:
    return alert.amount if alert.loss is None else alert.loss


def _head(case: Case, drawn: int) -> tuple[str, str, str]:
    about = masked(case.subject.name) if case.subject.kind == "entity" else case.subject.name
    kind = "account" if case.subject.kind == "entity" else "ring"
    n = len(case.alerts)
    alerts = f"{n} {'alert' if n == 1 else 'alerts'}"
    if drawn < n:
        alerts = f"{alerts}, the {drawn} with most at stake drawn"
    verdict = f" ({case.verdict})" if case.verdict else ""
    named = svg.shortened(case.assignee or "", 11, _ASSIGNEE_WIDTH)
    worker = f", with {named}" if named else ""
    escalated = ", escalated" if case.escalated else ""
    follows = f"; goes on from {case.follows}" if case.follows else ""
    return (
        f"{kind} {about}: {alerts}",
        f"{case.case_id}, {case.state}{verdict}{worker}{escalated}{follows}",
        f"opened {case.opened_at:%d %b %Y}, due {case.due_at:%d %b %Y %H:%M} UTC",
    )


def _axis(picture: svg.Drawing, first: datetime, last: datetime, height: float) -> None:
    """Lines at the ends of the span and between, with dates, or times where dates would repeat."""
    pattern = "%d %b %H:%M" if last - first < timedelta(days=_TICKS - 1) else "%d %b %Y"
    told = ""
    for number in range(_TICKS):
        share = number / (_TICKS - 1)
        x = _LEFT + share * (_RIGHT - _LEFT)
        picture.line(x, _HEAD - 6, x, height - 26, colour="#e5e7eb")
        words = (first + share * (last - first)).strftime(pattern)
        if words == told:
            continue
        told = words
        picture.text(x, height - 10, words, size=10, colour=svg.FAINT, anchor="middle")


def _row(
    picture: svg.Drawing,
    alert: CaseAlert,
    y: float,
    span: tuple[datetime, datetime],
    largest: float,
) -> None:
    start, end = (_across(at, span) for at in (alert.first_at, alert.last_at))
    picture.text(14, y + 4, f"{alert.first_at:%d %b %Y %H:%M}", size=_WORDS)
    picture.text(
        _LEFT - 18, y + 4, short_amount(alert.amount), size=_WORDS, colour=svg.MONEY, anchor="end"
    )
    if alert.pattern is None:
        radius = 3.0 + 6.0 * (max(alert.amount, 0.0) / largest) ** 0.5
        picture.dot(start, y, radius, fill=svg.ACCENT)
    else:
        picture.box(start - 3, y - 6, end - start + 6, 12, fill=svg.CENTRE, edge=svg.INK)
    picture.text(_RIGHT + 18, y + 4, _why(alert), size=_WORDS)


def _across(at: datetime, span: tuple[datetime, datetime]) -> float:
    first, last = span
    return _LEFT + (at - first) / (last - first) * (_RIGHT - _LEFT)


def _why(alert: CaseAlert) -> str:
    """The reason of most weight, as a person reads it."""
    if not alert.reasons:
        return "no reason given"
    code, weight = max(alert.reasons, key=lambda one: one[1])
    others = f" +{len(alert.reasons) - 1}" if len(alert.reasons) > 1 else ""
    part = f" ({weight:.0%}){others}"
    room = _WIDTH - _MARGIN - _RIGHT - 18 - svg.text_width(part, _WORDS)
    return svg.shortened(code.replace("_", " ").lower(), _WORDS, room) + part
