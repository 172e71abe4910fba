"""Where label features find their rows: the entities with known labels, each on its timeline."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import ENTITIES, ENTITY_COLUMNS, Catalogue, Entity
from gpu_ops.label_features import UNEXPLAINED, LabelFeature
from gpu_ops.label_plan import EXPLAINED, label_plan
from gpu_ops.timelines import repeated_entities, timelines
from gpu_ops.window_lengths import window_lengths
from gpu_ops.windows import MICROSECOND

_LABELLED: Final = pl.col("is_fraud").is_not_null() & pl.col("label_known_at").is_not_null()


@dataclass(frozen=True)
class LabelSide:
    """An entity and its label features.

    Args:
        entity: whose labels.
        features: of this entity.
        lookback: of the catalogue.
        exact: names of features that stay Float64, since row features go on with them.
    """

    entity: Entity
    features: tuple[LabelFeature, ...]
    lookback: timedelta
    exact: frozenset[str]

    @property
    def unexplained(self) -> bool:
        """Whether some feature asks for unexplained frauds."""
        return any(one.statistic in UNEXPLAINED for one in self.features)

    def rows(self, transactions: pl.LazyFrame) -> pl.LazyFrame:
        """Choose what the side needs of canonical rows with ``row`` and ``target``.

        For unexplained frauds they also have `EXPLAINED`.
        """
        at = pl.col("occurred_at").cast(pl.Int64)
        columns = {"row": pl.col("row"), "target": pl.col("target"), "at": at}
        names = ("account", "counterparty")
        parties = zip(names, ENTITY_COLUMNS[self.entity], strict=False)
        columns |= {name: pl.col(party) for name, party in parties}
        columns["is_fraud"] = pl.col("is_fraud")
        columns["known_lag"] = pl.when(_LABELLED).then(pl.col("label_known_at").cast(pl.Int64) - at)
        if self.unexplained:
            columns[EXPLAINED] = pl.col(EXPLAINED)
        return transactions.select(value.alias(name) for name, value in columns.items())

    def tables(self, rows: pl.LazyFrame, engine: Engine) -> Iterator[tuple[str, pl.DataFrame]]:
        """Compute the side's features.

        Args:
            rows: as `rows` chooses them; all of an account, or none.
            engine: where the plans run.

        Yields:
            A name and a table of ``row``, ``at`` and the features, for targets of entities with
            labels to be seen. Targets in no table have none.
        """
        by = ["account", "counterparty"][: len(ENTITY_COLUMNS[self.entity])]
        longest = max(one.within(self.lookback) for one in self.features) // MICROSECOND
        telling = rows.filter(pl.col("known_lag") < longest)
        if all(one.statistic != "known_fraud_share" for one in self.features):
            # Without a fraud there is no run, no time since one and none unexplained.
            telling = telling.filter("is_fraud")
        # Most entities have no label to be seen, and grouping by names is what costs.
        labelled = rows.join(telling.select(by), on=by, how="semi")
        entities = engine.collect(repeated_entities(labelled, by).filter("wanted").drop("wanted"))
        lengths = window_lengths(self.features, self.lookback, entities)
        for timeline in timelines(rows, entities.lazy(), by, max(lengths.values()), engine):
            frauds = int(timeline["is_fraud"].sum())
            plan = label_plan(timeline.lazy(), self.features, lengths, self.exact, frauds)
            yield f"{self.entity}-labels", engine.collect(plan)


def label_plans(catalogue: Catalogue) -> list[LabelSide]:
    """Find the label features of a catalogue, by entity."""
    mine = [one for one in catalogue.windows if isinstance(one, LabelFeature)]
    found = {entity: tuple(one for one in mine if one.entity == entity) for entity in ENTITIES}
    return [
        LabelSide(entity, features, catalogue.lookback, catalogue.exact)
        for entity, features in found.items()
        if features
    ]
