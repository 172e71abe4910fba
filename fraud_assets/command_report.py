"""What a command of the command line did, for its report."""

from dataclasses import dataclass, field

from fraud_assets.local_runs import AssetFigures, RunOutcome


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
