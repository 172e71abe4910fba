"""Case stores for tests: a SQLite file, and a PostgreSQL server of their own where there is one."""

import importlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from resources.case_location import CaseLocation
from resources.case_store import CaseStore

PASSWORD = "pass@word/of tests"  # noqa: S105 - of a server that lives as long as the tests
_QUOTED = "pass%40word%2Fof%20tests"


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """A server on a free port of this machine, gone when the tests are done."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip("initdb and postgres are not on the PATH")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed; it comes with the extra aws")
    # A server refuses to be root's, and pytest's folders are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="fraud-assets-postgres-"))
    other = _other_user()
    if other is not None:
        os.chown(folder, other.pw_uid, other.pw_gid)
    prefix = [] if other is None else _as_user(other)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    port = _free_port()
    data = folder / "data"
    passwords = ("--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8")
    try:
        subprocess.run(
            [*prefix, "initdb", f"--pgdata={data}", "--username=analyst", "--no-sync", *passwords],
            check=True,
            capture_output=True,
            cwd="/",
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*prefix, "postgres", "-D", str(data), *options], stdout=log, stderr=log, cwd="/"
            )
        try:
            _wait_for(port, server)
            yield port
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_port: int) -> str:
    """The address of a new, empty database."""
    name = f"cases_{uuid4().hex}"
    address = f"postgresql://analyst:{_QUOTED}@127.0.0.1:{postgres_port}"
    connection = importlib.import_module("psycopg2").connect(f"{address}/postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{address}/{name}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/store/cases.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, once in a file and once on a server."""
    found = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(found, str)
    return found


@pytest.fixture
def store(url: str) -> CaseStore:
    return CaseStore.at(CaseLocation.parse(url))


def _other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as; None: as whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("a PostgreSQL server refuses to run as root, and there is no other user")


def _as_user(user: pwd.struct_passwd) -> list[str]:
    if shutil.which("setpriv") is None:
        pytest.skip("a PostgreSQL server refuses to run as root, and setpriv is not on the PATH")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the PostgreSQL server did not start")
