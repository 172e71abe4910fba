"""What `fraud-assets run` does for cases: takes published alerts in, after all else."""

from collections.abc import Callable

import dagster as dg

from fraud_assets import layers
from fraud_assets.case_due import why_due
from fraud_assets.command_report import Report
from fraud_assets.jobs import CASES
from fraud_assets.local_runs import execute, process_tags
from resources.case_store import CaseStoreError
from resources.errors import LakeError
from resources.lake import utc_now
from resources.settings import Settings
from resources.versions import Versions


class CaseRuns:
    """Takes alerts into cases in this process; what fails here has harmed no alert."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        settings: Settings,
        say: Callable[[str], None],
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._settings = settings
        self._say = say

    def take_in(self, versions: Versions, report: Report) -> None:
        """Bring cases and their table up to date, if there is a store."""
        store = self._settings.open_cases(self._settings.lake)
        if store is None:
            self._say("no cases: a lake in S3 needs FRAUD_CASES_URL for them")
            return
        try:
            due = why_due(versions, store, utc_now())
        except (CaseStoreError, LakeError) as error:
            self._trouble(report, str(error))
            return
        if due is None:
            return
        self._say(f"cases: {due}")
        damage = versions.problems(layers.snapshot_slot("cases"))
        outcome = execute(
            self._definitions, self._instance, CASES.name, tags=process_tags(CASES.name)
        )
        report.add(outcome)
        if outcome.success:
            # Whoever looked for damage before has told of a table that is whole again.
            report.problems = [line for line in report.problems if line not in damage]
        else:
            self._trouble(report, outcome.reason)

    def _trouble(self, report: Report, reason: str) -> None:
        line = f"taking alerts into cases failed: {reason}"
        report.problems.append(line)
        self._say(f"    {line}")
