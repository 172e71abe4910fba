"""Published alerts as cases hold them: above all, whom each is about."""

import polars as pl
import pytest

from fraud_assets.schemas import PUBLISHED_ALERTS
from gpu_ops.case_alerts import Told, case_alerts, is_about_the_payee, is_about_the_payer
from gpu_ops.case_model import CaseAlert, Subject
from gpu_ops.reasons import REASONS
from tests.cases.made_lake import AT, paid, ringed

SCHEMA = {name: column.dtype.type for name, column in PUBLISHED_ALERTS.schema.columns.items()}


def alert_of(row: dict[str, object]) -> CaseAlert:
    (alert,) = case_alerts(pl.DataFrame([row], schema=SCHEMA))
    return alert


def test_a_payment() -> None:
    assert alert_of(paid("t1", "7", related_transaction_ids=["t2"])) == CaseAlert(
        alert_id="tx-t1",
        subject=Subject(kind="entity", feed="card", name="card:customer:7"),
        first_at=AT,
        last_at=AT,
        transaction_ids=("t1", "t2"),
        accounts=("card:customer:7", "card:terminal:9"),
        reasons=(("ANOMALY_HIGH", 1.0),),
        loss=50.0,
        amount=100.0,
        score=0.699999988079071,
    )


def test_a_ring() -> None:
    alert = alert_of(ringed("r", ["t1", "t2"], amount=200.0))
    assert alert.subject == Subject(kind="ring", feed="card", name="r")
    assert (alert.loss, alert.score, alert.pattern) == (100.0, 0.5, "cycle")
    assert alert.transaction_ids == ("t1", "t2")


@pytest.mark.parametrize(
    ("reasons", "is_payee"),
    [
        ([], False),
        (["ANOMALY_HIGH"], False),
        (["MANY_PAYERS_IN_A_DAY"], True),
        # As much of one as of the other.
        (["MODEL_PAYEE_FLOWS", "EMPTIES_ACCOUNT"], False),
        (["AMOUNT_FAR_ABOVE_PAYER_HISTORY", "PAYEE_IN_RING", "PAYEE_RECENT_FRAUD"], True),
        # Whom the payer has not paid before is the payer's story.
        (["NEW_PAYEE_LARGE_AMOUNT"], False),
        (["MANY_PAYEES_IN_A_DAY"], False),
    ],
)
def test_whom_a_payment_is_about(reasons: list[str], is_payee: bool) -> None:  # noqa: FBT001 - a column of the table above
    name = alert_of(paid("t1", "7", reasons=reasons)).subject.name
    assert name == ("card:terminal:9" if is_payee else "card:customer:7")


def test_what_is_told_beside() -> None:
    rows = [paid("t1", reasons=["OWN", "ANOMALY_HIGH", "MODEL_TIME"]), ringed("r", ["t2"])]
    told = Told(
        contributions={"tx-t1": {"MODEL_TIME": 4.0}},
        rules={"OWN": 3},
        exposures={("card", "r"): 60.0, ("aml", "r"): 1.0},
    )
    payment, ring = case_alerts(pl.DataFrame(rows, schema=SCHEMA), told)
    assert payment.reasons == (("OWN", 0.375), ("ANOMALY_HIGH", 0.125), ("MODEL_TIME", 0.5))
    assert (ring.loss, ring.amount) == (30.0, 100.0)


def test_a_share_of_confirmed_rings_goes_before_the_strength() -> None:
    rows = [ringed("r", ["t1"], expected_loss=20.0), ringed("s", ["t2"], expected_loss=0.0)]
    told = Told(exposures={("card", "r"): 60.0, ("card", "s"): 60.0})
    found = case_alerts(pl.DataFrame(rows, schema=SCHEMA), told)
    assert [one.loss for one in found] == [20.0, 0.0]


def test_no_reason_is_about_both() -> None:
    assert [code for code in REASONS if is_about_the_payee(code) and is_about_the_payer(code)] == []
    assert sum(is_about_the_payee(code) for code in REASONS) >= 10
