"""What `fraud-assets run` does for labels: take them in, then renew the features they touch."""

from collections.abc import Callable

import dagster as dg

from fraud_assets.command_report import Report
from fraud_assets.feeds import Feed
from fraud_assets.jobs import FEED_TAG, INGEST_LABELS
from fraud_assets.label_state import LabelState, label_states
from fraud_assets.local_runs import execute, process_tags
from fraud_assets.partitions import LABEL_UPLOADS
from fraud_assets.uploads import Uploads
from resources.versions import Versions


class LabelRuns:
    """Takes in files of labels in this process."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        versions: Versions,
        uploads: Uploads,
        feeds: dict[str, Feed],
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._versions = versions
        self._uploads = uploads
        self._feeds = feeds

    def states(self) -> list[LabelState]:
        """What became of every file of labels so far."""
        return label_states(self._versions, self._uploads, self._feeds)

    def ingest(self, report: Report, say: Callable[[str], None]) -> None:
        """Read what landed, and look again for transactions that labels wait for."""
        due = [one for one in self.states() if one.is_due]
        for number, one in enumerate(due, start=1):
            say(f"[{number}/{len(due)}] {one.upload.name}: labels of {one.feed}")
            if one.feed not in self._feeds:
                reason = f"there is no feed {one.feed!r} any more; put its definition back"
                report.failed[one.upload.key] = reason
                say(f"    failed: {reason}")
                continue
            self._take_in(one, report, say)

    def _take_in(self, one: LabelState, report: Report, say: Callable[[str], None]) -> None:
        key = one.upload.key
        self._instance.add_dynamic_partitions(str(LABEL_UPLOADS.name), [key])
        outcome = execute(
            self._definitions,
            self._instance,
            INGEST_LABELS.name,
            tags={**process_tags(INGEST_LABELS.name), FEED_TAG: one.feed},
            partition_key=key,
            config={},
            only=None,
        )
        report.add(outcome)
        if outcome.success:
            report.failed.pop(key, None)
            return
        refusal = self._uploads.refusal(key)
        told, reason = (
            (report.failed, outcome.reason) if refusal is None else (report.refused, refusal.reason)
        )
        told[key] = reason
        say(f"    {'failed' if refusal is None else 'refused'}: {reason}")
