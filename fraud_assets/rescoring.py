"""Which uploads are to be scored again, though nothing about their features has changed."""

from collections.abc import Collection, Iterable, Mapping

from fraud_assets.rule_files import load_rules, rules_of
from fraud_assets.scoring import NO_MODEL
from fraud_assets.state import UploadState
from resources.registry import ModelVersion
from resources.settings import Settings


def rules_now(settings: Settings, feeds: Collection[str]) -> dict[str, str]:
    """What names the rules of now, by feed; empty text where a feed has none of its own.

    Raises:
        RuleFileError: A file of rules has mistakes.
    """
    rules = load_rules(settings.rules_dir, feeds)
    return {feed: rules_of(feed, rules).digest for feed in feeds}


def due_for_scores(
    states: Iterable[UploadState],
    champions: Mapping[str, ModelVersion | None],
    rules: Mapping[str, str],
) -> list[UploadState]:
    """Uploads that had no model while their feed has one now, or that other rules screened.

    Args:
        states: Of all uploads.
        champions: By feed.
        rules: Of `rules_now`; a feed that is not among them keeps what its rows were screened by.
    """
    return [
        one
        for one in states
        if one.state == "accepted"
        and (
            (one.model == NO_MODEL and champions.get(one.upload.feed) is not None)
            or one.rules != rules.get(one.upload.feed, one.rules)
        )
    ]
