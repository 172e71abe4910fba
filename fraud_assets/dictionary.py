"""`docs/data-dictionary.md`, made of the contracts, the feature catalogue and the reasons.

Run `python -m fraud_assets.dictionary docs/data-dictionary.md` after changing one of them; a test
compares the page with what this module makes.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fraud_assets.case_schemas import CASES
from fraud_assets.checks import Contract
from fraud_assets.drift_schemas import DRIFT
from fraud_assets.label_schemas import RAW_LABELS
from fraud_assets.meanings import meaning_of
from fraud_assets.model_schemas import EVALUATION, IMPORTANCE, TRAINING_SET, VERDICTS
from fraud_assets.prepped import CONTRACT as PREPPED
from fraud_assets.schemas import (
    ACCOUNT_FEATURES,
    ACCOUNT_GRAPH,
    AUGMENTED,
    PUBLISHED_ALERTS,
    RAW,
    RING_ALERTS,
    RINGS,
    TRANSACTION_ALERTS,
)
from gpu_ops.features import CATALOGUE, catalogue_table
from gpu_ops.reasons import reason_table

_TABLES: Final[tuple[tuple[str, str, Contract], ...]] = (
    ("raw_transactions", "One row an accepted transaction, one version an upload.", RAW),
    (
        "raw_labels",
        "One row a label that came apart from its transaction, one version a file of labels.",
        RAW_LABELS,
    ),
    (
        "augmented_transactions",
        "The same rows, scored. Every column is under contract.",
        AUGMENTED,
    ),
    (
        "account_graph",
        "One row a pair of payer and payee of the last weeks.",
        ACCOUNT_GRAPH,
    ),
    ("account_features", "One row an account of that graph.", ACCOUNT_FEATURES),
    ("fraud_rings", "One row a ring candidate, strongest first.", RINGS),
    (
        "transaction_alerts",
        "One row an alert of a transaction, with all that its explanation is made of.",
        TRANSACTION_ALERTS,
    ),
    (
        "ring_alerts",
        "One row an alert of a ring, with all that its explanation is made of.",
        RING_ALERTS,
    ),
    (
        "published_alerts",
        "Both in one table; what only the other kind of alert has is empty.",
        PUBLISHED_ALERTS,
    ),
    ("cases", "One row a case: the open ones in the order of work, then the others.", CASES),
    (
        "training_set",
        "Labelled rows; the features of `prepped_transactions` follow, all of them.",
        TRAINING_SET,
    ),
    (
        "fraud_model",
        "Kept as files. The UI shows what the model rests on, one row a feed and feature.",
        IMPORTANCE,
    ),
    ("model_evaluation", "One row a feed and metric.", EVALUATION),
    (
        "registered_model",
        "Kept as a log of verdicts. The UI shows the last one, one row a feed and figure.",
        VERDICTS,
    ),
    ("drift_report", "One row a feed, whole window of event time and column.", DRIFT),
)


def data_dictionary() -> str:
    """The page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Made by `python -m fraud_assets.dictionary docs/data-dictionary.md` from the contracts,"
    yield "the feature catalogue and the reasons in the code. All times are UTC."
    for name, about, contract in _TABLES:
        yield from _section(name, about)
        yield from _columns(contract)
        if contract is RAW:
            yield from _prepped()
    yield from _section("Reasons", "Codes are stable; alerts and verdicts refer to them.")
    reasons = [[f"`{one['code']}`", one["text"], one["formula"]] for one in reason_table()]
    yield from _table(["code", "what it tells", "when"], reasons)


def _prepped() -> Iterator[str]:
    yield from _section(
        "prepped_transactions",
        "The same rows with their features. A window ends before the transaction's own moment `t`; "
        "`transaction_id` and `occurred_at` come first.",
    )
    nullable = {name: column.nullable for name, column in PREPPED.schema.columns.items()}
    rows = [
        [f"`{one['name']}`", one["dtype"], "yes" if nullable[one["name"]] else "", one["formula"]]
        for one in catalogue_table()
    ]
    yield from _table(["feature", "type", "may be empty", "formula"], rows)
    yield ""
    sources = dict.fromkeys(one["source"] for one in catalogue_table())
    yield "Sources of the definitions: " + "; ".join(sources) + "."


def _columns(contract: Contract) -> Iterator[str]:
    features = {feature.name for feature in CATALOGUE} if contract is TRAINING_SET else set()
    rows = [
        [f"`{name}`", str(column.dtype), "yes" if column.nullable else "", meaning_of(name)]
        for name, column in contract.schema.columns.items()
        if name not in features
    ]
    yield from _table(["column", "type", "may be empty", "meaning"], rows)


def _section(name: str, about: str) -> Sequence[str]:
    return ("", f"## {name}", "", about, "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[1]).write_text(data_dictionary(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv)
