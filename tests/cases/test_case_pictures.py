"""The timeline of a case: what stands in it, and that nothing else does."""

import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from fraud_assets.case_pictures import case_timeline, timelines_of
from fraud_assets.svg import text_width
from gpu_ops.case_model import Case, CaseAlert
from tests.cases.made_alerts import NOON, WEEK, payment, ring


def case(*alerts: CaseAlert, **told: object) -> Case:
    return Case.model_validate(
        {
            "case_id": "case-1",
            "subject": alerts[0].subject if alerts else payment("x").subject,
            "opened_at": NOON,
            "due_at": NOON + WEEK,
            "alerts": alerts,
            "version": 1,
            "changed_at": NOON,
            **told,
        }
    )


def drawn(svg: bytes) -> tuple[list[str], dict[str, list[dict[str, str]]]]:
    """The texts in order, and the attributes of every shape by tag."""
    root = ET.fromstring(svg)  # noqa: S314 - our own drawing
    shapes: dict[str, list[dict[str, str]]] = {}
    for element in root.iter():
        shapes.setdefault(element.tag.split("}")[1], []).append(dict(element.attrib))
    return [one.text or "" for one in root.iter() if one.tag.endswith("}text")], shapes


def test_alerts_stand_in_the_order_of_time_between_the_ends_of_the_axis() -> None:
    later = payment("b", payer="adamant", day=4, reasons=(("A_B", 0.25), ("FAR_TOO_MUCH", 0.75)))
    long = ring("r", ("t1",), day=0).model_copy(update={"last_at": NOON + timedelta(days=2)})
    picture = case_timeline(case(later, long, assignee="Bo", state="assigned"))
    texts, shapes = drawn(picture)
    assert texts[:3] == [
        "account …ant: 2 alerts",
        "case-1, assigned, with Bo",
        "opened 02 Mar 2024, due 09 Mar 2024 12:00 UTC",
    ]
    assert texts[3:7] == ["02 Mar 2024", "03 Mar 2024", "05 Mar 2024", "06 Mar 2024"]
    assert texts[7:] == [
        "02 Mar 2024 12:00", "1.0k", "ring cycle (100%)",
        "06 Mar 2024 12:00", "100", "far too much (75%) +1",
    ]  # fmt: skip
    # The axis goes from 250 to 640: the ring takes half of its four days, the payment is its end.
    (bar,) = (one for one in shapes["rect"] if one["fill"] == "#fde68a")
    assert (float(bar["x"]), float(bar["width"])) == (247.0, 201.0)
    (dot,) = shapes["circle"]
    assert float(dot["cx"]) == 640.0
    assert "adamant" not in picture.decode()


def test_a_large_case_draws_what_would_cost_most_and_says_so() -> None:
    alerts = [payment(f"t{n:02d}", loss=float(n), day=n) for n in range(30)]
    texts, shapes = drawn(case_timeline(case(*alerts)))
    assert texts[0] == "account …a: 30 alerts, the 24 with most at stake drawn"
    assert len(shapes["circle"]) == 24
    assert "02 Mar 2024 12:00" not in texts
    assert "08 Mar 2024 12:00" in texts


def test_one_moment_is_an_axis_too_and_names_cannot_break_out() -> None:
    bad = payment("<b>", reasons=(("<script>", 1.0),))
    svg = case_timeline(case(bad, follows="case-0", verdict="false", state="closed"))
    texts, shapes = drawn(svg)
    assert "case-1, closed (false); goes on from case-0" in texts
    assert texts[-1] == "<script> (100%)"
    assert drawn(case_timeline(case(payment("a", payer="abcd<b>&"))))[0][0] == (
        "account \u2026<b>&: 1 alert"
    )
    assert float(shapes["circle"][0]["cx"]) == 250.0
    assert not re.search(rb"<script", svg)


def test_only_cases_with_alerts_have_a_picture() -> None:
    assert list(timelines_of([case(), case(payment("a"), case_id="case-2")])) == ["case-2.svg"]
    with pytest.raises(ValueError, match="case-1 has no alert"):
        case_timeline(case())


def test_long_names_and_reasons_are_cut_off_before_what_follows_them() -> None:
    reasons = (("RULE_" + "WIDE_" * 11, 0.6), ("A", 0.4))
    long = case(
        payment("a", reasons=reasons),
        assignee="Maximiliane van der Long-Name " * 6,
        state="assigned",
        escalated=True,
        follows="case-fedcba9876543210",
    )
    texts, _ = drawn(case_timeline(long))
    assert texts[1].startswith("case-1, assigned, with Maximiliane van der Long-Name Maximilia")
    assert texts[1].endswith("\u2026, escalated; goes on from case-fedcba9876543210")
    assert text_width(texts[1], 11) <= 900 - 2 * 14
    assert re.fullmatch(r"rule wide [a-z ]+\u2026 \(60%\) \+1", texts[-1])
    assert 200 < text_width(texts[-1], 10.5) <= 900 - 14 - 658


def test_no_time_stands_twice_below_the_axis() -> None:
    at_once, _ = drawn(case_timeline(case(payment("a"))))
    assert at_once[3:5] == ["02 Mar 12:00", "02 Mar 2024 12:00"]
    short, _ = drawn(case_timeline(case(payment("a"), payment("b", day=2))))
    assert short[3:7] == ["02 Mar 12:00", "03 Mar 04:00", "03 Mar 20:00", "04 Mar 12:00"]
    days = ring("r", ("t",)).model_copy(update={"last_at": NOON + timedelta(days=2.5)})
    longer, _ = drawn(case_timeline(case(days)))
    assert longer[3:7] == ["02 Mar 12:00", "03 Mar 08:00", "04 Mar 04:00", "05 Mar 00:00"]
