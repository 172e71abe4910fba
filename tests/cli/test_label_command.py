"""`fraud-assets label`: a verdict lands as labels, and says so when it has to wait."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Cli = Callable[..., Result]


def test_a_verdict_lands_and_says_that_it_waits_for_a_transaction(cli: Cli, copied: Path) -> None:
    said = []
    for transaction in ("R05", "t-none"):
        judged = cli(copied, "label", transaction, "--feed", "sim", "--genuine", "--by", "Ada L.")
        assert judged.exit_code == 0
        said.append(judged.stderr)
    assert said == ["", "No such transaction has landed yet; the verdict waits for it.\n"]
    files = sorted((copied / "lake").rglob("verdict-*.csv"))
    told = [file.read_text().splitlines()[1].split(",") for file in files]
    assert [(one[0], one[1], *one[3:]) for one in told] == [
        ("R05", "genuine", "analyst", "Ada L.", ""),
        ("t-none", "genuine", "analyst", "Ada L.", ""),
    ]


def test_a_verdict_needs_a_feed_that_is_there_a_word_and_a_name(cli: Cli, tmp_path: Path) -> None:
    for arguments, said in (
        (("--feed", "none", "--fraud", "--by", "Ada"), "none"),
        (("--feed", "sim", "--by", "Ada"), "--fraud, --genuine or --unsure"),
        (("--feed", "sim", "--fraud", "--by", " "), "may be blank"),
    ):
        refused = cli(tmp_path, "label", "a-1", *arguments)
        assert refused.exit_code != 0
        assert said in refused.stderr
