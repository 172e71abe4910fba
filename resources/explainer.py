"""Explanations: a case in plain words, made from its evidence and from nothing else."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gpu_ops.evidence import Evidence, RingEvidence, TransactionEvidence, masked
from gpu_ops.reasons import REASONS
from resources.claims import NAMED_ACCOUNTS, unsupported_claims

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for amounts of which the currency is not known; texts leave it out."""

_MOST_CHARACTERS: Final = 2_000
_NOUNS: Final = {
    "payment": "Payment",
    "transfer": "Transfer",
    "cash_out": "Cash withdrawal",
    "cash_in": "Cash deposit",
    "debit": "Direct debit",
    "card": "Card payment",
}


class ExplainerError(Exception):
    """An explainer could not make a text; `CheckedExplainer` then uses its fallback.

    Attributes:
        code: Why, in words that are the same for all errors of the kind: they are counted by it.
    """

    code: str = "failed"


class UnsupportedTextError(ExplainerError):
    """A text says something that its evidence does not."""

    code = "not in the evidence"


class Explainer(Protocol):
    """Whatever can put a case into words."""

    def explain(self, evidence: Evidence, /) -> str:
        """A few sentences for an analyst.

        Raises:
            ExplainerError: No text could be made.
        """
        ...


class TemplateExplainer:
    """Fixed sentences, filled with the evidence: no model, no network, always available."""

    def explain(self, evidence: Evidence) -> str:
        """What happened, why it is shown and how sure the score is."""
        if isinstance(evidence, TransactionEvidence):
            return _transaction_text(evidence)
        return _ring_text(evidence)


@dataclass(frozen=True)
class CheckedExplainer:
    """An explainer whose texts are used only if all they say is in the evidence.

    Attributes:
        inner: Makes the texts, for example by a language model.
        fallback: Used where the inner one fails or says too much.
        generator: Names the inner one where texts are counted.
        counts: How many texts are whose; `counted` takes them.
    """

    inner: Explainer
    fallback: Explainer = field(default_factory=TemplateExplainer)
    generator: str = "model"
    counts: Counter[str] = field(default_factory=Counter, compare=False)

    def explain(self, evidence: Evidence) -> str:
        """The inner text if it holds, else the fallback's."""
        try:
            text = self.inner.explain(evidence)
            verify(text, evidence)
        except ExplainerError as error:
            self.counts[f"template ({error.code})"] += 1
            return self.fallback.explain(evidence)
        self.counts[self.generator] += 1
        return text


def counted(explainer: Explainer) -> dict[str, int]:
    """Whose texts were used since the last call, and why where it was the template's.

    Args:
        explainer: Any; one that makes all its texts itself counts none.

    Returns:
        Generator, or `template (<why>)`, to number of texts.
    """
    if not isinstance(explainer, CheckedExplainer):
        return {}
    counts = dict(sorted(explainer.counts.items()))
    explainer.counts.clear()
    return counts


def verify(text: str, evidence: Evidence) -> None:
    """Refuses a text with a number or an id that is not in the evidence.

    Raises:
        UnsupportedTextError: The text is empty, longer than 2,000 characters, or says something
            else; the message lists what.
    """
    if not text.strip():
        raise UnsupportedTextError("the text is empty")
    if len(text) > _MOST_CHARACTERS:
        raise UnsupportedTextError(f"the text has more than {_MOST_CHARACTERS} characters")
    claims = unsupported_claims(text, evidence)
    if claims:
        raise UnsupportedTextError(f"not in the evidence: {', '.join(claims)}")


def _transaction_text(case: TransactionEvidence) -> str:
    what = (
        f"{_NOUNS.get(case.kind, case.kind)} of {_money(case.amount, case.currency)} from "
        f"{masked(case.payer)} to {masked(case.payee)} on {case.occurred_at:%Y-%m-%d at %H:%M} UTC."
    )
    related = len(case.related_transaction_ids)
    more = ""
    if related:
        noun = "transaction" if related == 1 else "transactions"
        more = f"{related} more suspicious {noun} between the same accounts on that day."
    if case.fraud_probability is None or case.expected_loss is None:
        sure = (
            "No approved model scores this feed yet; the alert rests on the rules above and an "
            f"anomaly score of {case.anomaly_score:.2f}."
        )
    else:
        sure = (
            f"The model gives a fraud probability of {case.fraud_probability:.1%} and an expected "
            f"loss of {_money(case.expected_loss, case.currency)}."
        )
    return " ".join(part for part in (what, more, _why(case.reasons), sure) if part)


def _ring_text(case: RingEvidence) -> str:
    named = [masked(account) for account in case.accounts[:NAMED_ACCOUNTS]]
    others = len(case.accounts) - len(named)
    members = ", ".join(named) + (f" and {others} more" if others else "")
    noun = "transaction" if len(case.transaction_ids) == 1 else "transactions"
    return (
        f"{case.pattern.replace('_', '-').capitalize()} of {len(case.accounts)} accounts "
        f"({members}): {len(case.transaction_ids)} {noun} with a sum of {case.amount:,.2f} from "
        f"{case.first_at:%Y-%m-%d at %H:%M} to {case.last_at:%Y-%m-%d at %H:%M} UTC. "
        f"{_why(case.reasons)} Strength of the evidence: {case.score:.0%}; it is no probability of "
        "fraud."
    )


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f}" + (f" {currency}" if currency != NO_CURRENCY else "")


def _why(reasons: Sequence[str]) -> str:
    return " ".join(REASONS.get(code, code) for code in reasons)
