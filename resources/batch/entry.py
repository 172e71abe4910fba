"""The container's side: runs one step that a host left in the lake, and reports what happens.

`python -m resources.batch.entry run --folder F --sha256 H` is what the launcher starts.
`python -m resources.batch.entry --preflight` tells whether a container could.

Exit codes: 0 the step went well, or an earlier attempt of this job had already ended it; 1 it
failed, and its events say why, or nothing could be reported; 2 wrong usage; 3 it was refused.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from resources.batch import dagster_internals as internals
from resources.batch.mail import Address, MailWriter, has_ended_before
from resources.batch.payload import PROJECT, CodeLocation, RefusedError, StepPayload
from resources.batch.preflight import preflight
from resources.errors import LakeUnavailableError
from resources.lake import Lake
from resources.settings import Settings, SettingsError

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 3


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
        lake = Settings.load().open_lake()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    address = Address(asked.folder, os.environ.get("AWS_BATCH_JOB_ID", "by-hand"))
    attempt = int(os.environ.get("AWS_BATCH_JOB_ATTEMPT", "1"))
    if has_ended_before(lake, address, attempt):
        sys.stderr.write("an earlier attempt of this job has ended the step; nothing is left\n")
        return DONE
    return run(lake, address, attempt, asked.sha256, location)


def run(lake: Lake, address: Address, attempt: int, sha256: str, location: CodeLocation) -> int:
    """Run a step and send its events; the exit code."""
    went_well = False
    with MailWriter(lake, address, attempt) as mail:
        try:
            data = lake.get(f"{address.folder}/step.json")
            payload = StepPayload.decoded(data, sha256, location)
            context = internals.from_text(
                payload.step, location.module, location.attribute, mail.send
            )
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
