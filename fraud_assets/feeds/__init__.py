"""Feeds: YAML mappings that turn any transaction file into the canonical transaction."""

from fraud_assets.feeds.faults import QUARANTINE_SCHEMA, RefusedError
from fraud_assets.feeds.identity import account_key
from fraud_assets.feeds.label_file import LABEL_SCHEMA, ReadLabels, read_labels
from fraud_assets.feeds.loading import FeedError, load_feeds, parse_feed
from fraud_assets.feeds.model import Feed
from fraud_assets.feeds.upload import RAW_SCHEMA, ReadResult, read_upload

__all__ = [
    "LABEL_SCHEMA",
    "QUARANTINE_SCHEMA",
    "RAW_SCHEMA",
    "Feed",
    "FeedError",
    "ReadLabels",
    "ReadResult",
    "RefusedError",
    "account_key",
    "load_feeds",
    "parse_feed",
    "read_labels",
    "read_upload",
]
