"""The model registry in the lake: which models there are, and which one may score.

`models/<feed>` holds the model versions, `models/<feed>/registry` the log of verdicts, and
`forests/<feed>` the isolation forest that scores before a feed has a model.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from gpu_ops.gate import GateBounds, Status, Verdict
from gpu_ops.model_files import ModelFileError
from gpu_ops.model_scores import Scores
from resources.errors import LakeError, MissingObjectError
from resources.model_store import (
    FOREST_FILE,
    Card,
    ModelParts,
    ModelVersion,
    RowCount,
    read_checked,
    write_model,
)
from resources.versions import Attempt, Manifest, Slot, Versions

if TYPE_CHECKING:
    from gpu_ops.anomaly import Forest

__all__ = [
    "Card",
    "ModelNotFoundError",
    "ModelParts",
    "ModelRegistry",
    "ModelVersion",
    "RegistryEntry",
    "RowCount",
    "Scores",
    "write_model",
]

PROGRAMS: Final = ("gate", "repair")
"""Names in the log that are no person's."""

_LOG_FILE: Final = "registry.json"


class ModelNotFoundError(LakeError):
    """There is no such model version."""


class RegistryEntry(BaseModel):
    """One verdict on one model version; nothing is ever changed in or removed from the log.

    Attributes:
        version: Number of the model version.
        content_id: Hash over its files: what exactly was judged.
        status: Approved, Pending or Rejected.
        reasons: Why.
        by: Who decided: `gate`, or a person.
        at: When, UTC.
        bounds: What the gate asked; None where a person decided, and in logs of older versions.
        overrides: The verdict that a person overruled; None if it overrules none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    content_id: str
    status: Status
    reasons: tuple[str, ...]
    by: str
    at: AwareDatetime
    bounds: GateBounds | None = None
    overrides: Status | None = None

    @property
    def is_a_persons(self) -> bool:
        """Whether a person decided, whom the gate does not overrule."""
        return self.by not in PROGRAMS


_LOG: Final = TypeAdapter(tuple[RegistryEntry, ...])


def _suspended(log: Iterable[RegistryEntry]) -> Iterator[RegistryEntry]:
    """A pending verdict on every model whose latest verdict approves it."""
    latest = {entry.version: entry for entry in log}
    for entry in latest.values():
        if entry.status is Status.APPROVED:
            yield RegistryEntry(
                version=entry.version,
                content_id=entry.content_id,
                status=Status.PENDING,
                reasons=("a later log of verdicts was damaged; judge the model again",),
                by="repair",
                at=datetime.now(UTC),
            )


class ModelRegistry:
    """Models and verdicts of all feeds in a lake."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    @staticmethod
    def slot(feed: str) -> Slot:
        """Where the model versions of a feed are published."""
        return Slot.snapshot(f"models/{feed}")

    @staticmethod
    def forest_slot(feed: str) -> Slot:
        """Where the forest is published that scores a feed before it has a model."""
        return Slot.snapshot(f"forests/{feed}")

    def get(self, feed: str, version: int) -> ModelVersion:
        """A model by number.

        Raises:
            ModelNotFoundError: There is none.
            CorruptManifestError: Its manifest cannot be read.
        """
        try:
            manifest = self._versions.get(self.slot(feed), version)
        except MissingObjectError as error:
            raise ModelNotFoundError(f"the feed {feed} has no model version {version}") from error
        return ModelVersion(self._versions, manifest, feed)

    def latest(self, feed: str) -> ModelVersion | None:
        """The model trained last, whatever the verdict on it."""
        manifest = self._versions.latest(self.slot(feed))
        return None if manifest is None else ModelVersion(self._versions, manifest, feed)

    def standing(self, feed: str) -> dict[int, RegistryEntry]:
        """The latest verdict on each version, in the order in which they were given."""
        current: dict[int, RegistryEntry] = {}
        for entry in self.list(feed):
            # Taken out and put back, so that the order is that of the latest verdicts.
            current.pop(entry.version, None)
            current[entry.version] = entry
        return current

    def approved(self, feed: str) -> tuple[int, ...]:
        """Versions whose approval stands, in order; the last one is the champion."""
        standing = self.standing(feed).values()
        return tuple(one.version for one in standing if one.status is Status.APPROVED)

    def champion(self, feed: str) -> ModelVersion | None:
        """The model that scores: the one approved last whose approval still stands."""
        approved = self.approved(feed)
        return self.get(feed, approved[-1]) if approved else None

    def challenger(self, feed: str) -> ModelVersion | None:
        """The model that scores in shadow: the newest after the champion that is not rejected.

        It is Pending, or not judged yet. A version before the champion challenges nobody any more.
        """
        standing = self.standing(feed)
        approved = [one.version for one in standing.values() if one.status is Status.APPROVED]
        champion = approved[-1] if approved else 0
        for number in reversed(self._versions.all_numbers(self.slot(feed))):
            verdict = standing.get(number)
            if number <= champion:
                return None
            if verdict is None or verdict.status is Status.PENDING:
                return self.get(feed, number)
        return None

    def list(self, feed: str) -> tuple[RegistryEntry, ...]:
        """All verdicts of a feed in the order in which they were registered.

        Raises:
            ModelFileError: The log cannot be read.
        """
        manifest = self._versions.latest(self._log_slot(feed))
        return () if manifest is None else self._read_log(manifest)

    def damage(self, feed: str) -> str | None:
        """What keeps a feed from being scored: a damaged log, champion or first forest.

        None if all is well. Training repairs a log and a champion, scoring a forest.
        """
        logged = self._versions.problems(self._log_slot(feed))
        if logged:
            return logged[0]
        try:
            champion = self.champion(feed)
        except (LakeError, ModelFileError) as error:
            return str(error)
        if champion is not None:
            return next(iter(self._versions.damage(champion.manifest)), None)
        return next(iter(self._versions.problems(self.forest_slot(feed))), None)

    def register(
        self,
        feed: str,
        version: int,
        verdict: Verdict,
        by: str,
        *,
        run_id: str | None = None,
    ) -> RegistryEntry:
        """Appends a verdict; the same verdict on the same version again changes nothing.

        Args:
            feed: Whose model.
            version: Its number.
            verdict: What was decided.
            by: Who decided.
            run_id: The run that registers it, default a new name.

        Raises:
            ModelNotFoundError: There is no such version.
        """
        entry = RegistryEntry(
            version=version,
            content_id=self.get(feed, version).manifest.content_id,
            status=verdict.status,
            reasons=verdict.reasons,
            by=by,
            at=datetime.now(UTC),
            bounds=verdict.bounds,
            overrides=verdict.overrides,
        )
        numbers = self._versions.all_numbers(self._log_slot(feed))
        log = self._readable_log(feed, numbers)
        last = next((old for old in reversed(log) if old.version == version), None)
        if last is not None and last == entry.model_copy(update={"at": last.at}):
            return last
        self._append(feed, log, entry, max(numbers, default=0), run_id)
        return entry

    def forest(self, feed: str) -> "Forest | None":
        """The forest that scores a feed without a champion; None if none was fitted.

        Raises:
            ModelFileError: Its file is damaged.
        """
        from gpu_ops.anomaly import Forest

        manifest = self._versions.latest(self.forest_slot(feed))
        if manifest is None:
            return None
        return Forest.from_bytes(read_checked(self._versions, manifest, FOREST_FILE))

    @staticmethod
    def write_forest(attempt: Attempt, forest: "Forest") -> None:
        """Stages a forest in an attempt of `forest_slot`; publish the attempt afterwards."""
        attempt.write_bytes(FOREST_FILE, forest.to_bytes())

    @staticmethod
    def _log_slot(feed: str) -> Slot:
        return Slot.snapshot(f"models/{feed}/registry")

    def _append(
        self,
        feed: str,
        log: tuple[RegistryEntry, ...],
        entry: RegistryEntry,
        base: int,
        run_id: str | None,
    ) -> None:
        """Publishes the log with one more entry, and again if somebody published in between."""
        slot = self._log_slot(feed)
        while True:
            attempt = self._versions.begin(slot, run_id or f"verdict-{uuid4().hex}")
            attempt.write_bytes(_LOG_FILE, _LOG.dump_json((*log, entry), indent=1))
            number = self._versions.publish(attempt, inputs={}).number
            if number <= base + 1:
                return
            # Our version hides entries that were published after we read; take them along.
            hidden = (self._versions.get(slot, one) for one in range(base + 1, number))
            seen = dict.fromkeys((*log, *(one for log_ in hidden for one in self._read_log(log_))))
            log = tuple(one for one in seen if one != entry)
            base = number

    def _readable_log(self, feed: str, numbers: Sequence[int]) -> tuple[RegistryEntry, ...]:
        """The log; where its newest version is damaged, the one before, approvals suspended.

        The verdict that is lost may have withdrawn a model. So whatever was approved before is
        pending now, until somebody judges it again.
        """
        for number in reversed(numbers):
            try:
                log = self._read_log(self._versions.get(self._log_slot(feed), number))
            except (LakeError, ModelFileError):
                continue
            return log if number == numbers[-1] else (*log, *_suspended(log))
        return ()

    def _read_log(self, manifest: Manifest) -> tuple[RegistryEntry, ...]:
        try:
            return _LOG.validate_json(read_checked(self._versions, manifest, _LOG_FILE))
        except ValidationError as error:
            raise ModelFileError(f"{manifest.key_of(_LOG_FILE)} is no log of verdicts") from error
