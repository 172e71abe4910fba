"""The graph layer: who paid whom, each account's place in that graph, and ring candidates."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers, svg
from fraud_assets.described import described
from fraud_assets.feeds import load_feeds
from fraud_assets.graph_lineage import ACCOUNT_LINEAGE, EDGE_LINEAGE, RING_LINEAGE
from fraud_assets.measure import StepMeter
from fraud_assets.publication import (
    ANALYSIS,
    HEAVY_POOL,
    OWNERS,
    Draft,
    PublicationEvent,
    publish,
    rejected_label,
)
from fraud_assets.refresh import (
    DIGEST,
    SCORED,
    digest_of,
    latest_event,
    latest_events,
    scan_window,
    scored_uploads,
    scored_with,
    snapshot,
    within,
)
from fraud_assets.ring_pictures import RINGS_SHOWN, pictures_of
from fraud_assets.ring_search import rings_of
from fraud_assets.schemas import ACCOUNT_FEATURES, ACCOUNT_GRAPH, RINGS
from gpu_ops.engine import Engine
from gpu_ops.gpu_graph import graph_engine_of
from gpu_ops.gpu_tables import edge_table
from gpu_ops.graph import GraphParams, in_stable_order
from gpu_ops.graph import account_features as features_of_accounts
from resources.batch.routing import COMPUTE
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

AS_OF: Final = "as_of"
"""In a graph version's figures: the latest event that it knows."""

AS_OF_FEEDS: Final = "as_of_feeds"
"""In the same figures: the latest event of each feed, since feeds have calendars of their own."""

_JUDGED: Final = pl.when(~pl.col("in_sample")).then(pl.col("fraud_probability"))
"""A probability that the model did not learn from the row itself; else null."""

_SCORED_COLUMNS: Final = (
    "transaction_id",
    "occurred_at",
    "feed",
    "kind",
    "amount",
    "payer",
    "payee",
    "anomaly_score",
)


