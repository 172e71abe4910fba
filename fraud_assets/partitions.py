"""The partition axes: an upload is one landed file, of transactions or of labels."""

from typing import Final

import dagster as dg

UPLOADS: Final = dg.DynamicPartitionsDefinition(name="uploads")
"""Partition keys are upload keys, `<feed>-<stem>-<first 8 hex digits of the file's SHA-256>`."""

LABEL_UPLOADS: Final = dg.DynamicPartitionsDefinition(name="label_uploads")
"""Partition keys are upload keys of files of labels, `<feed>-labels-<stem>-<8 hex digits>`."""
