"""The rings of all feeds in hindsight, from what is kept of every payment, slow ones too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.feeds import Feed
from fraud_assets.feeds.identity import account_key
from fraud_assets.labels import FeedLabels
from fraud_assets.refresh import by_feed, latest_event
from fraud_assets.ring_history import RingSources, ring_history
from gpu_ops.labels import labels_at
from gpu_ops.pattern_state import KEPT_SCHEMA, PAYMENT_SCHEMA, RingState
from gpu_ops.patterns import RingSearch, hindsight, together
from gpu_ops.ring_calibration import ring_verdicts
from gpu_ops.ring_features import PAYEE_PREFIX
from resources.versions import Manifest, Versions


@dataclass(frozen=True)
class RingsFound:
    """Rings whose last payment lies in their feed's window.

    Attributes:
        search: The rings with their `confirmed_share`, what became part of one, and what the
            limits left out.
        payments: Their payments: `gpu_ops.pattern_state.KEPT_SCHEMA`.
        verdicts: By feed, where `confirmed_share` comes from.
    """

    search: RingSearch
    payments: pl.DataFrame
    verdicts: Mapping[str, str]


def rings_of(
    versions: Versions,
    scored: Sequence[Manifest],
    rows: pl.LazyFrame,
    feeds: Mapping[str, Feed],
    accounts: pl.DataFrame,
    *,
    window: timedelta,
) -> RingsFound:
    """Search every feed for rings, with all payments of its scored uploads up to now.

    A ring may have begun long before the window: what it takes to see it is kept pair by pair.

    Args:
        versions: The lake's.
        scored: The scored versions that count.
        rows: The scored rows in the window: feed, transaction_id, fraud_probability.
        feeds: The definitions.
        accounts: account and community.
        window: How far before its feed's latest event a ring may have ended.

    Raises:
        dagster.Failure: A feed's definition is not there.
    """
    searches: list[RingSearch] = []
    payments = [pl.DataFrame(schema=KEPT_SCHEMA)]
    shares = [pl.DataFrame(schema={"ring_id": pl.String, "confirmed_share": pl.Float64})]
    verdicts = {}
    for mine in by_feed(list(scored)):
        feed, latest = _feed_of(feeds, mine), latest_event(mine)
        if latest is None:
            continue
        state = _state(versions, feed, mine, latest, rows)
        found = hindsight(state)
        is_recent = pl.col("last_at") >= latest - window
        rings = found.rings.filter(is_recent)
        labels = FeedLabels.of(versions, feed)
        known = labels_at(
            _rows_of(versions, mine, rings), labels.events(versions), latest, labels.maturity
        )
        told = ring_verdicts(rings, known.select("transaction_id", "is_fraud").collect())
        verdicts[feed.name] = told.reason
        shares.append(rings.select("ring_id", told.share))
        searches.append(replace(found, rings=rings, merged=found.merged.filter(is_recent)))
        ids = rings["transaction_ids"].explode(empty_as_null=False).implode()
        payments.append(state.named(state.payments.filter(pl.col("transaction_id").is_in(ids))))
    search = together(searches, accounts)
    rings = search.rings.join(
        pl.concat(shares), on="ring_id", how="left", maintain_order="left", validate="1:1"
    )
    return RingsFound(replace(search, rings=rings), pl.concat(payments), verdicts)


def _feed_of(feeds: Mapping[str, Feed], mine: Sequence[Manifest]) -> Feed:
    name = layers.feed_of(mine[0])
    if name not in feeds:
        raise dg.Failure(
            description=f"there is no feed {name!r} here, but scored transactions of it. Put its "
            "definition back, or set FRAUD_FEEDS_DIR.",
            allow_retries=False,
        )
    return feeds[name]


def _state(
    versions: Versions, feed: Feed, mine: Sequence[Manifest], latest: datetime, rows: pl.LazyFrame
) -> RingState:
    """What is kept of all payments of the uploads, with today's probabilities and account names."""
    raw = {
        key: one
        for key, one in layers.visible(versions, "raw_transactions", feed.name).items()
        if any(scored.slot.endswith(f"/upload={key}") for scored in mine)
    }
    entities = feed.entities
    sources = RingSources(raw, same_entities=entities.payer == entities.payee)
    state = ring_history(versions, feed.name, sources, latest.astimezone(UTC).date()).state
    account = account_key(feed.name, entities.payer, pl.col("account"))
    if not sources.same_entities:
        # Then nobody who pays is ever paid.
        payee = pl.col("account").str.strip_prefix(PAYEE_PREFIX)
        account = (
            pl.when("pays").then(account).otherwise(account_key(feed.name, entities.payee, payee))
        )
    probabilities = (
        rows.filter(pl.col("feed") == feed.name, pl.col("fraud_probability").is_not_null())
        .select("transaction_id", "fraud_probability")
        .join(state.payments.lazy().select("transaction_id"), on="transaction_id", how="semi")
        .collect(engine="streaming")
    )
    return replace(
        state,
        accounts=state.accounts.with_columns(account=account),
        payments=state.payments.drop("fraud_probability")
        .join(probabilities, on="transaction_id", how="left")
        .select(*PAYMENT_SCHEMA),
    )


def _rows_of(versions: Versions, mine: Sequence[Manifest], rings: pl.DataFrame) -> pl.LazyFrame:
    """The payments of rings with the labels that came with them."""
    first = rings["first_at"].min()
    touched = [
        one
        for one in mine
        if isinstance(first, datetime) and one.event_to is not None and one.event_to >= first
    ]
    ids = (
        rings.lazy()
        .select(transaction_id="transaction_ids")
        .explode("transaction_id", empty_as_null=False)
    )
    return (
        versions.scan_all(touched or [mine[0]])
        .select("transaction_id", "occurred_at", "is_fraud", "label_known_at")
        .join(ids.unique(), on="transaction_id", how="semi")
    )
