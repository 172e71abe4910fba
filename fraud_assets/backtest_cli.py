"""`fraud-assets backtest`: what models would have found in the past."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from fraud_assets.command_line import known_feed, open_lake, print_lines
from fraud_assets.plain_errors import told_plainly


@click.command()
@click.option("--feed", required=True, help="The feed that the file belongs to.")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="One file of transactions with labels; nothing of it enters the lake.",
)
@click.option(
    "--train-start",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="First training day of fold 0, UTC; fold i starts 7 x i days earlier.",
)
@click.option("--train-days", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--delay-days",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Days between training and test.",
)
@click.option("--test-days", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--folds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--models", help="Names with commas between; all of them if not given.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random row."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write an HTML page with the curves.",
)
@told_plainly
def backtest(  # noqa: PLR0913 - one parameter an option
    *,
    feed: str,
    data: Path,
    train_start: datetime,
    train_days: int,
    delay_days: int,
    test_days: int,
    folds: int,
    models: str | None,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Train and test models on folds of the past, as they could have been then.

    Progress goes to standard error. A fold whose windows lack a class has null figures and a note.
    """
    from fraud_assets import backtest_page, backtest_report
    from fraud_assets.backtesting import Backtest
    from fraud_assets.feeds import RefusedError, load_feeds
    from fraud_assets.step_scratch import step_scratch
    from gpu_ops.backtest_protocol import BacktestError, BacktestProtocol
    from gpu_ops.engine import Engine, EngineUnavailableError
    from resources.settings import Settings

    settings = Settings.load()
    feeds = load_feeds(settings.feeds_dir)
    known_feed(feed, feeds)
    chosen = _chosen(models)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    with step_scratch(open_lake(settings)) as scratch:
        planned = Backtest(
            feed=feeds[feed],
            protocol=BacktestProtocol(train_start.date(), train_days, delay_days, test_days),
            models=chosen,
            engine=Engine(settings.engine),
            scratch=scratch,
            say=lambda line: click.echo(line, err=True),
            seed=seed,
            threads=settings.threads or 0,
        )
        try:
            result = planned.run(data, folds, datetime.now(UTC))
        except RefusedError as error:
            raise click.ClickException(f"{data.name} is refused: {error.reason}") from error
        except (BacktestError, EngineUnavailableError) as error:
            raise click.ClickException(str(error)) from error
    if out is not None:
        out.write_text(backtest_page.as_page(result), encoding="utf-8")
        click.echo(f"page: {out}", err=True)
    if as_json:
        print_lines([json.dumps(backtest_report.as_json(result), indent=1, allow_nan=False)])
    else:
        print_lines(backtest_report.as_lines(result))


def _chosen(models: str | None) -> tuple[str, ...]:
    """The models that are named, each once.

    Raises:
        UsageError: A name is none.
    """
    from fraud_assets.backtest_result import ORACLE, RANDOM
    from fraud_assets.backtesting import ALL_MODELS, MODELS

    if models is None:
        return MODELS
    named = dict.fromkeys(name.strip() for name in models.split(",") if name.strip())
    unknown = [name for name in named if name not in {*ALL_MODELS, RANDOM, ORACLE}]
    if unknown:
        raise click.UsageError(
            f"there is no model {', '.join(map(repr, unknown))}; models: {', '.join(ALL_MODELS)} "
            f"({RANDOM} and {ORACLE} are always there)"
        )
    return tuple(name for name in named if name in ALL_MODELS)
