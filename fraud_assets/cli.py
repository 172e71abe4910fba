"""`fraud-assets`: the same jobs as in the UI, from a terminal."""

import os
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fraud_assets.backtest_cli import backtest
from fraud_assets.cases_cli import cases
from fraud_assets.command_line import known_feed, open_lake, print_lines
from fraud_assets.label_cli import label
from fraud_assets.models_cli import models
from fraud_assets.plain_errors import told_plainly
from fraud_assets.rules_cli import rules
from fraud_assets.tuning_cli import tune
from fraud_assets.what_if_cli import what_if

# Read by dagster at import; a run of the command line reports to nobody.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
# Read by the OpenMP runtime of XGBoost: threads that spin while they wait cost minutes on a machine
# with other work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fraud_assets.case_runs import CaseRuns
    from fraud_assets.pipeline import Pipeline
    from simulator.writing import Format

REFUSED_OR_FAILED: Final = 1

_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fraud-assets")
def main() -> None:
    """Transactions in, ranked and explained fraud alerts out.

    The lake is FRAUD_LAKE (default ./lake), the Dagster instance DAGSTER_HOME (default .dagster).
    """


@main.command()
@click.option("--rows", type=click.IntRange(min=1), required=True, help="Transactions to make.")
@click.option("--days", type=click.IntRange(min=1), default=30, show_default=True)
@click.option("--rings", type=click.IntRange(min=0), default=10, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv")
@click.option("--files", type=click.IntRange(min=1), default=1, show_default=True)
@told_plainly
def simulate(
    *, rows: int, days: int, rings: int, seed: int, out: Path, form: "Format", files: int
) -> None:
    """Write simulated transactions with planted fraud, and the truth about it."""
    from simulator import simulate as make
    from simulator import write

    try:
        simulation = make(rows=rows, days=days, rings=rings, seed=seed)
        paths = write(simulation, out, format=form, files=files)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    print_lines(str(path) for path in paths)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--feed", required=True, help="The feed that the files belong to.")
@click.option("--labels", is_flag=True, help="They are labels of the feed's transactions.")
@told_plainly
def land(*, files: tuple[Path, ...], feed: str, labels: bool) -> None:
    """Copy files to the lake's landing folder, where runs and the sensor find them."""
    from fraud_assets.feeds import load_feeds
    from fraud_assets.uploads import UploadError, Uploads
    from resources.settings import Settings

    settings = Settings.load()
    feeds = load_feeds(settings.feeds_dir)
    known_feed(feed, feeds)
    uploads = Uploads(open_lake(settings), feeds)
    refused = False
    for file in files:
        try:
            print_lines([uploads.land(file, feed, labels=labels)])
        except UploadError as error:
            refused = True
            click.echo(f"Error: {error}", err=True)
    if refused:
        sys.exit(REFUSED_OR_FAILED)


@main.command()
@click.option(
    "--backfill", is_flag=True, help="Also renew features that miss rows which landed later."
)
@_json_option
@told_plainly
def run(*, backfill: bool, as_json: bool) -> None:
    """Process all that is landed; train where no model is approved and the labels allow."""
    with _pipeline() as (pipeline, case_runs):
        pipeline.run(backfill=backfill)
        case_runs.take_in(pipeline.versions, pipeline.report)
        _conclude(pipeline, as_json=as_json)


@main.command()
@_json_option
@told_plainly
def train(*, as_json: bool) -> None:
    """Train every feed whose labels allow; the gate decides what is served."""
    with _pipeline() as (pipeline, _):
        pipeline.train()
        _conclude(pipeline, as_json=as_json)


@main.command()
@_json_option
@told_plainly
def status(*, as_json: bool) -> None:
    """What landed, what became of it, and what needs a person."""
    from fraud_assets import report, report_json, state
    from fraud_assets.command_report import Report
    from fraud_assets.feeds import load_feeds
    from fraud_assets.label_state import label_states
    from fraud_assets.rescoring import screening_lines
    from fraud_assets.upload_survey import UploadSurvey
    from resources.settings import Settings
    from resources.versions import Versions

    settings = Settings.load()
    lake = open_lake(settings)
    feeds = load_feeds(settings.feeds_dir)
    versions, uploads = Versions(lake), UploadSurvey(lake, feeds)
    states = state.upload_states(versions, uploads, feeds)
    labels = label_states(versions, uploads, feeds)
    landed = uploads.landed()
    problems = [
        *(f"landing/{path}: landed, not registered yet" for path in landed.postponed),
        *landed.problems,
        *state.damage_lines(versions, uploads, sorted(feeds)),
        *screening_lines(states, settings, sorted(feeds)),
    ]
    if as_json:
        found = Report(problems=problems)
        print_lines([report_json.as_json(states, found, versions, sorted(feeds), labels)])
        return
    lines = list(report.status_lines(states, versions, problems, sorted(feeds), labels))
    print_lines(lines or [f"Nothing has landed in {lake.url} yet; land a file first."])


@main.command()
@click.argument("asset")
@click.option("--upload", help="Key of one upload; all of them if not given.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@told_plainly
def export(asset: str, upload: str | None, out: Path) -> None:
    """Write the visible table of an asset to a Parquet file."""
    from fraud_assets import exporting, layers
    from fraud_assets.feeds import load_feeds
    from fraud_assets.upload_survey import UploadSurvey
    from resources.settings import Settings
    from resources.versions import Versions

    tables = [*layers.UPLOAD_LAYERS, *layers.SNAPSHOTS]
    if asset not in tables:
        raise click.UsageError(f"no table is called {asset!r}; tables: {', '.join(tables)}")
    if upload is not None and asset not in layers.UPLOAD_LAYERS:
        raise click.UsageError(f"{asset} has no uploads; leave --upload out")
    settings = Settings.load()
    lake = open_lake(settings)
    chosen = None
    if upload is not None:
        # Exporting works on a lake that may be read alone, also where a record needs mending.
        found = UploadSurvey(lake, load_feeds(settings.feeds_dir)).get(upload)
        chosen = (found.feed, found.key)
    frame = exporting.export(Versions(lake), asset, chosen)
    if frame is None:
        raise click.ClickException(f"{asset} has no visible version yet")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        frame.sink_parquet(partial)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    print_lines([str(out)])


@main.command()
@click.option("--older-than-days", type=click.FloatRange(min=0), default=1.0, show_default=True)
@told_plainly
def clean(older_than_days: float) -> None:
    """Remove attempts that none of the last two versions of a table is made of."""
    from fraud_assets import cleaning
    from resources.settings import Settings

    removed = cleaning.clean(open_lake(Settings.load()), timedelta(days=older_than_days))
    print_lines([f"removed {len(removed)} attempts"])


@main.command()
@click.option("--again", metavar="TARGET", help="Put back first what this target refused.")
@_json_option
@told_plainly
def deliver(*, again: str | None, as_json: bool) -> None:
    """Send what the outbox holds to the SNS topic and the webhook, as far as they are set."""
    from fraud_assets.delivering import deliver_now
    from resources.settings import Settings

    settings = Settings.load()
    delivering = deliver_now(open_lake(settings), settings, again)
    print_lines([delivering.as_json()] if as_json else delivering.lines())
    if not delivering.went_through:
        sys.exit(REFUSED_OR_FAILED)


main.add_command(backtest)
main.add_command(cases)
main.add_command(label)
main.add_command(models)
main.add_command(rules)
main.add_command(tune)
main.add_command(what_if)


@contextmanager
def _pipeline() -> "Iterator[tuple[Pipeline, CaseRuns]]":
    """The jobs on the kept instance, after reporting runs whose process died.

    Progress goes to standard error as it happens; standard output is for the result alone.
    """
    from fraud_assets.case_runs import CaseRuns
    from fraud_assets.definitions import build
    from fraud_assets.kept_instance import open_instance
    from fraud_assets.local_runs import dead_runs_watched
    from fraud_assets.pipeline import Pipeline
    from resources.settings import Settings

    settings = Settings.load()
    definitions = build(settings)

    def say(line: str) -> None:
        # Nobody may be reading along any more; the work goes on.
        with suppress(BrokenPipeError):
            click.echo(line, err=True)

    with open_instance() as instance, dead_runs_watched(instance, say):
        pipeline = Pipeline(definitions, instance, open_lake(settings), settings, say)
        yield pipeline, CaseRuns(definitions, instance, settings, say)


def _conclude(pipeline: "Pipeline", *, as_json: bool) -> None:
    """Print what was done and leave with the status that it deserves."""
    from fraud_assets import report, report_json

    feeds = sorted(pipeline.feeds)
    states, labels = pipeline.states(), pipeline.labels.states()
    if as_json:
        print_lines(
            [report_json.as_json(states, pipeline.report, pipeline.versions, feeds, labels)]
        )
    else:
        print_lines(report.summary_lines(states, pipeline.report, pipeline.versions, feeds, labels))
    if not pipeline.report.went_through:
        sys.exit(REFUSED_OR_FAILED)


if __name__ == "__main__":
    main()
