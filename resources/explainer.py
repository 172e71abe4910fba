"""Explanations: a case in plain words, made from its evidence and from nothing else."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

from gpu_ops.evidence import Evidence
from resources.claims import unsupported_claims
from resources.template_texts import template_text

_MOST_CHARACTERS: Final = 2_000


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
        return template_text(evidence)


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
