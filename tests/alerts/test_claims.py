"""Texts that try to say more than their evidence, without a plain wrong number."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from gpu_ops.evidence import CaseEvidence, EarlierCase, Payment, RingEvidence, TransactionEvidence
from resources.claims import unsupported_claims
from resources.explainer import TemplateExplainer

AT: Final = datetime(2024, 5, 1, 13, 45, 59, tzinfo=UTC)
ALERT: Final = TransactionEvidence(
    alert_id="tx-73b4aa855c917ddd",
    feed="paysim",
    transaction_id="T1000000042",
    occurred_at=AT,
    kind="transfer",
    amount=500.0,
    currency="EUR",
    payer="paysim:account:C123456789",
    payee="paysim:account:C555500042",
    reasons=["EMPTIES_ACCOUNT"],
    anomaly_score=0.714,
    fraud_probability=0.001,
    expected_loss=0.2,
    model_version="paysim-3",
    related_transaction_ids=["T1000000043"],
)
RING: Final = RingEvidence(
    alert_id="ring-1",
    feed="aml",
    ring_id="r9",
    pattern="fan_in",
    score=0.75,
    accounts=["aml:account:1001", "aml:account:1002", "aml:account:1003", "aml:account:1004"],
    transaction_ids=["12", "99", "50", "15", "7"],
    first_at=AT,
    last_at=AT,
    amount=4_000.0,
    reasons=["RING_FAN_IN"],
    payments=[Payment("12", AT, 900.0, "USD", "aml:account:1001", "aml:account:1002")],
)
CASE: Final = CaseEvidence(
    case_id="case-0a1b",
    feed="aml",
    account="aml:account:1001",
    alerts=[],
    rings=[RING],
    weights={"RING_FAN_IN": 1.0},
    first_at=AT,
    last_at=AT,
    earlier=[EarlierCase("case-ff00", "confirmed", AT)],
)


@pytest.mark.parametrize(
    "words",
    [
        "a seven-figure sum",
        "two-thirds of it",
        "three-quarters of it",
        "a third of it",
        "half-million",
        "five-hundred",
        "multi-million",
        "seven\u2014eight of them",
        "seven/eight of them",
        "forty\u2011two of them",
        "the twelfth of them",
        "the seventh of them",
        "threefold",
        "thrice",
        "quadrupled",
        "a millionaire",
        "zero of them in all, nil",
        "XIV of them",
        "\u216b of them",
        "s e v e n of them",
        "s.e.v.e.n of them",
        "sev\u0301en of them",
        "s\u0435ven of them",
        "\u0434\u0435\u0432\u044f\u0442\u044c",
        "\ua731\u1d07\u1d20\u1d07\u0274 of them",
        "\U0001f51f of them",
        "\U0001f172 of them",
    ],
)
def test_numbers_in_words_are_read_however_they_are_spelt(words: str) -> None:
    assert unsupported_claims(words, ALERT)


@pytest.mark.parametrize(
    "words",
    [
        # 500, 1, 2 and 0 are in the evidence, but none of these numbers is.
        "1 500 in all",
        "2 000 000 in all",
        "1\u202f500 in all",
        "1\n500 in all",
        "2 2",
        "1 2 500 in all",
        "000",
        "02",
        "0500",
        "5\u200b00 500",
        "500\u2030",
        "500 percent",
        "1.500,00",
        "5e2",
        "+500",
    ],
)
def test_numbers_are_not_put_together_from_others(words: str) -> None:
    assert unsupported_claims(words, ALERT)


@pytest.mark.parametrize(
    "words",
    [
        "2 EUR were lost",
        "a loss of EUR 2",
        "two EUR were lost",
        "two euros were lost",
        "500 cents",
        "500 USD",
        "USD 500",
        "$500",
        "500 \u00a3",
        "500 pounds",
        "0.71 EUR",
        "2 days later",
        "two hours later",
        "2 times as much",
        "two percent",
        "2 pm",
        "two o'clock",
        "two o\u2019clock",
    ],
)
def test_a_number_counts_as_what_it_stands_beside(words: str) -> None:
    assert unsupported_claims(words, ALERT)


@pytest.mark.parametrize(
    "words",
    [
        *("May 2", "2 May", "on Monday", "in June", "since March", "in May", "at noon"),
        *("01-05-2024", "2024-01-05", "05/01/2024", "2024/05/01", "20240501", "13.45", "1:45"),
        *("2:13:45", "2-2024-05-01"),
        "yesterday",
    ],
)
def test_dates_and_times_stand_as_the_evidence_has_them(words: str) -> None:
    assert unsupported_claims(words, ALERT)


@pytest.mark.parametrize(
    "words",
    [
        "TX-73B4AA855C917DDD",
        "t1000000042",
        "T100000004\u0662",
        "\u0422" + "1000000042",
        "empties_account",
        "mule.example",
        "www.mule.example",
        "mule.example/pay",
        "[here](mule)",
        "<b>here</b>",
        "two\x08many",
        "see \ue000here",
        # Masked accounts of nobody: the evidence holds 2 and 500 as numbers alone.
        "account \u20262",
        "account \u2026500",
        "account ...evil",
    ],
)
def test_ids_have_their_own_letters_and_nothing_is_linked_or_hidden(words: str) -> None:
    assert unsupported_claims(words, ALERT)


@pytest.mark.parametrize(
    "words",
    [
        "500 EUR, EUR 500.00 or 500 euros",
        "\u20ac500",
        "A probability of 0.1%, an anomaly score of 0.71.",
        "Two accounts; 2 payments of them that day.",
        "It may be a mix, i.e. of many, by a third party.",
        "It may march on.",
        "Transaction T1000000042 and T1000000043, feed PaySim, a Transfer.",
        "on 2024-05-01 at 13:45 500 EUR left \u20266789",
        "THE PAYMENT TAKES nearly the whole balance of the payer.",
        "Nai\u0308ve, but plain \u2013 \u201cso they say\u201d.",
    ],
)
def test_what_the_evidence_holds_may_be_said_in_other_words(words: str) -> None:
    assert unsupported_claims(words, ALERT) == ()


@pytest.mark.parametrize("evidence", [RING, CASE])
def test_an_id_that_is_a_number_is_no_amount_count_or_share(
    evidence: RingEvidence | CaseEvidence,
) -> None:
    for words in ("99 USD", "99 were lost", "50% certain", "15 of them", "transaction 50% sure"):
        assert unsupported_claims(words, evidence)
    assert unsupported_claims("Transaction 99 and payment 12.", evidence) == ()
    # Five transactions are no five dollars.
    assert unsupported_claims("5 transactions, 900 USD", evidence) == ()
    assert unsupported_claims("5 USD", evidence)


def test_thousands_that_stand_apart_are_one_number() -> None:
    large = replace(ALERT, amount=1_234_567.5)
    for told in ("1 234 567.50 EUR", "1\u202f234\u202f567.5 EUR", "1,234,567.5", "1234568"):
        assert unsupported_claims(f"{told} in all", large) == ()
    assert unsupported_claims("1 234 568.50 in all", large) == ("1,234,568.50",)


def test_without_a_known_currency_none_is_told() -> None:
    unknown = replace(ALERT, currency="XXX")
    assert unsupported_claims("500 were paid", unknown) == ()
    assert unsupported_claims("500 EUR were paid", unknown)


def test_what_another_alert_is_about_is_refused() -> None:
    other = replace(ALERT, amount=501.0, payer="paysim:account:C999", transaction_id="T9")
    told = TemplateExplainer().explain(other)
    assert unsupported_claims(told, other) == ()
    assert unsupported_claims(told, ALERT) == ("501.00", "...99")
    assert unsupported_claims(TemplateExplainer().explain(RING), ALERT)
