"""Runs one command as a group of processes, and ends the group when the caller's process is gone.

Started by `resources.batch.local` as a script, with the standard library alone, so that it costs
a few hundredths of a second. Its standard input is a pipe from the caller: a `T` on it asks the
group to end (SIGTERM), a `K` ends it at once (SIGKILL), and so does the end of the pipe, which
the system closes when the caller dies, however it died. Unlike a parent-death signal this holds
for the children of the command, too, and on every system with process groups.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final

TERMINATE: Final = b"T"
NOT_STARTED: Final = 127


def main(command: list[str]) -> int:
    """The command's exit code; 128 + n if signal n ended it; 127 if it could not be started."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the caller's command, without a shell
            command, stdin=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        return NOT_STARTED
    threading.Thread(target=_obey, args=(process.pid,), daemon=True).start()
    code = process.wait()
    # A container that ends takes all of its processes with it.
    _signal(process.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _obey(group: int) -> None:
    while os.read(0, 1) == TERMINATE:
        _signal(group, signal.SIGTERM)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
