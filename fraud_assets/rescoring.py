"""Which uploads are to be scored again, though nothing about their features has changed."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from fraud_assets.rule_files import load_rules, rules_of
from fraud_assets.rule_mistakes import RuleFileError
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


def screening_lines(
    states: Iterable[UploadState], settings: Settings, feeds: Collection[str]
) -> list[str]:
    """Say, feed by feed, how many uploads other rules screened than those of now.

    Where a file of rules has mistakes, they are said instead.
    """
    try:
        rules = rules_now(settings, feeds)
    except RuleFileError as error:
        return [str(error)]
    others = Counter(one.upload.feed for one in due_for_scores(states, {}, rules))
    return [
        f"{feed}: {count:,} {'uploads were' if count > 1 else 'upload was'} screened by other "
        "rules than those of now; run --backfill"
        for feed, count in sorted(others.items())
    ]
