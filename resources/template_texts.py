"""The fixed sentences of explanations: all that they say is in the evidence."""

from collections.abc import Iterator, Sequence
from typing import Final

from gpu_ops.evidence import (
    CaseEvidence,
    Evidence,
    Payment,
    RingEvidence,
    TransactionEvidence,
    masked,
    told_payments,
    told_reasons,
)
from gpu_ops.typologies import TYPOLOGIES, typology_of_reasons
from resources.stated_facts import NAMED_ACCOUNTS, TOLD_EARLIER, TOLD_REASONS, TOLD_RINGS

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for amounts of which the currency is not known; texts leave it out."""

_NOUNS: Final = {
    "payment": "Payment",
    "transfer": "Transfer",
    "cash_out": "Cash withdrawal",
    "cash_in": "Cash deposit",
    "debit": "Direct debit",
    "card": "Card payment",
}


def template_text(evidence: Evidence) -> str:
    """What happened, why it is shown and how sure the score is."""
    if isinstance(evidence, TransactionEvidence):
        sentences = _transaction(evidence)
    elif isinstance(evidence, RingEvidence):
        sentences = _ring(evidence)
    else:
        sentences = _case(evidence)
    return " ".join(one for one in sentences if one)


def typology_name(pattern: str) -> str:
    """How investigators call a ring's pattern."""
    known = TYPOLOGIES.get(pattern)
    return pattern.replace("_", "-") if known is None else known.name


def currency_of(evidence: RingEvidence | CaseEvidence) -> str:
    """The one currency of its payments; `NO_CURRENCY` where there are none or several."""
    found = {one.currency for one in evidence.payments}
    return found.pop() if len(found) == 1 else NO_CURRENCY


def _transaction(case: TransactionEvidence) -> Iterator[str]:
    yield (
        f"{_NOUNS.get(case.kind, case.kind)} of {_money(case.amount, case.currency)} from "
        f"{masked(case.payer)} to {masked(case.payee)} on {case.occurred_at:%Y-%m-%d at %H:%M} UTC."
    )
    related = len(case.related_transaction_ids)
    if related:
        noun = "transaction" if related == 1 else "transactions"
        yield f"{related} more suspicious {noun} between the same accounts on that day."
    yield from told_reasons(case).values()
    typology = typology_of_reasons(case.reasons)
    if typology is not None:
        yield f"Together this looks like the typology {typology.name}: {typology.use}."
    if case.fraud_probability is None or case.expected_loss is None:
        yield (
            "No approved model scores this feed yet; the alert rests on the rules above and an "
            f"anomaly score of {case.anomaly_score:.2f}."
        )
    else:
        yield (
            f"The model gives a fraud probability of {case.fraud_probability:.1%} and an expected "
            f"loss of {_money(case.expected_loss, case.currency)}."
        )


def _ring(case: RingEvidence) -> Iterator[str]:
    yield f"{_capital(_shape(case))}."
    yield from _centre(case)
    yield from _payments(told_payments(case), len(case.transaction_ids))
    yield from told_reasons(case).values()
    typology = TYPOLOGIES.get(case.pattern)
    if typology is not None:
        yield f"The typology {typology.name} is used for {typology.use}."
    if case.exposure is not None:
        yield f"{_money(case.exposure, currency_of(case))} came in from outside."
    strength = f"Strength of the evidence: {case.score:.0%}"
    if case.told_share is None:
        yield f"{strength}; it is no probability of fraud."
    else:
        yield f"{strength}; of judged rings as strong {case.told_share:.0%} were confirmed."


def _case(case: CaseEvidence) -> Iterator[str]:
    about = f"the account {masked(case.account)}" if case.account is not None else "a ring"
    parts = [
        *([_counted(len(case.alerts), "alert", "of payments")] if case.alerts else []),
        *([_counted(len(case.rings), "ring", "of accounts")] if case.rings else []),
    ]
    yield (
        f"Case about {about}: {' and '.join(parts) or 'no alert'}, from "
        f"{case.first_at:%Y-%m-%d at %H:%M} to {case.last_at:%Y-%m-%d at %H:%M} UTC."
    )
    yield from (f"{_capital(_shape(ring))}." for ring in case.rings[:TOLD_RINGS])
    yield from _payments(told_payments(case), len(case.payments))
    typologies = (typology_of_reasons(one.reasons) for one in case.alerts)
    names = dict.fromkeys(one.name for one in typologies if one is not None)
    if names:
        yield f"Payments look like the typology {' and '.join(names)}."
    yield from _weighed(case)
    yield from _stakes(case)
    yield from _earlier(case)


def _shape(ring: RingEvidence) -> str:
    named = [masked(account) for account in ring.accounts[:NAMED_ACCOUNTS]]
    others = len(ring.accounts) - len(named)
    members = ", ".join(named) + (f" and {others} more" if others else "")
    return (
        f"{typology_name(ring.pattern)} of {len(ring.accounts)} accounts ({members}): "
        f"{_counted(len(ring.transaction_ids), 'transaction')} with a sum of "
        f"{_money(ring.amount, currency_of(ring))} from {ring.first_at:%Y-%m-%d at %H:%M} to "
        f"{ring.last_at:%Y-%m-%d at %H:%M} UTC"
    )


def _centre(ring: RingEvidence) -> Iterator[str]:
    if ring.centre is not None:
        yield f"Its centre is the account {masked(ring.centre)}."


def _payments(told: Sequence[Payment], of_all: int) -> Iterator[str]:
    if not told:
        return
    listed = "; ".join(
        f"{_money(one.amount, one.currency)} from {masked(one.payer)} to {masked(one.payee)} on "
        f"{one.occurred_at:%Y-%m-%d at %H:%M} UTC"
        for one in told
    )
    others = of_all - len(told)
    yield f"The largest payments: {listed}{f'; and {others} more' if others > 0 else ''}."


def _weighed(case: CaseEvidence) -> Iterator[str]:
    reasons = told_reasons(case)
    told = [
        f"{case.weights[code]:.0%}: {text}" for code, text in list(reasons.items())[:TOLD_REASONS]
    ]
    others = len(reasons) - len(told)
    if told:
        more = f" And {_counted(others, 'reason')} of less weight." if others else ""
        yield f"What it rests on, by weight: {' '.join(told)}{more}"


def _stakes(case: CaseEvidence) -> Iterator[str]:
    currency = currency_of(case)
    if case.expected_loss is not None:
        yield f"Expected loss: {_money(case.expected_loss, currency)}."
    if case.exposure is not None:
        yield f"Exposure: {_money(case.exposure, currency)}."


def _earlier(case: CaseEvidence) -> Iterator[str]:
    if not case.earlier:
        yield "There was no case about it before."
        return
    told = ", ".join(
        f"{one.case_id} ({one.verdict}, closed on {one.closed_at:%Y-%m-%d})"
        for one in case.earlier[:TOLD_EARLIER]
    )
    others = len(case.earlier) - TOLD_EARLIER
    yield f"Earlier: {told}{f' and {others} more' if others > 0 else ''}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _counted(number: int, noun: str, rest: str = "") -> str:
    return f"{number} {noun if number == 1 else f'{noun}s'}{f' {rest}' if rest else ''}"


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f}" + (f" {currency}" if currency != NO_CURRENCY else "")
