"""How many alerts become how many cases, and how often analysts with a capacity look at fraud.

    python benchmarks/cases.py paysim|handbook [--data DIR] [--days N] [--capacity 5 20 50]
    python benchmarks/cases.py --lake DIR [--capacity 5 20 50]

The first form lands the last N days of the table that a model can be trained on, runs the pipeline
in a lake of its own, and goes on as the second: the published alerts of that lake are taken into
cases day by day. At the end of each event day analysts look at the first CAPACITY of the queue and
close them with what the table says of the transactions: confirmed, on the frauds among them, where
there is one, else false. Beside it: the day's first CAPACITY alerts, one by one, as without cases.
An alert or case counts as right when a transaction of its evidence is fraud. Days with rows that a
model was fitted on are left out: its probabilities would colour their rings.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.pipeline import Place  # noqa: E402 - runs from a checkout as it is
from fraud_assets import layers  # noqa: E402
from fraud_assets.case_weights import told_of  # noqa: E402
from gpu_ops import case_actions  # noqa: E402
from gpu_ops.case_alerts import case_alerts  # noqa: E402
from gpu_ops.case_book import Book  # noqa: E402
from gpu_ops.case_intake import take_in  # noqa: E402
from gpu_ops.case_model import CaseAlert  # noqa: E402
from gpu_ops.case_ranking import queue  # noqa: E402
from resources.lake import Lake  # noqa: E402
from resources.versions import Versions  # noqa: E402

DUE: Final = timedelta(days=5)
Frauds = frozenset[tuple[str, str]]


@dataclass
class Worked:
    """What analysts saw.

    Attributes:
        looked: Alerts or cases that they looked at.
        right: Those with a fraud in them.
        found: Frauds in them, as (feed, transaction).
    """

    looked: int = 0
    right: int = 0
    found: set[tuple[str, str]] = field(default_factory=set)

    def look(self, feed: str, transactions: Sequence[str], frauds: Frauds) -> list[str]:
        """Look at an alert or case; the frauds in it."""
        hits = [name for name in transactions if (feed, name) in frauds]
        self.looked += 1
        self.right += bool(hits)
        self.found.update((feed, name) for name in hits)
        return hits

    def told(self, frauds: int) -> str:
        """The figures in a line."""
        precision = self.right / self.looked if self.looked else float("nan")
        share = len(self.found) / frauds if frauds else float("nan")
        return (
            f"{self.looked:>7,} looked at, {self.right:>6,} right, precision {precision:.3f}, "
            f"{len(self.found):>6,} frauds found ({share:.1%} of those alerted)"
        )


def alerted(versions: Versions) -> tuple[pl.DataFrame, Frauds]:
    """The published alerts by day and rank, but for days in sample, and all frauds."""
    manifest = versions.latest(layers.snapshot_slot("published_alerts"))
    if manifest is None:
        sys.exit("no alerts are published in this lake; run the pipeline first")
    rows = versions.scan(manifest).collect()
    scored = versions.scan_all(list(layers.visible(versions, "augmented_transactions").values()))
    fitted = scored.filter("in_sample", pl.col("fraud_probability").is_not_null())
    seen = fitted.select("feed", event_day=pl.col("occurred_at").dt.date()).unique().collect()
    frauds = scored.filter("is_fraud").select("feed", "transaction_id").collect()
    kept = rows.join(seen, on=["feed", "event_day"], how="anti", maintain_order="left")
    ordered = kept.sort("event_day", "alert_type", "rank", descending=[False, True, False])
    return ordered, frozenset(frauds.iter_rows())


def one_by_one(days: Mapping[date, list[CaseAlert]], frauds: Frauds, capacity: int) -> Worked:
    """Each day's first alerts, as they are ranked."""
    worked = Worked()
    for alerts in days.values():
        for alert in alerts[:capacity]:
            worked.look(alert.subject.feed, alert.transaction_ids, frauds)
    return worked


