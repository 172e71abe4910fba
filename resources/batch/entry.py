"""The container's side: runs one step that a host left in the lake, and reports what happens.

`python -m resources.batch.entry run --folder F --sha256 H` is what the launcher starts.
`python -m resources.batch.entry --preflight` tells whether a container could.

Exit codes: 0 the step went well, or an earlier attempt of this job had already ended it, or the
host follows another job; 1 it failed, and its events say why, or nothing could be reported; 2 wrong
usage; 3 it was refused; 143 it was asked to end (SIGTERM) before the step's end.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from resources.batch import dagster_internals as internals
from resources.batch.ending import TERMINATED, asked_to_end
from resources.batch.mail import Address, MailWriter, followed_job, has_ended_before
from resources.batch.payload import PROJECT, CodeLocation, Fingerprint, RefusedError, StepPayload
from resources.batch.preflight import preflight
from resources.errors import LakeUnavailableError
from resources.lake import Lake
from resources.settings import Settings, SettingsError

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 3

_BY_HAND: Final = "by-hand"
_HOST_SECONDS: Final = 60.0
"""How long a container waits for its host to say that it follows the job; it does so at once."""


def main(arguments: Sequence[str] | None = None, location: CodeLocation = PROJECT) -> int:
    """Run what the command line asks for.

    Args:
        arguments: Those of the process if not given.
        location: The only code whose steps are run.

    Returns:
        The exit code.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.preflight:
        report = preflight(location)
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return DONE if report["ok"] else FAILED
    if asked.command is None:
        parser.error("say run, or --preflight")
    try:
        settings = Settings.load()
        lake = settings.open_lake()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    address = Address(asked.folder, os.environ.get("AWS_BATCH_JOB_ID", _BY_HAND))
    attempt = int(os.environ.get("AWS_BATCH_JOB_ATTEMPT", "1"))
    if address.job_id != _BY_HAND:
        followed = followed_job(lake, address, _HOST_SECONDS)
        if followed is None:
            sys.stderr.write("no host has said that it follows this job; nothing is done\n")
            return FAILED
        if followed != address.job_id:
            sys.stderr.write(f"the host follows {followed} and not this job; nothing is done\n")
            return DONE
    if has_ended_before(lake, address, attempt):
        sys.stderr.write("an earlier attempt of this job has ended the step; nothing is left\n")
        return DONE
    started = Start(lake, address, attempt, asked.sha256)
    image = Fingerprint.of(location, settings.feeds_dir, settings.rules_dir)
    return run(started, location, image)


@dataclass(frozen=True)
class Start:
    """What a container is started with.

    Attributes:
        lake: Where the step lies and its events go.
        address: The step's folder and the job.
        attempt: Which start of the job this is, from 1.
        sha256: The digest of the step.
    """

    lake: Lake
    address: Address
    attempt: int
    sha256: str


def run(start: Start, location: CodeLocation, image: Fingerprint) -> int:
    """Run a step and send its events; the exit code.

    Raises:
        SystemExit: With 143, where the container is asked to end while no code of the step runs.
    """
    went_well = False
    address, attempt = start.address, start.attempt
    with asked_to_end() as ending, MailWriter(start.lake, address, attempt) as mail:

        def send(entry: dg.EventLogEntry) -> None:
            # Dagster takes the request to end for the step's failure.
            if not (ending.is_asked and internals.is_terminal(entry)):
                mail.send(entry)

        try:
            data = start.lake.get(f"{address.folder}/step.json")
            payload = StepPayload.decoded(data, start.sha256, location, image)
            context = internals.from_text(payload.step, location.module, location.attribute, send)
            internals.add_metadata(context, payload.metadata)
            job: dict[str, str | int] = {"batch_job_id": address.job_id, "batch_attempt": attempt}
            internals.add_metadata(context, job)
        except LakeUnavailableError:
            raise  # worth another try, and not to be reported through this very lake
        except Exception as error:  # noqa: BLE001 - whatever keeps a step from starting is told
            reason = _reason(error)
            sys.stderr.write(f"refused: {reason}\n")
            mail.refuse(reason)
            return REFUSED
        for event in internals.run_here(context):
            went_well = went_well or event.is_step_success
        if ending.is_asked:
            return TERMINATED
    return DONE if went_well else FAILED


def _reason(error: Exception) -> str:
    """Why a step did not start; the class is left out where the text is written for a person."""
    if isinstance(error, RefusedError | SettingsError):
        return str(error)
    cause = error.__cause__ if isinstance(error.__cause__, SettingsError) else error
    return f"its code could not be loaded: {type(cause).__name__}: {cause}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m resources.batch.entry", description=__doc__)
    parser.add_argument(
        "--preflight", action="store_true", help="Tell as JSON whether steps could run here."
    )
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("run", help="Run a step that a launcher left in the lake.")
    command.add_argument("--folder", required=True, help="The step's folder in the lake.")
    command.add_argument("--sha256", required=True, help="SHA-256 of its step.json.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
