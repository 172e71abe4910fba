"""A small feed, and a way to read bytes as a file of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_assets.feeds import Feed, ReadResult, parse_feed, read_upload

NOW = datetime(2026, 6, 1, tzinfo=UTC)

SHOP = """
name: shop
columns:
  transaction_id: id
  kind: type
  amount: amount
  currency: {constant: EUR}
  payer_id: from
  payee_id: to
  is_fraud: fraud
time: {column: at}
kinds: {P: payment, T: transfer}
label_delay: 7 days
entities: {payer: account, payee: account}
bad_row_limit: 0.6
"""

ReadBytes = Callable[..., ReadResult]
CsvWith = Callable[..., bytes]


@pytest.fixture(scope="session")
def shop_yaml() -> str:
    return SHOP


@pytest.fixture(scope="session")
def shop() -> Feed:
    return parse_feed(SHOP, "shop.yaml")


@pytest.fixture
def read(tmp_path: Path, shop: Feed) -> ReadBytes:
    """Reads bytes as a landed file: `read(content, name="x.csv", feed=shop)`."""

    def _read(content: bytes, name: str = "x.csv", feed: Feed = shop) -> ReadResult:
        path = tmp_path / "bytes"
        path.write_bytes(content)
        return read_upload(path, feed, source_file=name, now=NOW)

    return _read


@pytest.fixture(scope="session")
def csv_with() -> CsvWith:
    """A header, a good row with id 1 and a row with id 2 whose cells may be changed by name."""

    def _csv_with(**cells: str) -> bytes:
        good = {
            "id": "1",
            "at": "2026-01-01T00:00:00Z",
            "type": "P",
            "amount": "10.5",
            "from": "acc-00000001",
            "to": "acc-00000002",
            "fraud": "0",
        }
        second = {**good, "id": "2", **{name.rstrip("_"): cell for name, cell in cells.items()}}
        lines = (good, good.values(), second.values())
        return "".join(",".join(line) + "\n" for line in lines).encode()

    return _csv_with
