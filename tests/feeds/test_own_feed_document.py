import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fraud_assets.feeds import Feed, ReadResult, parse_feed

Read = Callable[..., ReadResult]
DOCUMENT = Path(__file__).parents[2] / "docs" / "your-own-feed.md"


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_does_what_the_document_says(read: Read, blocks: list[str]) -> None:
    sample, example = blocks[:2]
    feed = parse_feed(example, "web_shop.yaml").model_copy(update={"bad_row_limit": 0.5})
    result = read(sample.encode("cp1252"), feed=feed)
    assert result.accepted["transaction_id"].to_list() == ["A-1001", "A-1004"]
    assert [str(time) for time in result.accepted["occurred_at"]] == [
        "2025-06-30 21:58:10+00:00",
        "2025-06-30 22:07:30+00:00",
    ]
    assert result.accepted["is_fraud"].to_list() == [None, True]
    for row, column, reason in result.quarantined.select("row", "column", "reason").rows():
        assert f"| {row} | `{column}` | {reason} |" in DOCUMENT.read_text()
    assert result.quarantined.height == 2


def test_every_key_is_in_the_table() -> None:
    table = DOCUMENT.read_text().split("## Every key")[1].split("\n## ")[0]
    keys = set(Feed.model_fields) - {"columns", "time", "labels", "entities"}
    for key in sorted(keys):
        assert f"| `{key}` |" in table, key
    for section in ("columns", "time", "labels", "entities"):
        annotation = Feed.model_fields[section].annotation
        fields = getattr(
            annotation, "model_fields", ("column", "format", "timezone", "step", "unit")
        )
        for field in fields:
            assert f"`{section}.{field}`" in table, f"{section}.{field}"
