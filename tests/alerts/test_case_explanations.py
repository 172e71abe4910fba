"""Explanations of rings with their payments, and of cases: what they tell and what they may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.case_evidence import case_evidence
from gpu_ops.case_model import Case, CaseAlert, Subject
from gpu_ops.evidence import (
    CaseEvidence,
    EarlierCase,
    Payment,
    RingEvidence,
    TransactionEvidence,
    payments_of,
    ring_evidence,
    told_payments,
    told_reasons,
    transaction_evidence,
)
from gpu_ops.reasons import REASONS
from gpu_ops.ring_params import PATTERNS
from gpu_ops.typologies import TYPOLOGIES, typology_of_reasons
from resources.bedrock_prompt import facts_of
from resources.explainer import TemplateExplainer, UnsupportedTextError, verify

NOON: Final = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def account(name: str) -> str:
    return f"aml:account:{name}"


def payment(number: int, amount: float, payer: str, payee: str) -> Payment:
    at = NOON + timedelta(hours=number)
    return Payment(f"t{number}", at, amount, "EUR", account(payer), account(payee))


RING: Final = RingEvidence(
    alert_id="ring-1",
    feed="aml",
    ring_id="r9",
    pattern="fan_in",
    score=0.75,
    accounts=[account(name) for name in ("acc-collect", "acc-00001", "acc-00002", "acc-00003")],
    transaction_ids=["t1", "t2", "t3", "t4"],
    first_at=NOON + timedelta(hours=1),
    last_at=NOON + timedelta(hours=4),
    amount=4_000.0,
    reasons=["RING_FAN_IN"],
    payments=[
        payment(1, 900.0, "acc-00001", "acc-collect"),
        payment(2, 1_100.5, "acc-00002", "acc-collect"),
        payment(3, 999.5, "acc-00003", "acc-collect"),
        payment(4, 1_000.0, "acc-00001", "acc-collect"),
    ],
    centre=account("acc-collect"),
    exposure=3_900.0,
)
ALERT: Final = TransactionEvidence(
    alert_id="tx-1",
    feed="aml",
    transaction_id="t7",
    occurred_at=NOON + timedelta(days=1),
    kind="transfer",
    amount=5_200.0,
    currency="EUR",
    payer=account("acc-collect"),
    payee=account("acc-away"),
    reasons=["EMPTIES_ACCOUNT", "NEW_PAYEE_LARGE_AMOUNT", "RULE_SPRING"],
    anomaly_score=0.7,
    texts={"RULE_SPRING": "It is like last spring's 12 thefts."},
)
CASE: Final = CaseEvidence(
    case_id="case-0a1b",
    feed="aml",
    account=account("acc-collect"),
    alerts=[ALERT],
    rings=[RING],
    weights={"RING_FAN_IN": 0.5, "EMPTIES_ACCOUNT": 0.3, "RULE_SPRING": 0.2},
    first_at=RING.first_at,
    last_at=ALERT.occurred_at,
    expected_loss=2_950.25,
    exposure=5_200.0,
    earlier=[EarlierCase("case-ff00", "confirmed", NOON - timedelta(days=30))],
)


def test_a_ring_tells_its_payments_its_centre_and_its_typology() -> None:
    assert TemplateExplainer().explain(RING) == (
        "Fan-in of 4 accounts (…lect, …0001, …0002 and 1 more): 4 transactions with a sum of "
        "4,000.00 EUR from 2024-05-01 at 13:00 to 2024-05-01 at 16:00 UTC. "
        "Its centre is the account …lect. "
        "The largest payments: 1,100.50 EUR from …0002 to …lect on 2024-05-01 at 14:00 UTC; "
        "1,000.00 EUR from …0001 to …lect on 2024-05-01 at 16:00 UTC; "
        "999.50 EUR from …0003 to …lect on 2024-05-01 at 15:00 UTC; and 1 more. "
        "Many accounts pay one account that they hardly ever pay otherwise. "
        "The typology fan-in is used for collecting the money of many payers in one account. "
        "3,900.00 EUR came in from outside. "
        "Strength of the evidence: 75%; it is no probability of fraud."
    )


@pytest.mark.parametrize(("share", "told"), [(0.625, "62%"), (0.0, "1%"), (0.9999, "99%")])
def test_a_ring_tells_how_many_as_strong_were_confirmed(share: float, told: str) -> None:
    text = TemplateExplainer().explain(replace(RING, confirmed_share=share))
    assert text.endswith(
        f"Strength of the evidence: 75%; of judged rings as strong {told} were confirmed."
    )


def test_a_payment_tells_the_typology_that_its_reasons_point_to() -> None:
    text = TemplateExplainer().explain(ALERT)
    assert "It is like last spring's 12 thefts." in text
    assert "Together this looks like the typology account takeover: emptying a stranger's" in text
    assert "typology" not in TemplateExplainer().explain(replace(ALERT, reasons=["ANOMALY_HIGH"]))


def test_a_case_tells_alerts_rings_weights_stakes_and_history() -> None:
    assert TemplateExplainer().explain(CASE) == (
        "Case about the account …lect: 1 alert of payments and 1 ring of accounts, from "
        "2024-05-01 at 13:00 to 2024-05-02 at 12:00 UTC. "
        "Fan-in of 4 accounts (…lect, …0001, …0002 and 1 more): 4 transactions with a sum of "
        "4,000.00 EUR from 2024-05-01 at 13:00 to 2024-05-01 at 16:00 UTC. "
        "The largest payments: 5,200.00 EUR from …lect to …away on 2024-05-02 at 12:00 UTC; "
        "1,100.50 EUR from …0002 to …lect on 2024-05-01 at 14:00 UTC; "
        "1,000.00 EUR from …0001 to …lect on 2024-05-01 at 16:00 UTC; and 2 more. "
        "Payments look like the typology account takeover. "
        "What it rests on, by weight: 50%: Many accounts pay one account that they hardly ever pay "
        "otherwise. "
        "30%: The payment takes nearly the whole balance of the payer. "
        "20%: It is like last spring's 12 thefts. "
        "Expected loss: 2,950.25 EUR. Exposure: 5,200.00 EUR. "
        "Earlier: case-ff00 (confirmed, closed on 2024-04-01)."
    )


@pytest.mark.parametrize(
    "text",
    [
        "Case case-0a1b holds 1,100.50 EUR; the ring is 50% of it.",
        "Five payments, four accounts; 5,200 EUR at stake, 2,950.25 EUR expected.",
        "case-ff00 was confirmed on 2024-04-01.",
        "It is like last spring's 12 thefts.",
    ],
)
def test_what_a_case_holds_may_be_said(text: str) -> None:
    verify(text, CASE)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("Account acc-collect and 6 more.", "6"),
        ("A loss of 2,950.26 EUR.", "2,950.26"),
        ("case-ff01 was confirmed.", "case-ff01"),
        ("Account aml:account:acc-00001 paid.", ":account:acc-00001"),
        ("It was closed on 2024-04-02.", "2024-04-02."),
        ("51% rests on the ring.", "51%"),
        # The smallest payment is in the evidence of the ring, but no text is told of it.
        ("900 EUR were paid.", "900"),
    ],
)
def test_what_a_case_does_not_hold_is_refused(text: str, claim: str) -> None:
    with pytest.raises(UnsupportedTextError) as refusal:
        verify(text, CASE)
    assert f": {claim}" in str(refusal.value)


def test_of_many_rings_reasons_and_earlier_cases_the_first_are_told() -> None:
    rings = [replace(RING, amount=amount) for amount in (4_000.0, 5_000.0, 6_000.0)]
    earlier = [EarlierCase(f"case-{n}", "false", NOON) for n in range(9)]
    codes = ["RING_FAN_IN", "EMPTIES_ACCOUNT", "ANOMALY_HIGH", "MODEL_KIND", "MODEL_TIME"]
    many = replace(CASE, rings=rings, earlier=earlier, weights=dict.fromkeys(codes, 0.2))
    text = TemplateExplainer().explain(many)
    assert "1 alert of payments and 3 rings of accounts" in text
    assert "sum of 5,000.00 EUR" in text
    assert "6,000.00" not in text
    assert "20%: The model finds this kind of transaction suspicious. And 1 reason of less" in text
    assert REASONS["MODEL_TIME"] not in text
    assert "case-2 (false, closed on 2024-05-01) and 6 more." in text
    verify(text, many)
    facts = facts_of(many)
    shown = ("rings", "reasons_and_what_part_of_the_case_rests_on_each", "earlier_cases")
    assert [str(facts[name]).count("{") for name in shown] == [2, 4, 3]


def test_the_largest_payments_are_told_and_of_equal_ones_the_earliest() -> None:
    equal = [payment(number, 900.0, "acc-00001", "acc-collect") for number in (9, 4, 6, 5)]
    larger = payment(10, 901.0, "acc-00002", "acc-collect")
    at_once = replace(equal[1], transaction_id="t0")
    told = told_payments(replace(RING, payments=[*equal, larger, at_once]))
    assert [one.transaction_id for one in told] == ["t10", "t0", "t4"]


def test_a_payment_that_is_an_alert_and_in_a_ring_is_told_once() -> None:
    both = replace(ALERT, transaction_id="t4", amount=1_000.25)
    found = replace(CASE, alerts=[ALERT, both], rings=[RING, RING]).payments
    assert [one.transaction_id for one in found] == ["t7", "t4", "t1", "t2", "t3"]
    assert found[1].amount == 1_000.25


def test_a_model_sees_a_case_without_ids() -> None:
    facts = facts_of(CASE)
    assert facts["case"] == "several alerts about the account …lect"
    assert facts["reasons_and_what_part_of_the_case_rests_on_each"] == [
        {
            "reason": "Many accounts pay one account that they hardly ever pay otherwise.",
            "part": "50%",
        },
        {"reason": "The payment takes nearly the whole balance of the payer.", "part": "30%"},
        {"reason": "It is like last spring's 12 thefts.", "part": "20%"},
    ]
    assert facts["earlier_cases"] == [{"verdict": "confirmed", "closed_on": "2024-04-01"}]
    told = str(facts)
    assert not [
        one for one in ("acc-", "case-0a1b", "case-ff00", "t7", "tx-1", "r9") if one in told
    ]


names = st.text("abcdefghij0123456789-", min_size=3, max_size=12)
money = st.floats(0.01, 1e12)
times = st.integers(0, 10**6).map(lambda minutes: NOON + timedelta(minutes=minutes))
nodes = names.map(account)
paid = st.builds(Payment, names, times, money, st.sampled_from(["EUR", "XXX"]), nodes, nodes)
codes = st.lists(st.sampled_from(sorted(REASONS)), unique=True, min_size=1, max_size=6)
rings = st.builds(
    RingEvidence,
    alert_id=names,
    feed=st.just("aml"),
    ring_id=names,
    pattern=st.sampled_from(PATTERNS),
    score=st.floats(0, 1),
    accounts=st.lists(nodes, min_size=2, max_size=6),
    transaction_ids=st.lists(names, min_size=3, max_size=6),
    first_at=times,
    last_at=times,
    amount=money,
    reasons=codes,
    payments=st.lists(paid, max_size=3),
    centre=st.none() | nodes,
    exposure=st.none() | money,
    confirmed_share=st.none() | st.floats(0, 1),
)
alerts = st.builds(
    TransactionEvidence,
    alert_id=names,
    feed=st.just("aml"),
    transaction_id=names,
    occurred_at=times,
    kind=st.just("transfer"),
    amount=money,
    currency=st.just("EUR"),
    payer=nodes,
    payee=nodes,
    reasons=codes,
    anomaly_score=st.floats(0, 1),
)
cases = st.builds(
    CaseEvidence,
    case_id=names,
    feed=st.just("aml"),
    account=st.none() | nodes,
    alerts=st.lists(alerts, max_size=3),
    rings=st.lists(rings, max_size=3),
    weights=codes.map(lambda found: dict.fromkeys(found, 1 / len(found))),
    first_at=times,
    last_at=times,
    expected_loss=st.none() | money,
    exposure=st.none() | money,
    earlier=st.lists(
        st.builds(EarlierCase, names, st.sampled_from(["confirmed", "false", "unsure"]), times),
        max_size=5,
    ),
)


@settings(deadline=None, max_examples=50, database=None)
@given(rings | cases)
def test_the_template_always_holds(evidence: RingEvidence | CaseEvidence) -> None:
    verify(TemplateExplainer().explain(evidence), evidence)


def test_every_pattern_has_a_typology() -> None:
    assert set(PATTERNS) <= set(TYPOLOGIES)
    assert typology_of_reasons(["MODEL_PAYER_FLOWS"]) is None
    found = typology_of_reasons(["ANOMALY_HIGH", "MANY_PAYERS_IN_A_DAY"])
    assert found is TYPOLOGIES["fan_in"]


def test_evidence_of_rings_takes_what_the_tables_know() -> None:
    row = {
        "alert_id": "ring-1",
        "feed": "aml",
        "subject_id": "r9",
        **{name: getattr(RING, name) for name in ("pattern", "score", "accounts", "amount")},
        **{name: getattr(RING, name) for name in ("transaction_ids", "first_at", "last_at")},
        "reasons": ["RING_FAN_IN"],
    }
    paid_rows = pl.DataFrame([vars(one) | {"feed": "aml"} for one in RING.payments])
    details = pl.DataFrame({"ring_id": ["r9"], "centre": [RING.centre], "exposure": [3_900.0]})
    details = details.with_columns(confirmed_share=0.625)
    (found,) = ring_evidence(pl.DataFrame([row]), {"r9": payments_of(paid_rows)}, details)
    assert found == replace(RING, payments=tuple(RING.payments), confirmed_share=0.625)
    (plain,) = ring_evidence(pl.DataFrame([row]))
    assert plain == replace(RING, payments=(), centre=None, exposure=None)


def test_texts_of_rules_come_with_the_alerts_that_they_gave() -> None:
    row = {name: value for name, value in vars(ALERT).items() if name != "texts"}
    row |= {"subject_id": row.pop("transaction_id"), "related_transaction_ids": []}
    table = pl.DataFrame([row], schema_overrides={"model_version": pl.String})
    (found,) = transaction_evidence(table, {"RULE_SPRING": "Spring.", "RULE_OTHER": "Other."})
    assert found.texts == {"RULE_SPRING": "Spring."}
    assert list(told_reasons(found).values())[-1] == "Spring."
    (unknown,) = transaction_evidence(table)
    assert told_reasons(unknown)["RULE_SPRING"] == "RULE_SPRING"


def test_a_case_becomes_evidence() -> None:
    def alert(name: str, kind: str, loss: float, reasons: list[tuple[str, float]]) -> CaseAlert:
        return CaseAlert(
            alert_id=name,
            subject=Subject(kind="ring" if kind == "ring" else "entity", feed="aml", name="r9"),
            first_at=NOON,
            last_at=NOON + timedelta(days=1),
            transaction_ids=("t1",),
            accounts=(account("a"), account("b")),
            reasons=tuple(reasons),
            loss=loss,
            amount=10.0,
            score=0.5,
        )

    def case(name: str, closed: int | None = None) -> Case:
        return Case(
            case_id=name,
            subject=Subject(kind="ring", feed="aml", name="r9"),
            opened_at=NOON,
            due_at=NOON,
            alerts=(
                alert("ring-1", "ring", 30.0, [("RING_FAN_IN", 1.0)]),
                alert("tx-1", "entity", 10.0, [("EMPTIES_ACCOUNT", 1.0)]),
            ),
            closed_at=None if closed is None else NOON - timedelta(days=closed),
            verdict=None if closed is None else "false",
            version=1,
            changed_at=NOON,
        )

    others = [case("case-1", closed=9), case("case-2", closed=5), case("case-3")]
    found = case_evidence(case("case-3"), {"ring-1": RING, "tx-1": ALERT}, others)
    assert (found.account, found.alerts, found.rings) == (None, [ALERT], [RING])
    assert found.weights == {"RING_FAN_IN": 0.75, "EMPTIES_ACCOUNT": 0.25}
    assert (found.expected_loss, found.exposure) == (30.0, 5_200.0)
    assert [one.case_id for one in found.earlier] == ["case-2", "case-1"]
    unknown: dict[str, TransactionEvidence | RingEvidence] = {
        "ring-1": replace(RING, exposure=None),
        "tx-1": ALERT,
    }
    assert case_evidence(case("case-3"), unknown).exposure is None
    with pytest.raises(ValueError, match="has no alerts"):
        case_evidence(case("case-3").model_copy(update={"alerts": ()}), {})
