"""Which feeds can be trained, and for which of them that could change anything."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from fraud_assets import state
from fraud_assets.feeds import Feed
from fraud_assets.refused_models import refused_champions
from fraud_assets.state import UploadState
from fraud_assets.training import (
    TRAINED_ON,
    NotTrainable,
    Trainable,
    assess,
    catalogue_of,
    trained_on,
)
from fraud_assets.tuned_settings import chosen_settings
from gpu_ops.gate import Status
from gpu_ops.model_files import ModelFileError
from resources.errors import LakeError
from resources.registry import ModelRegistry, ModelVersion, RegistryEntry
from resources.settings import Settings
from resources.versions import Versions


class TrainingPlan:
    """Looks at labels, models and verdicts of the feeds; changes nothing."""

    def __init__(self, versions: Versions, feeds: Mapping[str, Feed], settings: Settings) -> None:
        self._versions = versions
        self._registry = ModelRegistry(versions)
        self._feeds = feeds
        self._settings = settings

    def champions(self) -> dict[str, ModelVersion | None]:
        """The champion of every feed, None where scoring refuses it.

        Feeds whose champion is damaged are left out.
        """
        damaged = state.broken_models(self._versions, self._feeds)
        refused = refused_champions(self._versions, [n for n in self._feeds if n not in damaged])
        return {
            name: None if name in refused else self._registry.champion(name)
            for name in sorted(self._feeds)
            if name not in damaged
        }

    def ready(
        self, names: Sequence[str], states: Sequence[UploadState]
    ) -> tuple[list[str], list[str]]:
        """Those of some feeds that can be trained, and why the others with rows cannot."""
        ready, reasons = [], []
        with_rows = {one.upload.feed for one in states if one.state == "accepted"}
        for name in names:
            if name not in with_rows:
                continue
            found = self._assess(name)
            if isinstance(found, Trainable):
                ready.append(name)
            else:
                reasons.append(f"no model for {name}: {found.reason}")
        return ready, reasons

    def nothing_new(self, feed: str) -> str | None:
        """Why training could only end as last time; None with other rows, or no verdict yet.

        So it is as well once labels have matured since: the windows move, or more of the test is
        known. What a model was trained on is in its manifest, so a run that was killed between
        reading new rows and training them is made up for.
        """
        newest, verdict = self._newest(feed)
        if newest is None or verdict is None:
            return None
        if newest.manifest.extra.get(TRAINED_ON) != self._would_train_on(feed):
            return None
        return (
            f"no model for {feed}: {feed}-{newest.version} is {verdict.status.lower()} and "
            f"nothing new was landed; {'; '.join(verdict.reasons)}"
        )

    def awaits_decision(self, feed: str) -> str | None:
        """What a person has to decide before training a feed with a damaged champion could help.

        None where the newest model is the damaged one, or cannot be read: training replaces it.
        """
        try:
            newest, verdict = self._newest(feed)
            if newest is None or verdict is None or verdict.status is Status.APPROVED:
                return None
            if self.nothing_new(feed) is None:
                return None
        except (LakeError, ModelFileError):
            return None
        return (
            f"the champion of {feed} is damaged, and training anew could only end as "
            f"{feed}-{newest.version} did ({verdict.status.lower()}: {'; '.join(verdict.reasons)});"
            f" decide with 'fraud-assets models approve {feed}-{newest.version}' or "
            f"'fraud-assets models rollback --feed {feed}'"
        )

    def _newest(self, feed: str) -> tuple[ModelVersion | None, RegistryEntry | None]:
        """The model trained last, and the latest verdict on it."""
        newest = self._registry.latest(feed)
        if newest is None:
            return None, None
        return newest, self._registry.standing(feed).get(newest.version)

    def _would_train_on(self, feed: str) -> dict[str, JsonValue]:
        found = self._assess(feed)
        if isinstance(found, NotTrainable):
            return {}
        catalogue = catalogue_of(found.sources[0].prepped)
        chosen = chosen_settings(self._versions, feed, catalogue)
        return {**trained_on(found), **chosen.trained_on(feed)}

    def _assess(self, feed: str) -> Trainable | NotTrainable:
        return assess(self._versions, self._feeds[feed], self._settings, datetime.now(UTC))
