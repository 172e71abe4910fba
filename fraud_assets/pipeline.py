"""What `fraud-assets run` and `train` do: the project's jobs, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import dagster as dg

from fraud_assets import layers, refresh, state
from fraud_assets.command_report import Report
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.jobs import FEED_TAG, INGEST, REFRESH, SCORE, TRAIN
from fraud_assets.label_runs import LabelRuns
from fraud_assets.local_runs import RunOutcome, execute, process_tags
from fraud_assets.partitions import UPLOADS
from fraud_assets.published import fill_outbox
from fraud_assets.refused_models import refused_champions
from fraud_assets.rescoring import due_for_scores, rules_now
from fraud_assets.rule_mistakes import RuleFileError
from fraud_assets.scoring import scorer_of
from fraud_assets.state import UploadState
from fraud_assets.training_plan import TrainingPlan
from fraud_assets.uploads import Upload, UploadError, Uploads
from fraud_assets.warming import load_libraries_ahead
from gpu_ops.model_files import ModelFileError
from resources.lake import Lake, LakeError
from resources.settings import Settings
from resources.versions import Versions

Progress = Callable[[str], None]

REFRESHED: Final = (
    "account_graph",
    "account_features",
    "fraud_rings",
    "transaction_alerts",
    "ring_alerts",
    "published_alerts",
    "drift_report",
)
"""Snapshots that a refresh makes; those of the training are made by `train`."""

_REFRESH_TRIES: Final = 5


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
        self.feeds: dict[str, Feed] = load_feeds(settings.feeds_dir)
        self.uploads = Uploads(lake, self.feeds)
        self.labels = LabelRuns(definitions, instance, self.versions, self.uploads, self.feeds)
        self._plan = TrainingPlan(self.versions, self.feeds, settings)
        self.report = Report()

    def states(self) -> list[UploadState]:
        """What became of every upload so far."""
        return state.upload_states(self.versions, self.uploads, self.feeds)

    def run(self, *, backfill: bool = False) -> None:
        """All that is landed and not processed: ingest, train where needed, score, refresh.

        What a phase cannot do is reported, and the next one does what it can.

        Args:
            backfill: Also make features anew that miss rows which landed later, and scores that
                other rules screened than those of now.
        """
        with self._reported("registering what landed"):
            self._discover()
        with self._reported("repairing damaged versions"):
            self._repair()
        with self._reported("processing uploads"):
            self.labels.ingest(self.report, self._say)
            self._ingest(backfill=backfill)
        with self._reported("renewing features that miss labels"):
            # Labels may have waited for what has just come in.
            self.labels.ingest(self.report, self._say)
            self._ingest(landed=False)
        with self._reported("training"):
            self._train_where_needed()
        with self._reported("scoring"):
            self._score_again(backfill=backfill)
        with self._reported("refreshing alerts"):
            self._refresh()
        self._report_damage()

    def train(self) -> None:
        """Train every feed whose labels allow; say why not for the others."""
        with self._reported("training"):
            ready, reasons = self._ready(sorted(self.feeds))
            for reason in reasons:
                self._say(reason)
            if ready:
                self._train(ready)
            else:
                self.report.problems += reasons or [
                    "nothing is processed yet; land files and run first"
                ]

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        """Turn what the lake refuses into a problem of the report."""
        try:
            yield
        except (LakeError, UploadError, ModelFileError, RuleFileError) as error:
            self._trouble(f"{doing} failed: {error}")

    def _trouble(self, line: str) -> None:
        self.report.problems.append(line)
        self._say(f"    {line}")

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

    def _repair(self) -> None:
        """Make damaged versions anew that others read: raw rows, models, graph and alerts.

        Features and scores of single uploads are left to the ingestion.
        """
        for one in self.states():
            if "raw_transactions" in one.damaged and self._is_known(one.upload):
                self._say(f"repairing the raw rows of {one.upload.name}: {one.reason}")
                outcome = self._execute(
                    INGEST.name,
                    one.upload.key,
                    {FEED_TAG: one.upload.feed},
                    only=["raw_transactions"],
                )
                if not outcome.success:
                    self._say(f"    failed: {outcome.reason}")
        models = state.broken_models(self.versions, sorted(self.feeds))
        for problem in models.values():
            self._say(f"repairing: {problem}")
        undecided = {name: self._plan.awaits_decision(name) for name in models}
        for why in undecided.values():
            if why is not None:
                self._trouble(why)
        ready, _ = self._ready(sorted(name for name, why in undecided.items() if why is None))
        if ready:
            self._train(ready)
        for feed in state.broken_forests(self.versions, sorted(models)):
            scorer_of(self.versions, feed, f"repair-{uuid4().hex}", self._settings)
        scored = self.versions.survey(layers.UPLOAD_LAYERS["augmented_transactions"]).values()
        if scored and not any(one.problem for one in scored) and self._broken_alerts():
            self._refresh()

    def _broken_alerts(self) -> dict[str, str]:
        """Damaged snapshots that a refresh makes anew."""
        broken = state.broken_snapshots(self.versions)
        return {asset: problem for asset, problem in broken.items() if asset in REFRESHED}

    def _report_damage(self) -> None:
        """Damage that is left after all; what a failed upload told is not told twice."""
        with self._reported("looking for damage"):
            for problem in (
                *state.broken_snapshots(self.versions).values(),
                *state.broken_models(self.versions, sorted(self.feeds)).values(),
                *refused_champions(self.versions, sorted(self.feeds)).values(),
            ):
                self._trouble(problem)

    def _is_known(self, upload: Upload) -> bool:
        return upload.feed in self.feeds

    def _ingest(self, *, landed: bool = True, backfill: bool = False) -> None:
        due = [
            one
            for one in self.states()
            if one.misses_labels or (landed and one.is_due) or (backfill and one.is_stale)
        ]
        if due:
            load_libraries_ahead()
        for number, one in enumerate(due, start=1):
            upload = one.upload
            self._say(f"[{number}/{len(due)}] {upload.name}: reading, features, scores")
            if not self._is_known(upload):
                reason = f"there is no feed {upload.feed!r} any more; put its definition back"
                self.report.failed[upload.key] = reason
                self._say(f"    failed: {reason}")
                continue
            if one.is_due and state.is_processed(self.versions, upload):
                self._say("    done by another run meanwhile")
                continue
            outcome = self._execute(INGEST.name, upload.key, {FEED_TAG: upload.feed})
            refusal = None if outcome.success else self.uploads.refusal(upload.key)
            if refusal is not None:
                self.report.refused[upload.key] = refusal.reason
                self._say(f"    refused: {refusal.reason}")
            elif not outcome.success:
                self.report.failed[upload.key] = outcome.reason
                self._say(f"    failed: {outcome.reason}")

    def _train_where_needed(self) -> None:
        """Train the feeds without a champion, unless that could only end as last time."""
        ready, reasons = self._ready(
            [name for name, one in self._plan.champions().items() if one is None]
        )
        anew = []
        for name in ready:
            why = self._plan.nothing_new(name)
            if why is None:
                anew.append(name)
            else:
                reasons.append(why)
        for reason in reasons:
            self._say(reason)
        if anew:
            self._train(anew)

    def _ready(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        return self._plan.ready(names, self.states())

    def _train(self, feeds: Sequence[str]) -> None:
        self._say(f"training: {', '.join(feeds)}")
        outcome = self._execute(
            TRAIN.name, None, {}, {"ops": {"training_set": {"config": {"feeds": list(feeds)}}}}
        )
        if not outcome.success:
            self._trouble(f"training failed: {outcome.reason}")

    def _score_again(self, *, backfill: bool) -> None:
        """Score again what was scored before its feed had a model, or by other rules."""
        rules = rules_now(self._settings, self.feeds) if backfill else {}
        due = due_for_scores(self.states(), self._plan.champions(), rules)
        for number, one in enumerate(due, start=1):
            self._say(f"[{number}/{len(due)}] {one.upload.name}: scores anew")
            outcome = self._execute(SCORE.name, one.upload.key, {FEED_TAG: one.upload.feed})
            if not outcome.success:
                self.report.failed[one.upload.key] = outcome.reason
                self._say(f"    failed: {outcome.reason}")

    def _refresh(self) -> None:
        """Renew graph, rings and alerts if they are behind; again where another run got ahead.

        Two runs that rank after one publication cannot both publish. The second fails without a
        trace in the lake and starts over, unless the first left it nothing to do.
        """
        for _ in range(_REFRESH_TRIES):
            if not self._broken_alerts() and not refresh.is_due(self.versions):
                fill_outbox(self.versions)
                return
            self._say("account graph, rings, alerts")
            before = self._publications()
            outcome = self._execute(REFRESH.name, None, {})
            if outcome.success:
                return
            if self._publications() == before:
                break
            self._say("    another run published alerts meanwhile")
        self._trouble(f"refreshing alerts failed: {outcome.reason}")

    def _publications(self) -> list[int]:
        return self.versions.all_numbers(layers.snapshot_slot("published_alerts"))

    def _execute(
        self,
        job: str,
        partition_key: str | None,
        tags: dict[str, str],
        config: dict[str, object] | None = None,
        only: Sequence[str] | None = None,
    ) -> RunOutcome:
        if partition_key is not None:
            self._instance.add_dynamic_partitions(str(UPLOADS.name), [partition_key])
        outcome = execute(
            self._definitions,
            self._instance,
            job,
            tags={**process_tags(job), **tags},
            partition_key=partition_key,
            config=config or {},
            only=only,
        )
        self.report.add(outcome)
        return outcome
