"""What features see of labels is joined to the rows in a plan that the GPU can run."""

from datetime import UTC, datetime, timedelta

import polars as pl

from gpu_ops.labels import EVENT_SCHEMA, labels_from
from tests.gpu.translation import collected, needs_translator

START = datetime(2026, 1, 1, tzinfo=UTC)


@needs_translator
def test_labels_of_features() -> None:
    days = [START + timedelta(days=number) for number in range(6)]
    rows = pl.LazyFrame(
        {
            "transaction_id": ["a", "b", "c"],
            "occurred_at": pl.Series(days[:3], dtype=pl.Datetime("us", "UTC")),
            "is_fraud": [False, None, True],
            "label_known_at": pl.Series([days[3], None, days[4]], dtype=pl.Datetime("us", "UTC")),
        }
    )
    events = pl.LazyFrame(
        [("a", True, days[4], "chargeback"), ("b", None, days[4], "analyst")],
        schema=EVENT_SCHEMA,
        orient="row",
    )
    for maturity in (None, timedelta(days=1)):
        table, refused = collected(labels_from(rows, events, days[5], maturity))
        assert table["is_fraud"].to_list() == [True, None if maturity is None else False, True]
        assert refused == []
