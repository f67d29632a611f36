"""Other people's servers, each a process of its own on loopback with a folder of its own."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from redis import Redis, RedisError

from localstack.place import remove_place
from localstack.ports import LOOPBACK, free_port
from localstack.rooted import find_system_user, run_as
from tests.servers import FAST, make_server_home

OWNER, PASSWORD = "cleanplate", "letters-and-digits-1"
"""Who we are there: the owner of one database and nothing more."""
START_SECONDS = 60.0


class Daemon:
    """A server's process, ended with its test.

    Args:
        signal_number: What tells it to end at once.
    """

    def __init__(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        self.folder = make_server_home()
        self.port = free_port()
        self.uid = find_system_user() if os.geteuid() == 0 else -1
        self._signal = signal_number
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, command: list[str], answers: Callable[[], bool], *, as_root: bool = False) -> None:
        """Start it and wait until it answers."""
        user: dict[str, Any] = {} if as_root else run_as(self.uid)
        log = self.folder / "log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/", start_new_session=True, **user
            )
        deadline, pause = time.monotonic() + START_SECONDS, threading.Event()
        while not answers():
            told = log.read_text(errors="replace")[-3000:]
            assert self._process.poll() is None, f"{command[0]} ended: {told}"
            assert time.monotonic() < deadline, f"{command[0]} does not answer: {told}"
            pause.wait(0.05)

    def stop(self) -> None:
        """End it and delete its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._signal)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)
        remove_place(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file that the server may read."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        if self.uid >= 0:
            os.chown(path, self.uid, -1)
        path.chmod(0o600)
        return path

    def start(self) -> None:
        """Start it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class OtherPostgres(Daemon):
    """A PostgreSQL as others have it: reached over TCP with a password, by a role that owns its database only.

    Args:
        binaries: Where its programs are.
        settings: What it is told besides.
    """

    def __init__(self, binaries: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(signal.SIGINT)
        self._binaries = binaries
        self._settings = {**FAST, **(settings or {})}

    @property
    def url(self) -> str:
        """As whom, where and which database."""
        return f"postgresql://{OWNER}:{PASSWORD}@{LOOPBACK}:{self.port}/{OWNER}"

    def start(self) -> None:
        """Make a cluster, start it, and make the role and its database."""
        data = self.folder / "data"
        data.mkdir()
        if self.uid >= 0:
            os.chown(data, self.uid, -1)
        made = subprocess.run(
            [
                str(self._binaries / "initdb"),
                *("-D", str(data), "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync"),
                *("--auth-local=trust", "--auth-host=scram-sha-256"),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **run_as(self.uid),
        )
        assert made.returncode == 0, made.stderr
        told = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(data),
            **self._settings,
        }
        options = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        self.launch([str(self._binaries / "postgres"), "-D", str(data), *options], self._answers)
        self.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'", f"CREATE DATABASE {OWNER} OWNER {OWNER}")

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Do something as its superuser, and return what the last statement tells."""
        with psycopg.connect(
            host=str(self.folder / "data"), port=self.port, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


class Pooler(Daemon):
    """PgBouncer in front of a PostgreSQL.

    Args:
        program: PgBouncer.
        behind: The server.
        mode: `session`, `transaction` or `statement`.
        settings: What it is told besides.
        database: Which of the server's.
    """

    def __init__(
        self,
        program: Path,
        behind: OtherPostgres,
        mode: str,
        settings: Mapping[str, str] | None = None,
        database: str = OWNER,
    ) -> None:
        super().__init__(signal.SIGTERM)
        self.mode = mode
        self._program = program
        self._behind = behind
        self._database = database
        self._settings = {
            "listen_addr": LOOPBACK,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(self.folder / "users"),
            "pool_mode": mode,
            "default_pool_size": "60",
            "max_client_conn": "200",
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        """The database behind it."""
        return f"postgresql://{OWNER}:{PASSWORD}@{LOOPBACK}:{self.port}/{self._database}"

    def start(self) -> None:
        """Start it."""
        self.write("users", f'"{OWNER}" "{PASSWORD}"\n')
        told = "\n".join(f"{name} = {value}" for name, value in self._settings.items())
        behind = f"host={LOOPBACK} port={self._behind.port} dbname={self._database}"
        path = self.write("ini", f"[databases]\n{self._database} = {behind}\n[pgbouncer]\n{told}\n")
        self.launch([str(self._program), str(path)], self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


class OtherRedis(Daemon):
    """A Redis or Valkey as others have it.

    Args:
        program: `redis-server` or `valkey-server`.
        settings: Lines of its configuration, such as users with rights, or TLS.
        url: How it is reached; `{port}` stands for its port.
        options: What a client needs besides to see whether it answers.
    """

    def __init__(self, program: Path, settings: list[str], url: str, **options: Any) -> None:
        super().__init__(signal.SIGKILL)
        self._program = program
        self._settings = settings
        self._options = options
        self.url = url.format(port=self.port)

    def start(self) -> None:
        """Start it."""
        lines = [f"bind {LOOPBACK}", 'save ""', f"dir {self.folder}", *self._settings]
        if not any(line.startswith("tls-port") for line in lines):
            lines.append(f"port {self.port}")
        path = self.write("conf", "\n".join(lines).format(port=self.port) + "\n")
        self.launch([str(self._program), str(path)], self._answers, as_root=True)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url, **self._options) as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False
