"""`fraud-assets label`: an analyst's verdict, through the same door as every other label."""

import csv
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import click

from fraud_assets.command_line import open_lake, print_lines
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from fraud_assets.uploads import Uploads
    from resources.versions import Versions

ANALYST = "analyst"


@click.command()
@click.argument("transaction_id")
@click.option("--feed", required=True, help="The feed of the transaction.")
@click.option("--fraud", "verdict", flag_value="fraud", help="It is fraud.")
@click.option("--genuine", "verdict", flag_value="genuine", help="It is legitimate.")
@click.option("--unsure", "verdict", flag_value="unsure", help="Looked at, not decided: no label.")
@click.option("--by", required=True, metavar="NAME", help="Who judges.")
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@told_plainly
def label(transaction_id: str, feed: str, verdict: str | None, by: str, reason: str) -> None:
    """Judge a transaction now; the next run and the sensor take the verdict in.

    It counts from this moment on, for features, training and metrics.
    """
    from fraud_assets.feeds import load_feeds
    from fraud_assets.uploads import UploadError, Uploads
    from resources.lake import utc_now
    from resources.settings import Settings
    from resources.versions import Versions

    if verdict is None:
        raise click.UsageError("say what it is: --fraud, --genuine or --unsure")
    if not (transaction_id.strip() and by.strip()):
        raise click.UsageError("neither the transaction nor --by may be blank")
    settings = Settings.load()
    feeds = load_feeds(settings.feeds_dir)
    lake = open_lake(settings)
    uploads = Uploads(lake, feeds)
    try:
        key = land_verdict(
            uploads, feed, (transaction_id.strip(), verdict, by.strip(), reason), utc_now()
        )
    except UploadError as error:
        raise click.ClickException(str(error)) from error
    print_lines([key])
    if not has_landed(Versions(lake), feed, transaction_id.strip()):
        click.echo("No such transaction has landed yet; the verdict waits for it.", err=True)


def has_landed(versions: "Versions", feed: str, transaction_id: str) -> bool:
    """Whether a transaction is among a feed's accepted rows."""
    import polars as pl

    from fraud_assets import layers

    raw = layers.visible(versions, "raw_transactions", feed).values()
    return any(
        versions.scan(one).filter(transaction_id=transaction_id).select(pl.len()).collect().item()
        for one in raw
    )


def land_verdict(
    uploads: "Uploads", feed: str, judged: tuple[str, str, str, str], now: "datetime"
) -> str:
    """Lands one verdict as a file of labels; its key in the lake.

    Args:
        uploads: Where.
        feed: Of the transaction.
        judged: Transaction id; fraud, genuine or unsure; who judges; why.
        now: When it becomes known.

    Raises:
        UploadError: There is no such feed.
    """
    transaction_id, verdict, by, reason = judged
    # The id itself may hold what no file name can.
    tag = hashlib.sha256(transaction_id.encode()).hexdigest()[:8]
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"verdict-{now:%Y%m%dT%H%M%S%f}-{tag}.csv"
        write_judgements(file, [(transaction_id, verdict, now.isoformat(), ANALYST, by, reason)])
        return uploads.land(file, feed, labels=True)


def write_judgements(
    file: Path, judgements: "Iterable[tuple[str, str, str, str, str, str]]"
) -> None:
    """Writes a file of labels.

    Args:
        file: Where to.
        judgements: Transaction id; fraud, genuine or unsure; when it became known, ISO 8601; the
            source; who judges; why.
    """
    rows = list(judgements)
    # A carriage return ends a line for whoever reads it, but needs no quotes for this writer.
    is_torn = any("\r" in field for row in rows for field in row)
    quoting: Literal[0, 1] = csv.QUOTE_ALL if is_torn else csv.QUOTE_MINIMAL
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n", quoting=quoting)
        writer.writerow(("transaction_id", "is_fraud", "known_at", "source", "by", "reason"))
        writer.writerows(rows)
