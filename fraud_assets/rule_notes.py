"""What a scored version notes of analysts' rules, so that alerts tell of them as they were then."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import dagster as dg
import polars as pl
from pydantic import JsonValue

from fraud_assets.rule_files import load_rules, rules_of
from fraud_assets.rule_mistakes import RuleFileError
from fraud_assets.rule_rows import columns_read, hit_counts, screened
from gpu_ops.rule_columns import SCORE_COLUMNS, TRANSACTION_COLUMNS
from gpu_ops.rules import RuleSet, applicable_rules
from resources.settings import Settings
from resources.versions import Manifest

RULES: Final = "rules"
"""In a scored version's figures: its rules, each with code, text, weight, status and hits. Among
the inputs of scored versions and of alerts: what names those that count."""


@dataclass(frozen=True)
class KnownRules:
    """Analysts' rules that scored versions name.

    Attributes:
        texts: Code to what it tells.
        weights: Code to how many ordinary rules a hit counts for.
        digests: What names the rules that screened any of the versions, in order.
    """

    texts: Mapping[str, str]
    weights: Mapping[str, int]
    digests: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, str]:
        """How alerts name the rules that they rest on; nothing where there were none."""
        return {RULES: ",".join(self.digests)} if self.digests else {}


def rules_for(settings: Settings, feed: str, feeds: Collection[str]) -> RuleSet:
    """The rules that screen a feed's transactions now.

    Raises:
        dagster.Failure: A file of rules has mistakes; to go on without its rules would let pass
            in silence what they are there to stop.
    """
    try:
        return rules_of(feed, load_rules(settings.rules_dir, feeds))
    except RuleFileError as error:
        raise dg.Failure(
            description="The rules in FRAUD_RULES_DIR have mistakes; `fraud-assets rules check` "
            f"shows them all.\n{error}",
            allow_retries=False,
        ) from error


def notes_of(
    rules: RuleSet, sent: pl.LazyFrame, features: pl.LazyFrame, scored: pl.LazyFrame
) -> dict[str, JsonValue]:
    """What is kept in a scored version's figures; nothing where there are no rules of one's own.

    Args:
        rules: What screened the rows.
        sent: The transactions.
        features: Their features.
        scored: Their scores, in the same order.
    """
    mine = (*rules.own, *rules.shadow)
    if not mine:
        return {}
    # Features of an older catalogue may lack a column; its rules have looked at nothing then.
    known = {*features.collect_schema().names(), *TRANSACTION_COLUMNS, *SCORE_COLUMNS}
    able = applicable_rules(known, mine)
    hits = hit_counts(screened(sent, features, scored, columns_read(able)), able)
    return {
        RULES: [
            {
                "code": rule.code,
                "text": rule.text,
                "weight": rule.weight,
                "status": "active" if rule in rules.own else "shadow",
                "hits": hits.get(rule.code, 0),
            }
            for rule in mine
        ]
    }


def rules_shown(notes: Mapping[str, JsonValue]) -> dict[str, dg.MetadataValue]:
    """The same for the UI: a row a rule."""
    listed = _listed(notes)
    if not listed:
        return {}
    schema = dg.TableSchema(
        [
            dg.TableColumn("code", "string"),
            dg.TableColumn("status", "string"),
            dg.TableColumn("hits", "int"),
            dg.TableColumn("text", "string"),
        ]
    )
    records = [
        dg.TableRecord({name: str(one[name]) for name in ("code", "status", "hits", "text")})
        for one in listed
    ]
    return {RULES: dg.MetadataValue.table(records, schema=schema)}


def known_rules(scored: Iterable[Manifest]) -> KnownRules:
    """The rules of several scored versions; of a code that changed, as it was scored last."""
    texts: dict[str, str] = {}
    weights: dict[str, int] = {}
    versions = sorted(scored, key=lambda one: one.published_at)
    for manifest in versions:
        for one in _listed(manifest.extra):
            if one["status"] == "active":
                texts[str(one["code"])] = str(one["text"])
                weights[str(one["code"])] = int(str(one["weight"]))
    digests = sorted({one.inputs[RULES] for one in versions if RULES in one.inputs})
    return KnownRules(texts, weights, tuple(digests))


def _listed(notes: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    found = notes.get(RULES)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
