"""The one partition axis: an upload, which is one landed file."""

from typing import Final

import dagster as dg

UPLOADS: Final = dg.DynamicPartitionsDefinition(name="uploads")
"""Partition keys are upload keys, `<feed>-<stem>-<first 8 hex digits of the file's SHA-256>`."""
