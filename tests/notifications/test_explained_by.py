"""The alert assets tell who wrote their explanations."""

from datetime import UTC, datetime

import polars as pl

from fraud_assets.alerts import _explained, explained_by
from gpu_ops.evidence import Evidence, TransactionEvidence
from resources.explainer import CheckedExplainer, ExplainerError, TemplateExplainer


class AnswersOnce:
    """A model that is away after its first answer."""

    def __init__(self) -> None:
        self.asked = 0

    def explain(self, _evidence: Evidence, /) -> str:
        self.asked += 1
        if self.asked > 1:
            raise ExplainerError("away")
        return "It is odd."


def evidence(name: str) -> TransactionEvidence:
    return TransactionEvidence(
        alert_id=name,
        feed="card",
        transaction_id=name,
        occurred_at=datetime(2024, 5, 1, tzinfo=UTC),
        kind="card",
        amount=1.0,
        currency="EUR",
        payer="card:customer:1234567",
        payee="card:terminal:7654321",
        reasons=[],
        anomaly_score=0.5,
    )


def test_new_texts_are_counted_by_who_made_them() -> None:
    alerts = pl.DataFrame(
        {
            "alert_id": ["a", "b", "c"],
            "explanation": ["Published before.", None, None],
            "published_in": ["run", None, None],
        }
    )
    explainer = CheckedExplainer(AnswersOnce(), generator="a model")
    # Left by a step that failed before it could tell.
    explainer.counts["a model"] = 7
    explained = _explained(alerts, [evidence(name) for name in "abc"], explainer)
    assert explained["explanation"].to_list() == [
        "Published before.",
        "It is odd.",
        TemplateExplainer().explain(evidence("c")),
    ]
    told = explained_by(explainer)["explained_by"]
    assert told.value == {"a model": 1, "template (failed)": 1}
    assert explained_by(explainer) == {}
    assert explained_by(TemplateExplainer()) == {}
