import os
from pathlib import Path

import pytest

from fraud_assets.feeds import FeedError, load_feeds, parse_feed


def mistakes(text: str | bytes) -> list[str]:
    with pytest.raises(FeedError) as error:
        parse_feed(text, "shop.yaml")
    return [str(mistake) for mistake in error.value.mistakes]


def test_all_mistakes_are_named_with_file_key_and_accepted_values(shop_yaml: str) -> None:
    text = (
        shop_yaml.replace("P: payment", "P: pay")
        .replace("7 days", "soon")
        .replace("payer: account", "payer: account, other: x")
        + "delimitr: tab\nencoding: utf-99\n"
    )
    found = mistakes(text)
    assert [line.split(": ")[1] for line in found] == [
        "kinds.P",
        "label_delay",
        "entities.other",
        "encoding",
        "delimitr",
    ]
    assert found[0] == (
        "shop.yaml: kinds.P: found 'pay'; accepted: "
        "'payment', 'transfer', 'cash_out', 'cash_in', 'debit', 'card'"
    )
    assert found[2] == "shop.yaml: entities.other: found an unknown key; accepted: payer, payee"
    assert "did you mean 'delimiter'? accepted: name, description" in found[4]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("name: shop", "name: My-Shop", "name: found 'My-Shop'; accepted: a small letter"),
        ("amount: amount", "amount: 5", "columns.amount: found 5; accepted: text"),
        ("  payer_id: from\n", "", "columns.payer_id: found nothing; this key is required"),
        ("EUR", "eur", "columns.currency.constant: 'eur' is no currency; accepted: an ISO 4217"),
        ("payee_id: to", "payee_id: from", "columns.payee_id: reads the same column as"),
        ("kind: type", "kind: {constant: cards}", "columns.kind.constant: 'cards' is no kind"),
        ("kind: type", "kind: {constant: card}", "kinds: columns.kind is a constant"),
        ("kind: type", "kind: {}", "columns.kind: found {}; give either a column name or"),
        (
            "P: payment",
            "no: payment",
            "a kind of yes, no, on, off, true or false must be in quotes",
        ),
        ("label_delay: 7 days", "", "label_delay: labels need a time: give label_delay"),
        ("column: at", "column: at, format: '%Q'", "time.format.0: found '%Q'; write iso, epoch_s"),
        ("column: at", "column: at, timezone: Mars", "time.timezone: found 'Mars'; write a zone"),
        ("column: at", "step: at, unit: week, start: 2026-01-01", "time.unit: found 'week'"),
        (
            "{column: at}",
            "at",
            "time: found 'at'; accepted: a mapping with the keys column, format",
        ),
        (
            "name: shop",
            "name: shop\nbad_row_limit: 5",
            "bad_row_limit: found 5; accepted: less than",
        ),
        ("name: shop", "name: shop\nlookback: 29 days", "lookback: found '29 days'; write `30"),
        ("name: shop", "name: shop\nlookback: -120 days", "lookback: found '-120 days'; write a"),
        ("name: shop", "name: shop\nname: b", "the key 'name' is given twice"),
        ("name: shop", "name: shop\ndelimiter: ab", "delimiter: found 'ab'; write comma"),
        ("name: shop", "name: shop\noptional: [amount]", "optional.0: found 'amount'; accepted:"),
        (
            "name: shop",
            "name: shop\noptional: [label_known_at]",
            "optional: label_known_at is not among the columns",
        ),
        ("name: shop", "name: shop\nlabels: {genuine: [1]}", "labels: 1 cannot mean both fraud"),
        ("name: shop", "name: shop\nlatest: 1960-01-01", "latest: must be after earliest"),
        ("name: shop", "name: shop\nearliest: 2026-13-45", "text that is not YAML"),
        ("name: shop", "name: [", "text that is not YAML in line"),
    ],
)
def test_a_mistake_is_explained(shop_yaml: str, before: str, after: str, expected: str) -> None:
    assert before in shop_yaml
    text = shop_yaml.replace("bad_row_limit: 0.6\n", "").replace(before, after)
    assert any(expected in line for line in mistakes(text)), mistakes(text)


@pytest.mark.parametrize("text", ["", "- a", b"\xff\xfe", b"name: \xe9"])
def test_a_file_that_is_no_mapping_is_explained(text: str | bytes) -> None:
    assert len(mistakes(text)) == 1


def test_the_digest_knows_content_from_its_spelling(shop_yaml: str) -> None:
    feed = parse_feed(shop_yaml, "a")
    respelt = parse_feed(f"# why\ndescription: new\nencoding: UTF8\n{shop_yaml}", "b")
    other = parse_feed(shop_yaml.replace("7 days", "8 days"), "c")
    assert respelt.digest == feed.digest
    assert other.digest != feed.digest
    assert len(feed.digest) == 64


def test_four_feeds_are_shipped() -> None:
    assert sorted(load_feeds()) == ["aml", "card", "paysim", "sim"]


def test_a_users_feed_adds_and_replaces(tmp_path: Path, shop_yaml: str) -> None:
    (tmp_path / "shop.yaml").write_text(shop_yaml)
    (tmp_path / "mine.yml").write_text(shop_yaml.replace("name: shop", "name: card"))
    (tmp_path / "notes.txt").write_text("no feed")
    feeds = load_feeds(tmp_path)
    assert sorted(feeds) == ["aml", "card", "paysim", "shop", "sim"]
    assert feeds["card"].columns.amount == "amount"


def test_two_feeds_of_one_name_and_other_mistakes_are_all_reported(
    tmp_path: Path, shop_yaml: str
) -> None:
    (tmp_path / "a.yaml").write_text(shop_yaml)
    (tmp_path / "b.yaml").write_text(shop_yaml)
    (tmp_path / "c.yaml").write_text("name: c")
    with pytest.raises(FeedError) as error:
        load_feeds(tmp_path)
    keys = [(Path(m.file).name, m.key) for m in error.value.mistakes]
    assert keys == [("b.yaml", "name"), *[("c.yaml", k) for k in ("columns", "time", "entities")]]


def test_a_folder_or_a_pipe_is_no_definition(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    os.mkfifo(tmp_path / "b.yaml")
    with pytest.raises(FeedError) as refused:
        load_feeds(tmp_path)
    told = [str(one).removeprefix(f"{tmp_path}/") for one in refused.value.mistakes]
    assert told == [
        "a.yaml: the file: found no plain file; accepted: a text file",
        "b.yaml: the file: found no plain file; accepted: a text file",
    ]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no such folder.*FRAUD_FEEDS_DIR"):
        load_feeds(tmp_path / "none")
