"""What `fraud-assets run` and `train` do: the project's jobs, one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dagster as dg

from fraud_assets import refresh, state
from fraud_assets.alerts import fill_outbox
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.jobs import FEED_TAG, INGEST, REFRESH, SCORE, TRAIN
from fraud_assets.local_runs import AssetFigures, RunOutcome, execute, process_tags
from fraud_assets.partitions import UPLOADS
from fraud_assets.scoring import NO_MODEL
from fraud_assets.state import UploadState
from fraud_assets.training import Trainable, assess
from fraud_assets.uploads import Uploads
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.settings import Settings
from resources.versions import Versions

Progress = Callable[[str], None]


@dataclass
class Report:
    """What a command did.

    Attributes:
        failed: Upload key to reason, of uploads whose run failed.
        refused: Upload key to reason, of uploads refused by this command.
        problems: Everything else that did not go through, a line each.
        assets: What each asset took, added up over its runs.
    """

    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    assets: dict[str, AssetFigures] = field(default_factory=dict)

    @property
    def went_through(self) -> bool:
        """Whether nothing was refused and nothing failed."""
        return not (self.failed or self.refused or self.problems)

    def add(self, outcome: RunOutcome) -> None:
        """Add what a run's assets took."""
        for name, figures in outcome.assets.items():
            known = self.assets.get(name)
            self.assets[name] = figures if known is None else known + figures


class Pipeline:
    """Runs the project's jobs in this process."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        lake: Lake,
        settings: Settings,
        say: Progress,
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._settings = settings
        self._say = say
        self.versions = Versions(lake)
        self._registry = ModelRegistry(self.versions)
        self.feeds: dict[str, Feed] = load_feeds(settings.feeds_dir)
        self.uploads = Uploads(lake, self.feeds)
        self.report = Report()

    def states(self) -> list[UploadState]:
        """What became of every upload so far."""
        return state.upload_states(self.versions, self.uploads, self.feeds)

    def run(self, *, backfill: bool = False) -> None:
        """All that is landed and not processed: ingest, train where needed, score, refresh.

        Args:
            backfill: Also make features anew that miss rows which landed later.
        """
        self._discover()
        self._ingest([one for one in self.states() if one.is_due or (backfill and one.is_stale)])
        self._train_where_needed()
        self._score_unscored()
        self._refresh()

    def train(self) -> None:
        """Train every feed whose labels allow; say why not for the others."""
        ready = self._ready(sorted(self.feeds), explain=True)
        if not ready:
            self.report.problems.append("no feed can be trained; see the reasons above")
            return
        self._train(ready)

    def _discover(self) -> None:
        while True:
            found = self.uploads.discover(
                limit=self._settings.uploads_per_tick,
                hash_bytes=self._settings.upload_hash_bytes_per_tick,
            )
            for upload in found.new:
                self._say(f"registered {upload.name} as {upload.key}")
            for path, why in found.waiting.items():
                self._say(f"waits: landing/{path}: {why}")
            if not found.postponed:
                self.report.problems += found.problems
                return

    def _ingest(self, due: Sequence[UploadState]) -> None:
        if due:
            keys = [one.upload.key for one in due]
            self._instance.add_dynamic_partitions(str(UPLOADS.name), keys)
        for number, one in enumerate(due, start=1):
            upload = one.upload
            self._say(f"[{number}/{len(due)}] {upload.name}: reading, features, scores")
            outcome = self._execute(INGEST.name, upload.key, {FEED_TAG: upload.feed})
            if outcome.success:
                continue
            refusal = self.uploads.refusal(upload.key)
            if refusal is not None:
                self.report.refused[upload.key] = refusal.reason
                self._say(f"    refused: {refusal.reason}")
            else:
                self.report.failed[upload.key] = outcome.reason
                self._say(f"    failed: {outcome.reason}")

    def _train_where_needed(self) -> None:
        without = [name for name in sorted(self.feeds) if self._registry.champion(name) is None]
        ready = self._ready(without, explain=False)
        if ready:
            self._train(ready)

    def _ready(self, names: Sequence[str], *, explain: bool) -> list[str]:
        ready = []
        with_rows = {one.upload.feed for one in self.states() if one.state == "accepted"}
        for name in names:
            if name not in with_rows:
                continue
            found = assess(self.versions, self.feeds[name], self._settings)
            if isinstance(found, Trainable):
                ready.append(name)
            else:
                self._say(f"no model for {name}: {found.reason}")
        if explain and not with_rows:
            self._say("nothing is processed yet; land files and run first")
        return ready

    def _train(self, feeds: Sequence[str]) -> None:
        self._say(f"training: {', '.join(feeds)}")
        outcome = self._execute(
            TRAIN.name, None, {}, {"ops": {"training_set": {"config": {"feeds": list(feeds)}}}}
        )
        if not outcome.success:
            self.report.problems.append(f"training failed: {outcome.reason}")
            self._say(f"    failed: {outcome.reason}")

    def _score_unscored(self) -> None:
        """Score again what was scored before its feed had a model."""
        champions = {name: self._registry.champion(name) for name in self.feeds}
        due = [
            one
            for one in self.states()
            if one.state == "accepted"
            and one.model == NO_MODEL
            and champions.get(one.upload.feed) is not None
        ]
        for number, one in enumerate(due, start=1):
            self._say(f"[{number}/{len(due)}] {one.upload.name}: scores of the new model")
            outcome = self._execute(SCORE.name, one.upload.key, {FEED_TAG: one.upload.feed})
            if not outcome.success:
                self.report.failed[one.upload.key] = outcome.reason
                self._say(f"    failed: {outcome.reason}")

    def _refresh(self) -> None:
        broken = state.broken_snapshots(self.versions)
        if not broken and not refresh.is_due(self.versions):
            fill_outbox(self.versions)
            return
        self._say("account graph, rings, alerts")
        outcome = self._execute(REFRESH.name, None, {})
        if not outcome.success:
            self.report.problems.append(f"refreshing alerts failed: {outcome.reason}")
            self._say(f"    failed: {outcome.reason}")

    def _execute(
        self,
        job: str,
        partition_key: str | None,
        tags: dict[str, str],
        config: dict[str, object] | None = None,
    ) -> RunOutcome:
        outcome = execute(
            self._definitions,
            self._instance,
            job,
            tags={**process_tags(job), **tags},
            partition_key=partition_key,
            config=config or {},
        )
        self.report.add(outcome)
        return outcome
