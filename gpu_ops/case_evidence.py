"""A case as evidence: what its explanation may tell."""

from collections.abc import Iterable, Mapping, Sequence

from gpu_ops.case_model import Case
from gpu_ops.case_money import Movement, counted_once
from gpu_ops.case_ranking import expected_loss, reason_weights
from gpu_ops.evidence import CaseEvidence, EarlierCase, RingEvidence, TransactionEvidence


def case_evidence(
    case: Case,
    alerts: Mapping[str, TransactionEvidence | RingEvidence],
    earlier: Iterable[Case] = (),
) -> CaseEvidence:
    """What is known about a case.

    Args:
        case: The case, with one alert or more.
        alerts: Evidence by the alert's id; the case's alerts that it lacks are left out.
        earlier: Other cases about the same account or ring; those that are not closed are left
            out.

    Raises:
        ValueError: The case has no alerts.
    """
    if not case.alerts:
        raise ValueError(f"{case.case_id} has no alerts, so there is nothing to tell of it")
    known = [alerts[one.alert_id] for one in case.alerts if one.alert_id in alerts]
    rings = [one for one in known if isinstance(one, RingEvidence)]
    payments = [one for one in known if isinstance(one, TransactionEvidence)]
    is_ring = case.subject.kind == "ring"
    return CaseEvidence(
        case_id=case.case_id,
        feed=case.subject.feed,
        account=None if is_ring else case.subject.name,
        alerts=payments,
        rings=sorted(rings, key=lambda one: (one.ring_id != case.subject.name, -one.score)),
        weights=dict(reason_weights(case)),
        first_at=min(one.first_at for one in case.alerts),
        last_at=max(one.last_at for one in case.alerts),
        expected_loss=expected_loss(case),
        exposure=_exposure(payments, rings),
        earlier=_closed(case, earlier),
    )


def _exposure(
    payments: Sequence[TransactionEvidence], rings: Sequence[RingEvidence]
) -> float | None:
    """The larger of two views of the same money: the alerted payments', the largest ring's.

    What an account passed on counts once. None where the exposure of a ring is not known: the
    payments alone would be said to be all.
    """
    told = [one.exposure for one in rings if one.exposure is not None]
    if len(told) < len(rings):
        return None
    movements = [
        Movement(one.occurred_at, one.alert_id, one.payer, one.payee, one.amount)
        for one in payments
    ]
    of_payments = [counted_once(movements)] if movements else []
    return max(of_payments + told, default=None)


def _closed(case: Case, others: Iterable[Case]) -> tuple[EarlierCase, ...]:
    found = [
        EarlierCase(one.case_id, one.verdict, one.closed_at)
        for one in others
        if one.case_id != case.case_id and one.closed_at is not None and one.verdict is not None
    ]
    return tuple(sorted(found, key=lambda one: one.closed_at, reverse=True))
