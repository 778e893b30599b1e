"""A PostgreSQL server of the tests' own: really started, on a socket in a temporary directory, by an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

_NUMBERS = count(1)


class Postgres:
    """The server, which a test may stop, start and restart."""

    def __init__(self, binaries: Path, home: Path, user: str | None) -> None:
        self.binaries, self.home, self.user = binaries, home, user
        (home / "log").touch()
        if user is not None:
            for path in (home, home / "log"):
                shutil.chown(path, user)
        self._run("initdb", "-D", str(home / "data"), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
        # No test cuts the power: what a killed process has written the operating system still has.
        options = f"listen_addresses = ''\nunix_socket_directories = '{home}'\nmax_connections = 60\nfsync = off\n"
        with (home / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(options)

    def start(self) -> None:
        self._control("start", "-l", str(self.home / "log"))

    def stop(self) -> None:
        """At once, as if the machine had lost its power; what was committed is recovered at the next start."""
        self._control("stop", "-m", "immediate")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"db{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tests@/{name}?host={self.home}"

    def execute(self, statement: str, url: str | None = None) -> None:
        with self.connect(url) as connection:
            connection.execute(statement.encode())

    def connect(self, url: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(url or f"postgresql://tests@/postgres?host={self.home}", autocommit=True)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.home / "data"), "-w", "-s", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        # Its output goes nowhere: the server would keep a pipe open that it inherits.
        subprocess.run(command, check=True, user=self.user, stdout=subprocess.DEVNULL, cwd=self.home)


def _binaries() -> Path | None:
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    return max(found) if found else Path(on_path).parent if on_path else None


def _unprivileged() -> str | None:
    """The user to run it as; None: the one of the tests. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    users = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    binaries = _binaries()
    if binaries is None:
        why = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    home = Path(tempfile.mkdtemp(prefix="cds-tests-"))
    try:
        server = Postgres(binaries, home, _unprivileged())
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
