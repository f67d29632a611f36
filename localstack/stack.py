"""The local stack: starts what is not running, and stops what it started when nobody else uses it."""

import atexit
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from core.errors import UnavailableError, UsageError
from core.settings import Settings
from localstack.embedded import EmbeddedPostgres, EmbeddedValkey
from localstack.interrupts import Interrupts
from localstack.leashed import LeashedServer
from localstack.locks import FileLock
from localstack.place import LOCKS, make_home
from localstack.postgres import THROWAWAY
from localstack.processes import Supervisor
from localstack.roles import Endpoints, make_children, metrics_folder, stop_seconds

SERVERS = frozenset({"postgres", "valkey"})
PROCESSES = frozenset({"sandbox", "dispatcher", "worker", "web", "flower"})
RUN_ROLES = SERVERS | PROCESSES - {"web", "flower"}
UP_ROLES = SERVERS | PROCESSES
JOIN_SECONDS = 90.0
LOOK_SECONDS = 0.05
QUIET_STOP_SECONDS = 4.0


class LocalStack:
    """What a command needs on this machine, for the length of a `with` block.

    PostgreSQL and Valkey are shared by all processes of one home and live until the last of them ends. Sandbox,
    dispatcher and workers are started by the first process that needs them; others use them, and when that process
    ends one of the others starts its own (`check` does it).

    With DATABASE_URL and REDIS_URL set, dispatcher and workers are started here all the same: there may be any number.

    Args:
        settings: Of this process.
        roles: Which of `postgres`, `valkey`, `sandbox`, `dispatcher`, `worker`, `web`, `flower` are needed. What the
            settings name an address for is not started.
        migrate: Brings the database at a URL to the newest schema.
        flaw_of_sandbox: Says what a sandbox started here lacks; empty when it lacks nothing.
        is_durable: Whether a PostgreSQL that is started here writes so that a power cut loses nothing.

    Raises:
        UnavailableError: Something did not start; what did was stopped again.
        UsageError: Another process uses this home with other settings.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP came; what was started was stopped again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        roles: frozenset[str],
        migrate: Callable[[str], None],
        flaw_of_sandbox: Callable[[], str] = lambda: "",
        is_durable: bool = True,
    ) -> None:
        self._settings = settings
        self._roles = roles
        self._migrate = migrate
        self._flaw_of_sandbox = flaw_of_sandbox
        self._is_durable = is_durable
        self._interrupts = Interrupts()
        self._started: list[LeashedServer] = []
        self._supervisor: Supervisor | None = None
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts are reached."""
        if self._endpoints is None:
            raise UnavailableError("The local stack is not running.")
        return self._endpoints

    @property
    def pids(self) -> list[int]:
        """The ids of our own processes that this object started."""
        return self._supervisor.pids if self._supervisor is not None else []

    def __enter__(self) -> Self:
        self._interrupts.take()
        try:
            if self._needs_home:
                self._home = make_home(self._settings.cleanplate_home)
                self._lock = FileLock(self._home / LOCKS / "processes")
            atexit.register(self._stop)
            self._start()
            self._interrupts.check()
            self._interrupts.release()
        except OSError as error:
            self._stop()
            raise UnavailableError(f"The local stack did not start: {error}. Nothing was lost; run again.") from error
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """Keep our processes running; take over from another process that ended. Call it every second or so.

        Raises:
            UnavailableError: Something dies again and again.
        """
        self._interrupts.take()
        try:
            for server in self._started:
                server.keep_running()
            if not self._roles & PROCESSES:
                pass
            elif self._supervisor is not None:
                self._supervisor.check()
            elif self._lock.try_exclusive():
                click.echo("The process that ran the workers has ended; starting workers here.", err=True)
                self._start_processes()
        finally:
            came = self._interrupts.came
            self._interrupts.release()
        if came:
            raise KeyboardInterrupt

    @property
    def _needs_home(self) -> bool:
        """Whether anything runs here; who only uses servers elsewhere may have no folder to write to."""
        settings, roles = self._settings, self._roles
        servers = {"postgres": settings.database_url, "valkey": settings.redis_url}
        return bool(roles & PROCESSES) or any(name in roles and not url for name, url in servers.items())

    def _start(self) -> None:
        settings = self._settings
        database_url, redis_url = settings.database_url, settings.redis_url
        if "postgres" in self._roles and not database_url:
            server = EmbeddedPostgres(
                self._home, settings={} if self._is_durable else THROWAWAY, check=self._interrupts.check
            )
            if server.is_moved and not server.data.exists():
                click.echo(f"PostgreSQL's data goes to {server.data}: {self._home} is closed to its user.", err=True)
            database_url = self._start_server(server)
        if "valkey" in self._roles and not redis_url:
            redis_url = self._start_server(EmbeddedValkey(self._home, check=self._interrupts.check))
        if "postgres" in self._roles:
            with self._interrupts.raising():
                self._migrate(database_url)
        if "sandbox" in self._roles and settings.uses_sandbox and (flaw := self._flaw_of_sandbox()):
            click.echo(f"The sandbox stands in for the API: {flaw}", err=True)
        self._endpoints = Endpoints(database_url, redis_url, settings.api_url)
        if self._roles & PROCESSES:
            self._start_or_join_processes()

    def _start_server(self, server: LeashedServer) -> str:
        self._started.append(server)
        return server.start()

    def _start_or_join_processes(self) -> None:
        deadline = time.monotonic() + JOIN_SECONDS
        while not self._lock.try_exclusive():
            if (api_url := self._join()) is not None:
                self._endpoints = Endpoints(self.endpoints.database_url, self.endpoints.redis_url, api_url)
                return
            self._interrupts.check()
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"Another process (id {self._lock.read() or 'unknown'}) is starting or stopping the workers of "
                    f"{self._home} and does not get done. End it, or set CLEANPLATE_HOME to another folder."
                )
            time.sleep(LOOK_SECONDS)
        self._start_processes()

    def _start_processes(self) -> None:
        self._lock.write(str(os.getpid()))
        self._state_path.unlink(missing_ok=True)
        # What processes counted that are gone.
        shutil.rmtree(metrics_folder(self._settings), ignore_errors=True)
        metrics_folder(self._settings).mkdir(mode=0o700)
        self._supervisor = Supervisor(check=self._interrupts.check)
        servers = Endpoints(self.endpoints.database_url, self.endpoints.redis_url, self._settings.api_url)
        keeps = tuple(server.users_fd for server in self._started)
        children, api_url = make_children(self._settings, self._roles, servers, home=self._home, keeps=keeps)
        for child in children:
            self._interrupts.check()
            self._supervisor.start(child)
        self._endpoints = Endpoints(servers.database_url, servers.redis_url, api_url)
        state = {"pid": os.getpid(), "api_url": api_url, "settings": _fingerprint(self._settings)}
        fresh = self._state_path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(self._state_path)

    def _join(self) -> str | None:
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            pid, api_url, settings = int(state["pid"]), str(state["api_url"]), state["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if settings != _fingerprint(self._settings):
            raise UsageError(
                f"Another process (id {pid}) uses {self._home} with another database, Redis, account, price or quota. "
                "Wait for it, stop it, or set CLEANPLATE_HOME to another folder."
            )
        return api_url

    @property
    def _state_path(self) -> Path:
        return self._home / "stack.json"

    def _stop(self) -> None:
        self._interrupts.take()
        try:
            with ExitStack() as steps:
                for server in self._started:
                    steps.callback(server.stop)
                if hasattr(self, "_lock"):
                    steps.callback(self._lock.close)
                    steps.callback(self._stop_processes)
        finally:
            self._started.clear()
            self._endpoints = None
            atexit.unregister(self._stop)
            self._interrupts.give_back()

    def _stop_processes(self) -> None:
        if self._supervisor is None:
            return
        self._state_path.unlink(missing_ok=True)
        began, told = time.monotonic(), False

        def hurry() -> bool:
            nonlocal told
            if not told and time.monotonic() - began > QUIET_STOP_SECONDS:
                told = True
                click.echo("Stopping: calls in flight finish first; Ctrl-C again cuts them short.", err=True)
            return self._interrupts.came

        self._supervisor.stop(stop_seconds(self._settings), hurry=hurry)
        self._supervisor = None


def _fingerprint(settings: Settings) -> str:
    """Return a digest of what must agree for two processes to share workers; tells nothing of the secrets."""
    same = (
        settings.database_url,
        settings.redis_url,
        settings.api_url,
        settings.account,
        settings.removal_provider,
        settings.removal_trial,
        settings.removal_rate,
        settings.removal_price,
        settings.removal_daily_calls,
        settings.removal_mask_order,
        settings.removal_mask_origin,
        settings.artifact_store,
    )
    return hashlib.sha256(repr(same).encode()).hexdigest()
