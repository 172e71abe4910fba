"""Alerts for tests of cases, each with what differs from an ordinary one."""

from datetime import UTC, datetime, timedelta

from gpu_ops.case_model import CaseAlert, Subject

NOON = datetime(2024, 3, 2, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def entity(name: str, feed: str = "card") -> Subject:
    return Subject(kind="entity", feed=feed, name=f"{feed}:customer:{name}")


def ring_of(name: str, feed: str = "card") -> Subject:
    return Subject(kind="ring", feed=feed, name=name)


def payment(
    name: str,
    payer: str = "ada",
    *,
    related: tuple[str, ...] = (),
    loss: float | None = 10.0,
    day: int = 0,
    reasons: tuple[tuple[str, float], ...] = (("ANOMALY_HIGH", 1.0),),
) -> CaseAlert:
    """The alert `tx-<name>` of the transaction `<name>`."""
    at = NOON + timedelta(days=day)
    return CaseAlert(
        alert_id=f"tx-{name}",
        subject=entity(payer),
        first_at=at,
        last_at=at,
        transaction_ids=(name, *related),
        accounts=(f"card:customer:{payer}", "card:terminal:9"),
        reasons=reasons,
        loss=loss,
        amount=100.0,
        score=0.5,
    )


def ring(
    name: str,
    transactions: tuple[str, ...],
    *,
    score: float = 0.5,
    day: int = 0,
    accounts: tuple[str, ...] = ("ada", "bea"),
) -> CaseAlert:
    """The alert `ring-<name>` of the ring `<name>`."""
    at = NOON + timedelta(days=day)
    return CaseAlert(
        alert_id=f"ring-{name}",
        subject=ring_of(name),
        first_at=at,
        last_at=at,
        transaction_ids=transactions,
        accounts=tuple(f"card:customer:{one}" for one in accounts),
        reasons=(("RING_CYCLE", 1.0),),
        loss=score * 1000.0,
        amount=1000.0,
        score=score,
        pattern="cycle",
    )
