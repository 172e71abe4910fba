"""`fraud-assets tune`: a bounded search over the settings of a feed's model."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from fraud_assets.command_line import open_lake, print_lines
from fraud_assets.plain_errors import told_plainly

if TYPE_CHECKING:
    from fraud_assets.tuning import Searched


@click.command()
@click.option("--feed", required=True, help="Whose model.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Trials in all; stored ones on the same rows count.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Begin no further trial after so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@told_plainly
def tune(*, feed: str, trials: int, minutes: float | None, as_json: bool) -> None:
    """Search settings of the booster that rank the validation window better.

    The first trial is the default. Each trial is stored: an interrupted search goes on where it
    was. The next training takes the best settings if they beat the default by more than chance.
    """
    from fraud_assets.feeds import load_feeds
    from fraud_assets.tuning import Bounds, TuningImpossibleError, rows_to_tune
    from fraud_assets.tuning import tune as search
    from resources.settings import Settings
    from resources.versions import Versions

    settings = Settings.load()
    feeds = load_feeds(settings.feeds_dir)
    if feed not in feeds:
        raise click.UsageError(f"there is no feed {feed!r}; known feeds: {', '.join(feeds)}")
    versions = Versions(open_lake(settings))
    try:
        rows = rows_to_tune(versions, feeds[feed], settings)
        found = search(versions, rows, settings, Bounds(trials, minutes), _say)
    except TuningImpossibleError as error:
        raise click.ClickException(str(error)) from error
    print_lines([json.dumps(_as_json(found))] if as_json else _lines(found))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _as_json(found: "Searched") -> dict[str, object]:
    return {
        "feed": found.feed,
        "made": found.made,
        "trials": [one.model_dump() for one in found.study.trials],
        "chosen": found.chosen.model_dump(),
        "tuned": found.chosen.is_tuned,
    }


def _lines(found: "Searched") -> Iterator[str]:
    from fraud_assets.text_layout import table

    trials = found.study.trials
    names = list(trials[0].settings)
    rows = [
        [
            "default" if number == 0 else str(number),
            *(f"{one.settings[name]:.3g}" for name in names),
            str(one.trees),
            f"{one.average_precision:.4f}",
        ]
        for number, one in enumerate(trials)
    ]
    header = ["trial", *names, "trees", "average precision"]
    yield from table(f"Settings of {found.feed}", header, rows, numbers=len(header) - 1)
    yield ""
    chosen = found.chosen
    figures = (
        f"average precision on the validation window: default "
        f"{chosen.default_average_precision:.4f}, best {chosen.best_average_precision:.4f}"
    )
    if chosen.is_tuned:
        yield f"{figures}; the next training takes the best (fraud-assets train)"
    else:
        under = (
            ""
            if chosen.confirmed_gain is None
            else f" (under other seeds {chosen.confirmed_gain:+.4f} in the mean)"
        )
        yield f"{figures}{under}; no more than chance, so training keeps the default"
