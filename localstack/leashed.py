"""A server that lives as long as anyone uses it, and is started by whoever needs it first.

Three locks under `home/locks` say how things stand, and the kernel keeps them true whoever is killed:

- `<name>.users`: shared by every user. Whoever gets it alone may stop the server.
- `<name>.leash`: held by the process that starts or holds the server; its id is inside.
- `<name>.alive`: held by that process and by the server itself. Held without `leash`: the leash was killed.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from core.errors import UnavailableError
from localstack import leash
from localstack.found import end_processes, find_processes
from localstack.locks import FileLock
from localstack.place import LOCKS, make_home
from localstack.tail import open_log, read_tail

log = logging.getLogger(__name__)

INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
START_SECONDS = 120.0
STOP_SECONDS = 40.0
LOOK_SECONDS = 0.02

_left_to_others: list["subprocess.Popen[bytes]"] = []


class LeashedServer(ABC):
    """One embedded server of one home.

    Args:
        home: The folder it lives in; made when missing.
        check: Called while waiting; raises to give up (an interrupt).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    steps: ClassVar[str]

    def __init__(self, home: Path, *, check: Callable[[], None] = lambda: None) -> None:
        self.home = make_home(home)
        self._check = check
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        locks = self.home / LOCKS
        self._users_file = locks / f"{self.name}.users"
        self._users = FileLock(self._users_file)
        self._leash = FileLock(locks / f"{self.name}.leash")
        self._alive = FileLock(locks / f"{self.name}.alive")

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect to; carries the password, if there is one."""

    @property
    def users_fd(self) -> int:
        """The descriptor that keeps the server up while a child has inherited it."""
        return self._users.fileno()

    @property
    def log_path(self) -> Path:
        """Where the server's own words go."""
        return self.home / "logs" / f"{self.name}.log"

    def start(self) -> str:
        """Start the server, or join the one that runs, and return its URL.

        Raises:
            UnavailableError: It did not start; the message has the end of its log.
        """
        try:
            self._wait(self._users.try_shared, "another process is still stopping it")
            self._start_or_join()
        except OSError as error:
            self.stop()
            raise self._failure(f"{error.strerror or error}: {error.filename or self.home}") from error
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server unless others use it; wait until it is gone. Safe to call at any time, and again."""
        if not self._users.is_held:
            return
        try:
            # The leash waits for the same lock and may be faster: then nobody can share it, and it is stopping already.
            if self._users.try_exclusive() or not self._users.try_shared():
                self._end()
            elif self._process is not None:
                _left_to_others.append(self._process)
        finally:
            self._process = None
            self._users.close()

    def restart(self) -> None:
        """Stop the server whoever uses it, and start it again at the same URL."""
        self._end()
        self._start_or_join()

    def keep_running(self) -> None:
        """Start the server again if it has ended on its own.

        Raises:
            UnavailableError: It does not start any more.
        """
        if self._leash.try_exclusive():
            self._leash.close()
            log.warning("the embedded %s has ended; starting it again", self.title)
            self._start_or_join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> tuple[list[str], int]:
        """Make ready what the server needs; return its command line and the user it runs as (-1 for ours)."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server takes requests."""

    @abstractmethod
    def _leftovers(self) -> list[int]:
        """Return the ids of server processes that run on our data."""

    def _start_or_join(self) -> None:
        self._wait(self._launched_or_answering, "it does not answer")
        self._wait(self._is_ready, "it does not answer")

    def _launched_or_answering(self) -> bool:
        if not self._leash.try_exclusive():
            return self._answers()
        try:
            self._leash.write(str(os.getpid()))
            if self._process is not None:
                self._process.wait()
            self._wait(self._is_alone, "an older one on the same data does not end")
            self._launch()
        finally:
            self._leash.close()
            self._alive.close()
        return True

    def _is_alone(self) -> bool:
        if self._alive.try_exclusive():
            return True
        end_processes(self._leftovers(), (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL), 15.0)
        return False

    def _launch(self) -> None:
        log = open_log(self.log_path)
        try:
            self._log_start = os.fstat(log).st_size
            command, uid = self._prepare()
            keep = self._alive.fileno()
            holder = [
                sys.executable,
                "-I",
                "-S",
                leash.__file__,
                str(self._users_file),
                str(keep),
                self.steps,
                str(uid),
            ]
            self._process = subprocess.Popen(
                [*holder, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd="/",
                pass_fds=(keep, self._leash.fileno()),
                start_new_session=True,
            )
            self._leash.write(str(self._process.pid))
        finally:
            os.close(log)

    def _environment(self) -> dict[str, str]:
        # Not our whole environment: it may hold secrets, and PG… variables would change how PostgreSQL starts.
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise self._failure(f"it ended with status {self._process.returncode}")
        return self._answers()

    def _end(self) -> None:
        """End server and leash, however many processes are left of them."""
        if not self._leash.try_exclusive():
            self._signal_leash(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not (self._collected() and self._leash.try_exclusive()):
            if time.monotonic() > deadline:
                self._signal_leash(signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        while not self._is_alone() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._leash.close()
        self._alive.close()
        self._process = None

    def _signal_leash(self, number: signal.Signals) -> None:
        with contextlib.suppress(ValueError, ProcessLookupError):
            os.kill(int(self._leash.read()), number)

    def _collected(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            self._check()
            if time.monotonic() > deadline:
                raise self._failure(f"after {START_SECONDS:g} s {problem}")
            time.sleep(LOOK_SECONDS)

    def _failure(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"The embedded {self.title} did not start: {reason}. The end of {self.log_path}:\n"
            f"{read_tail(self.log_path, self._log_start)}\n{self._advice()}"
        )

    def _advice(self) -> str:
        return f"Nothing was lost: put right what it says (disk space, rights of {self.home}) and run again."

    def _find(self, program: str, argument: Path) -> list[int]:
        return find_processes(program, str(argument))
