"""`fraud-assets models`: which models there are, and what people decide over them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fraud_assets.command_line import known_feed, open_lake, print_lines
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from resources.registry import ModelVersion
    from resources.settings import Settings
    from resources.versions import Versions

_feed_option = click.option("--feed", help="Whose models; needed where several feeds have some.")
_by_option = click.option("--by", required=True, metavar="NAME", help="Who decides.")
_reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why.")
_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


@click.group()
def models() -> None:
    """List models, approve one that was held, go back to the one before."""


@models.command("list")
@_feed_option
@_json_option
@told_plainly
def list_models(*, feed: str | None, as_json: bool) -> None:
    """All versions, newest first, with their roles and verdicts."""
    from fraud_assets import model_listing
    from fraud_assets.shadow import shadow_of

    settings, versions = _opened()
    feeds = _feeds_with_models(versions, settings, feed)
    found = [one for name in feeds for one in model_listing.listed(versions, name)]
    if as_json:
        print_lines([model_listing.list_json(found)])
        return
    shadows = [shadow_of(versions, name, settings, datetime.now(UTC)) for name in feeds]
    print_lines(model_listing.list_lines(found))
    print_lines(one.line() for one in shadows if one is not None)
    if not found:
        print_lines(["No model yet; fraud-assets run trains one where the labels allow."])


@models.command()
@click.argument("version")
@_feed_option
@_json_option
@told_plainly
def show(*, version: str, feed: str | None, as_json: bool) -> None:
    """The card of VERSION, such as `sim-3`, and all that was decided on it."""
    from fraud_assets import model_listing
    from resources.registry import ModelRegistry

    settings, versions = _opened()
    model = _chosen(versions, settings, version, feed)
    log = [one for one in ModelRegistry(versions).list(model.feed) if one.version == model.version]
    if as_json:
        print_lines([model_listing.show_json(model, log)])
    else:
        print_lines(model_listing.show_lines(model, log))


@models.command()
@click.argument("version")
@_by_option
@_reason_option
@_feed_option
@click.option("--despite-rejection", is_flag=True, help="Also a rejected model; it is logged.")
@told_plainly
def approve(
    *, version: str, by: str, reason: str, feed: str | None, despite_rejection: bool
) -> None:
    """Make VERSION the champion. What it is to score comes after this: run `fraud-assets run`."""
    from fraud_assets.refused_models import newest_features, refusal_of
    from resources.registry import ModelRegistry
    from resources.registry_decisions import approve as decide

    settings, versions = _opened()
    model = _chosen(versions, settings, version, feed)
    features = newest_features(versions, model.feed)
    refused = None if features is None else refusal_of(model, features)
    if refused is not None:
        raise click.ClickException(refused)
    decide(ModelRegistry(versions), model, by, reason, despite_rejection=despite_rejection)
    print_lines([f"{model.feed}-{model.version} is the champion of {model.feed}"])


@models.command()
@_by_option
@_reason_option
@_feed_option
@click.option("--allow-none", is_flag=True, help="Also where no champion was before.")
@told_plainly
def rollback(*, by: str, reason: str, feed: str | None, allow_none: bool) -> None:
    """Withdraw the champion; the one before scores again. Stored scores stay as they are."""
    from resources.registry import ModelRegistry
    from resources.registry_decisions import rollback as decide

    settings, versions = _opened()
    name = _one_feed(versions, settings, feed)
    entry, champion = decide(ModelRegistry(versions), name, by, reason, allow_none=allow_none)
    now = (
        f"no model scores {name}: anomaly scores and rules alone"
        if champion is None
        else f"{name}-{champion.version} is the champion of {name}"
    )
    print_lines([f"{name}-{entry.version} is withdrawn; {now}"])


def _opened() -> "tuple[Settings, Versions]":
    from resources.settings import Settings
    from resources.versions import Versions

    settings = Settings.load()
    return settings, Versions(open_lake(settings))


def _feeds_with_models(
    versions: "Versions", settings: "Settings", feed: str | None
) -> Sequence[str]:
    """The feed that was named, or all that have models."""
    from fraud_assets.feeds import load_feeds
    from resources.registry import ModelRegistry

    feeds = load_feeds(settings.feeds_dir)
    if feed is not None:
        known_feed(feed, feeds)
    chosen = sorted(feeds) if feed is None else [feed]
    return [name for name in chosen if versions.all_numbers(ModelRegistry.slot(name))]


def _one_feed(versions: "Versions", settings: "Settings", feed: str | None) -> str:
    """The one feed that is meant."""
    found = _feeds_with_models(versions, settings, feed)
    if len(found) != 1:
        told = f"feeds with models: {', '.join(found)}; choose with --feed" if found else "no model"
        raise click.UsageError(told)
    return found[0]


def _chosen(
    versions: "Versions", settings: "Settings", version: str, feed: str | None
) -> "ModelVersion":
    """The version that is meant: `sim-3`, `sim/3`, or `3` of the one feed."""
    from resources.registry import ModelRegistry

    found = re.fullmatch(r"(?:(.+)[-/])?([0-9]{1,9})", version)
    if found is None or (feed and found[1] and feed != found[1]):
        raise click.UsageError(f"{version!r} is no model version; write it as in sim-3")
    name = _one_feed(versions, settings, found[1] or feed)
    return ModelRegistry(versions).get(name, int(found[2]))
