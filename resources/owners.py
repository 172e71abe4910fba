"""Which process holds something, and whether it still lives."""

import os
import socket
import uuid
from pathlib import Path
from typing import Final, Self

import psutil
from pydantic import BaseModel, ConfigDict

# Two readings of one process's start may differ by the correction of the clock in between.
_START_TOLERANCE_SECONDS: Final = 2.0


class Owner(BaseModel):
    """A process, told apart from every other, also after its number is used again.

    Attributes:
        host: The machine's name.
        machine: Tells machines and containers of one name apart.
        pid: The process's number.
        started_at: When the process started, seconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    machine: str
    pid: int
    started_at: float

    @classmethod
    def current(cls) -> Self:
        """The process that calls."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            started_at=psutil.Process(pid).create_time(),
        )

    def is_gone(self) -> bool | None:
        """Whether the process has ended; None if it ran on another machine or container."""
        if (self.host, self.machine) != (socket.gethostname(), _machine()):
            return None
        try:
            process = psutil.Process(self.pid)
            started_at = process.create_time()
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return None
        return ended or abs(started_at - self.started_at) > _START_TOLERANCE_SECONDS

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _machine() -> str:
    """The network card's number, and the space of process numbers that a container has."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = "-"
    return f"{uuid.getnode():012x} {processes}"
