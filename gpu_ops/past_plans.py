"""How past features are computed: each kind of them brings a plan, and here they join in."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue, PastFeature
from gpu_ops.flow_plan import flow_plans
from gpu_ops.label_sides import label_plans
from gpu_ops.sides import sides


class PastPlan(Protocol):
    """Computes some past features of a catalogue, account by account.

    The feature table calls `rows` once, deals the result to groups of whole accounts by its
    ``account``, or leaves it in one, and calls `tables` with each group.
    """

    @property
    def features(self) -> tuple[PastFeature, ...]:
        """What it computes."""

    def rows(self, transactions: pl.LazyFrame) -> pl.LazyFrame:
        """Choose what `tables` needs, as a plan that is not run here.

        Args:
            transactions: canonical rows (those columns that the catalogue reads) with ``row``,
                their number in order of time, and ``target`` Boolean.

        Returns:
            ``account`` String, and whatever else. A row may come once, twice or not at all.
        """

    def tables(self, rows: pl.LazyFrame, engine: Engine) -> Iterator[tuple[str, pl.DataFrame]]:
        """Compute.

        Args:
            rows: as `rows` chose them; all of an account, or none.
            engine: where the plans run.

        Yields:
            A name, the same for tables with the same columns and no other, fit for a file; and
            a table of ``row``, ``at`` (microseconds) and features in their dtype, or in Float64
            where they are in `Catalogue.exact`. Only targets, each in at most one table of a
            name; the others have an empty past.
        """


def past_plans(catalogue: Catalogue) -> list[PastPlan]:
    """List the plans that together compute the past features of a catalogue.

    Raises:
        TypeError: some feature is of a kind that no plan computes.
    """
    plans: list[PastPlan] = [*sides(catalogue), *label_plans(catalogue), *flow_plans(catalogue)]
    computed = {one.name for plan in plans for one in plan.features}
    missing = [one.name for one in catalogue.windows if one.name not in computed]
    if missing:
        raise TypeError(f"no plan computes {', '.join(missing)}")
    return plans
