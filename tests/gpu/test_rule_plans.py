"""Whatever an analyst writes translates for the GPU, with the same hits."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpu_ops.rules import RuleSet, rule_hits
from gpu_ops.sql_checking import faults_of
from gpu_ops.sql_syntax import Node
from gpu_ops.sql_tables import expression
from tests.gpu.translation import collected, needs_translator
from tests.rules.random_conditions import CONDITIONS, KINDS, rows
from tests.rules.test_rules_of_rows import LARGE, NIGHT

pytestmark = needs_translator
usable = CONDITIONS.filter(lambda node: not faults_of(node, KINDS, {}))


@given(st.lists(usable, min_size=5, max_size=5))
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    database=None,
)
def test_conditions(nodes: list[Node]) -> None:
    plan = (
        rows()
        .lazy()
        .with_columns(
            expression(node, KINDS).alias(f"hit{place}") for place, node in enumerate(nodes)
        )
    )
    assert collected(plan)[1] == []


def test_rules_with_weights() -> None:
    table = rows().lazy().rename({"x": "amount", "count": "hour_of_day"})
    names = table.collect_schema().names()
    assert collected(table.select(rule_hits(names, RuleSet(own=(LARGE, NIGHT)).active)))[1] == []
