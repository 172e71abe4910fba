"""The page of all features, made of the catalogue: `python -m fraud_assets.features_page`."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from gpu_ops.feature_model import STATISTICS, duration_label
from gpu_ops.features import CATALOGUE, catalogue_table
from gpu_ops.flow_features import FLOW_STATISTICS
from gpu_ops.label_features import LABEL_STRUCTURES
from gpu_ops.ring_features import RING_STATISTICS

_HEAD: Final = """# Features

Every transaction gets the same {count} columns, whatever its feed; what a feed cannot have is null.
They are declared as values in `gpu_ops/features.py`, and the plans that compute them, the contract
of the table, the lineage in the UI and this page are made from those values.

## What a feature may see

A feature of a transaction at time `t` is what could have been said just before `t`.

* A window of length `w` with delay `d` holds the rows of the same entity with
  `t - d - w <= occurred_at < t - d`: its early edge counts, its late one does not. Never the row
  itself, and never another row of the same moment.
* The entity is the payer (rows that it paid), the payee (rows that it received) or the pair (rows
  from this payer to this payee). A row without the party has no past. Feeds share no past.
* All rows count, labelled or not. A label counts only if `label_known_at < t`; otherwise its row
  is neither fraud nor legitimate.
* Counts and sums of an empty window are 0; means, extremes, shares, ranks and times are null.
* A feature without a window looks back as far as the feed's `lookback` says (120 days unless it
  says otherwise). What is older does not exist for it: an account of that age is as old as its
  first row within the look-back, and a payee that was last paid before it is paid for the first
  time. No feature but those of rings looks further back than the page says, and no more history is
  read: {reach} with the default look-back.
* What is known of [rings](rings.md) is carried on from the feed's first day, a whole UTC day at a
  time. A transaction of day D is told of rings as they stood at the end of D - 1: nothing of its
  own day, whatever the hour. Without any ring, counts are 0 and all else is null; in a feed without
  payments between accounts, all is null.
* A row's own amount, time, kind and balances before the decision may be set against its past.
  Its own label is never read, nor a balance after the event.
* Sums are exact in any order of the rows. A standard deviation divides by n - 1, is null below two
  values, and is 0 where it is below 1e-5 units or 1e-5 of the root mean square of the values.
* Hours and weekdays are those of UTC. Ratios are null where the lower part is 0 or null.

## Adding one

    CATALOGUE.plus(WindowFeature("payer", "count", 6 * HOUR))

or, for good, a line in `WINDOWS` of `gpu_ops/features.py`. What stands against the past is a
`RowFeature`, an expression over the row and past features of the same catalogue. Older versions of
`prepped_transactions` are stale then, and `fraud-assets status` says so. This page and the data
dictionary are made again by `python -m fraud_assets.features_page > docs/features.md` and
`python -m fraud_assets.dictionary docs/data-dictionary.md`.

What can be declared:

| value | entities | statistics |
| --- | --- | --- |
| `WindowFeature`, over any window, delay and numeric column | payer, payee, pair | {statistics} |
| `LabelFeature`, how known frauds lie among labelled rows | payer, payee, pair | {labels} |
| `FlowFeature`, what went through an account | payer, payee | {flows} |
| `RingFeature`, the rings that were known the day before | payer, payee, pair | {rings} |

A pair has no distinct counterparties. Of known labels, the catalogue below has for payer, payee and
pair alike: the number of frauds, their run and its age, the time since the last, the risk delayed
by a week and the share not explained by a large amount. Shorter windows are there for the payee
alone; others are a line each, such as `WindowFeature("payer", "label_risk", DAY, delay=WEEK)`.

The fifteen features of the Fraud Detection Handbook, to compare with, are `PUBLISHED` in
`gpu_ops/published_features.py`.

## The catalogue

| name | entity | window | delay | formula | source |
| --- | --- | --- | --- | --- | --- |
"""


def features_page() -> str:
    """The page as Markdown."""
    head = _HEAD.format(
        count=len([*CATALOGUE]),
        reach=duration_label(CATALOGUE.reach),
        statistics=_listed(STATISTICS),
        labels=_listed(LABEL_STRUCTURES),
        flows=_listed(FLOW_STATISTICS),
        rings=_listed(RING_STATISTICS),
    )
    return head + "".join(_rows())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in names)


def _rows() -> Iterator[str]:
    for one in catalogue_table():
        cells = (
            f"`{one['name']}`",
            one["entity"],
            one["window"],
            one["delay"],
            one["formula"],
            one["source"],
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(features_page())
