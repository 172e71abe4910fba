"""What case work is about: alerts as a case holds them, cases, and entries of the lists.

A case is what one analyst works on: all alerts about one account, or about one ring, until it is
closed. All values here are frozen; `gpu_ops.case_fold` makes the next one of an event.
"""

from typing import Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, FiniteFloat

SubjectKind: TypeAlias = Literal["entity", "ring"]
State: TypeAlias = Literal["new", "assigned", "closed", "merged"]
Verdict: TypeAlias = Literal["confirmed", "false", "unsure"]
ListKind: TypeAlias = Literal["suppressed", "allowed"]

STATES: Final[tuple[State, ...]] = ("new", "assigned", "closed", "merged")
VERDICTS: Final[tuple[Verdict, ...]] = ("confirmed", "false", "unsure")


class CaseRuleError(ValueError):
    """What somebody asked for is against the rules of case work; the message says what to do."""


class Fixed(BaseModel):
    """A value that is kept as JSON and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(Fixed):
    """Whom a case is about.

    Attributes:
        kind: An account, or a ring.
        feed: Where the transactions came from.
        name: The account as a node `feed:entity:id`, or the ring's id.
    """

    kind: SubjectKind
    feed: str
    name: str


class CaseAlert(Fixed):
    """A published alert, with what a case needs of it.

    Attributes:
        alert_id: The alert; the same subject always has the same one.
        subject: Whom it is about.
        first_at: Its first transaction, UTC.
        last_at: Its last transaction, UTC.
        transaction_ids: Its evidence, the alert's own transaction first.
        accounts: The parties: payer and payee, or all accounts of the ring.
        reasons: Code and share of the alert that rests on it; the shares add up to 1.
        loss: What is expected to be lost, in major units; None where nothing tells.
        amount: What was moved, in major units.
        score: Anomaly score of a transaction, or strength of a ring, 0 to 1.
        pattern: The ring's shape; None for a transaction.
    """

    alert_id: str
    subject: Subject
    first_at: AwareDatetime
    last_at: AwareDatetime
    transaction_ids: tuple[str, ...]
    accounts: tuple[str, ...]
    reasons: tuple[tuple[str, FiniteFloat], ...]
    loss: FiniteFloat | None
    amount: FiniteFloat
    score: FiniteFloat
    pattern: str | None = None


class Case(Fixed):
    """A case as it is after its last event.

    Attributes:
        case_id: Made of its subject and of how many cases there were about it.
        subject: Whom it is about; a ring that merged into another gives its case to that one.
        former_subjects: Names of rings that the case was about before.
        state: `new`, `assigned`, `closed`, or `merged` into another case.
        opened_at: When its first alert came, UTC; again when it came back to life.
        due_at: By when it should be closed, UTC.
        alerts: What is in it, in the order in which it came.
        passed_over: Alerts that came after it was closed and had nothing new in them.
        follows: The closed case that it goes on from.
        assignee: Who works on it.
        escalated: Whether somebody with more authority is to look at it.
        is_touched: Whether a person has done anything with it.
        verdict: How it was closed.
        ticked: The transactions that the last verdict applies to.
        judged: The transactions that any verdict of this case ever applied to.
        closed_at: When, UTC.
        closed_by: By whom.
        reason: Why.
        merged_into: The case that took its alerts.
        version: The number of its last event.
        changed_at: When that happened, UTC, or what was before it by a clock that is ahead.
    """

    case_id: str
    subject: Subject
    former_subjects: tuple[str, ...] = ()
    state: State = "new"
    opened_at: AwareDatetime
    due_at: AwareDatetime
    alerts: tuple[CaseAlert, ...] = ()
    passed_over: tuple[str, ...] = ()
    follows: str | None = None
    assignee: str | None = None
    escalated: bool = False
    is_touched: bool = False
    verdict: Verdict | None = None
    ticked: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    closed_at: AwareDatetime | None = None
    closed_by: str | None = None
    reason: str | None = None
    merged_into: str | None = None
    version: int
    changed_at: AwareDatetime

    @property
    def is_open(self) -> bool:
        """Whether alerts may join it; one that lost all its alerts is open and waits for others."""
        return self.state in {"new", "assigned"}

    @property
    def is_work(self) -> bool:
        """Whether there is something for an analyst to do."""
        return self.is_open and bool(self.alerts)

    @property
    def evidence(self) -> tuple[str, ...]:
        """The transactions of its alerts, each once, in the order of the alerts."""
        return tuple(dict.fromkeys(name for one in self.alerts for name in one.transaction_ids))

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Whom it is about now and was before."""
        former = (self.subject.model_copy(update={"name": name}) for name in self.former_subjects)
        return (self.subject, *former)


class ListEntry(Fixed):
    """An account or ring that must not open cases for a time.

    Attributes:
        entry_id: The entry.
        list_kind: `suppressed`: no case about it. `allowed`: no case about whatever it takes part
            in.
        subject: Whom it is about.
        until: What happens from this moment of event time on alerts again, UTC.
        reason: Why.
        by: Who put it on the list.
        made_at: When, UTC.
        passed_over: The alerts that it kept from becoming cases.
        ended_at: When somebody took it off the list early, UTC.
        ended_by: Who.
        end_reason: Why.
        version: The number of its last event.
    """

    entry_id: str
    list_kind: ListKind
    subject: Subject
    until: AwareDatetime
    reason: str
    by: str
    made_at: AwareDatetime
    passed_over: tuple[str, ...] = ()
    ended_at: AwareDatetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    version: int