@dg.asset(
    deps=["augmented_transactions"],
    group_name="graph",
    kinds={"polars", "parquet"},
    owners=list(OWNERS),
    code_version="1",
    pool=HEAVY_POOL,
    check_specs=[ACCOUNT_GRAPH.spec("account_graph")],
)
def account_graph(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[PublicationEvent]:
    """Who paid whom in the last weeks: one row a pair, with how often, how much and when.

    Payments to oneself are left out; they move no money between accounts.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        uploads = scored_uploads(versions)
        digest = digest_of(uploads)
        if digest is None:
            raise dg.Failure(description="Nothing is scored yet.", allow_retries=False)
        scored = list(uploads.values())
        rows = _judged(scan_window(versions, scored, settings.graph_window_days))
        edges = in_stable_order(edge_table(rows, Engine(settings.engine)))
        attempt = versions.begin(layers.snapshot_slot("account_graph"), context.run.run_id)
        attempt.write_table(edges)
        as_of = latest_event(scored)
        looked_back_on = max(settings.graph_window_days, settings.alert_window_days)
        draft = Draft(
            attempt=attempt,
            checks=[ACCOUNT_GRAPH.evaluate(edges, rejected_label(attempt))],
            inputs={DIGEST: digest},
            extra={
                # Where nothing has rows yet, an empty version still tells the columns.
                SCORED: {one.slot: one.number for one in within(scored, looked_back_on) or scored},
                AS_OF: None if as_of is None else as_of.isoformat(),
                AS_OF_FEEDS: {
                    feed: latest.isoformat() for feed, latest in latest_events(scored).items()
                },
            },
            metadata={
                "as_of": str(as_of),
                "transactions": int(edges["n_transactions"].sum()),
                **described(ACCOUNT_GRAPH, edges, EDGE_LINEAGE),
            },
        )
        yield from publish(versions, draft, meter)


@dg.asset(
    deps=["account_graph"],
    group_name="graph",
    kinds={"polars", "parquet"},
    owners=list(OWNERS),
    code_version="1",
    pool=HEAVY_POOL,
    check_specs=[ACCOUNT_FEATURES.spec("account_features")],
)
def account_features(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[PublicationEvent]:
    """Each account's place in the graph: partners, money in and out, PageRank, community.

    Communities are context for the ranking. A community is not a ring.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        graph = snapshot(versions, "account_graph")
        edges = versions.scan(graph).collect()
        accounts = features_of_accounts(
            edges,
            engine=graph_engine_of(Engine(settings.engine)),
            params=GraphParams(seed=settings.seed),
        )
        attempt = versions.begin(layers.snapshot_slot("account_features"), context.run.run_id)
        attempt.write_table(accounts)
        draft = Draft(
            attempt=attempt,
            checks=[ACCOUNT_FEATURES.evaluate(accounts, rejected_label(attempt))],
            inputs={DIGEST: graph.inputs[DIGEST], graph.slot: graph.content_id},
            extra={AS_OF: graph.extra[AS_OF]},
            metadata={
                "components": accounts["component"].n_unique(),
                "communities": accounts["community"].n_unique(),
                "hubs": int(accounts["is_hub"].sum()),
                "largest_community": int(accounts["community_size"].max() or 0),  # type: ignore[arg-type] # a count
                **described(
                    ACCOUNT_FEATURES, accounts.sort("pagerank", descending=True), ACCOUNT_LINEAGE
                ),
            },
        )
        yield from publish(versions, draft, meter)


@dg.asset(
    deps=["account_graph", "account_features", "augmented_transactions"],
    group_name="graph",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    pool=HEAVY_POOL,
    # The search is compiled for the CPU; a machine with a GPU would be paid for nothing.
    op_tags={COMPUTE: "cpu"},
    check_specs=[RINGS.spec("fraud_rings")],
)
def fraud_rings(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[PublicationEvent]:
    """Groups of accounts that move money like a ring, with the payments that show it.

    Fan-in, fan-out, cycles, chains, scatter-gather and gather-scatter among unusual payments, those
    whose last payment lies in the window. The score says how strong the evidence is, the confirmed
    share how many rings as strong were confirmed, where labels can tell.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        graph = snapshot(versions, "account_graph")
        accounts = snapshot(versions, "account_features")
        scored = scored_with(versions, graph)
        found = rings_of(
            versions,
            scored,
            _judged(scan_window(versions, scored, settings.graph_window_days)),
            load_feeds(settings.feeds_dir),
            versions.scan(accounts).collect(),
            window=timedelta(days=settings.graph_window_days),
        )
        rings = found.search.rings.select(list(RINGS.schema.columns))
        attempt = versions.begin(layers.snapshot_slot("fraud_rings"), context.run.run_id)
        attempt.write_table(rings)
        drawn = pictures_of(rings, found.payments) if rings.height else {}
        for name, drawing in drawn.items():
            attempt.write_bytes(name, drawing)
        counted = rings.group_by("pattern").len().sort("pattern")
        draft = Draft(
            attempt=attempt,
            checks=[RINGS.evaluate(rings, rejected_label(attempt))],
            inputs={
                DIGEST: graph.inputs[DIGEST],
                graph.slot: graph.content_id,
                accounts.slot: accounts.content_id,
            },
            extra={name: graph.extra[name] for name in (AS_OF, AS_OF_FEEDS)},
            metadata={
                **{f"limit_{name}": times for name, times in found.search.cut.items()},
                **{f"confirmed_share_{feed}": told for feed, told in found.verdicts.items()},
                **{f"rings_{pattern}": count for pattern, count in counted.iter_rows()},
                "top_rings": _shown(drawn),
                **described(
                    RINGS,
                    rings,
                    RING_LINEAGE,
                    ["ring_id", "pattern", "score", "accounts", "amount", "first_at", "last_at"],
                ),
            },
        )
        yield from publish(versions, draft, meter)


def _judged(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What graph and rings read of scored rows: no probability where the model knew the label."""
    return rows.select(*_SCORED_COLUMNS, _JUDGED.alias("fraud_probability"))


def _shown(drawn: Mapping[str, bytes]) -> dg.MetadataValue:
    """The first drawings; all of them lie beside the table as SVG files."""
    if not drawn:
        return dg.MetadataValue.text("no rings in this window")
    first = list(drawn.items())[:RINGS_SHOWN]
    return dg.MetadataValue.md("\n\n".join(svg.as_markdown(one, name) for name, one in first))