def as_cases(
    days: Mapping[date, list[CaseAlert]], frauds: Frauds, capacity: int
) -> tuple[Worked, Book]:
    """Each day's alerts taken in, then the first cases of the queue closed with the truth."""
    book, worked = Book(), Worked()
    for day, alerts in days.items():
        now = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        take_in(book, alerts, now=now, due=DUE)
        for case in queue(book.cases())[:capacity]:
            hits = worked.look(case.subject.feed, case.evidence, frauds)
            book.apply(
                case_actions.close(
                    book,
                    case,
                    verdict="confirmed" if hits else "false",
                    reason="what the table says",
                    by="benchmark",
                    now=now,
                    transaction_ids=hits or None,
                )
            )
    return worked, book


def measure(lake: Path, capacities: Sequence[int]) -> None:
    """Print the figures of a lake."""
    versions = Versions(Lake.open(str(lake)))
    rows, frauds = alerted(versions)
    alerts = case_alerts(rows, told_of(versions, rows))
    days: dict[date, list[CaseAlert]] = {}
    for day, alert in zip(rows["event_day"], alerts, strict=True):
        days.setdefault(day, []).append(alert)
    if not alerts:
        sys.exit("every alert is of a day that a model was fitted on")
    in_alerts = {
        (one.subject.feed, name) for one in alerts for name in one.transaction_ids
    } & frauds
    kinds = dict(rows.group_by("alert_type").len().iter_rows())
    start = time.perf_counter()
    book = Book()
    drafts = take_in(book, alerts, now=datetime.now(UTC), due=DUE)
    seconds = time.perf_counter() - start
    sizes = sorted(len(one.alerts) for one in book.cases() if one.alerts)
    rings = sum(one.subject.kind == "ring" for one in book.cases())
    print(f"\n{len(alerts):,} alerts of {len(days):,} days: {kinds}, {len(in_alerts):,} frauds")
    print(
        f"nobody closes any: {len(sizes):,} cases ({rings:,} of rings), largest {max(sizes)} "
        f"alerts, median {statistics.median(sizes)}; {len(drafts):,} events in {seconds:.2f} s"
    )
    for capacity in capacities:
        worked, after = as_cases(days, frauds, capacity)
        opened = sum(bool(one.alerts) for one in after.cases())
        follows = sum(one.follows is not None for one in after.cases())
        passed = sum(len(one.passed_over) for one in after.cases())
        left = len(queue(after.cases()))
        print(f"\n{capacity} a day")
        print(f"  alerts {one_by_one(days, frauds, capacity).told(len(in_alerts))}")
        print(f"  cases  {worked.told(len(in_alerts))}")
        print(
            f"  {opened:,} cases, {follows:,} follow a closed one, {passed:,} alerts had nothing "
            f"new, {left:,} cases open at the end"
        )


def run(table: str, data: Path, days: int, folder: Path) -> Path:
    """Land some days of a table and run the pipeline; the lake."""
    if table == "paysim":
        rows = pl.read_parquet(data / "paysim" / "paysim_1.3m.parquet")
        rows, feed = rows.filter(pl.col("step") > pl.col("step").max() - days * 24), "paysim"
    else:
        rows = pl.read_parquet(data / "handbook" / "transactions_to_2018-08-14.parquet")
        last = pl.col("TX_TIME_DAYS").max()
        rows, feed = rows.filter(pl.col("TX_TIME_DAYS") > last - days), "card"
    place = Place(folder)
    file = folder / f"{table}.parquet"
    rows.write_parquet(file)
    place.call("land", str(file), "--feed", feed)
    place.run(f"{table}, {rows.height:,} rows of the last {days} days")
    return folder / "lake"


def main() -> None:
    """Measure a lake, or make one first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", choices=["paysim", "handbook"])
    parser.add_argument("--lake", type=Path, help="a lake that stays; its folder must be `lake`")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--capacity", type=int, nargs="+", default=[5, 20, 50])
    chosen = parser.parse_args()
    if chosen.table is None and chosen.lake is None:
        parser.error("give a table, or a lake")
    if chosen.lake is not None:
        if chosen.table is not None:
            run(chosen.table, chosen.data, chosen.days, chosen.lake.parent)
        measure(chosen.lake, chosen.capacity)
        return
    with tempfile.TemporaryDirectory(prefix="fraud-assets-benchmark-") as name:
        measure(run(chosen.table, chosen.data, chosen.days, Path(name)), chosen.capacity)


if __name__ == "__main__":
    main()
