"""Our own processes: started in order, watched, restarted when they die, and stopped completely."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnavailableError
from localstack.orphan import GRACE_SECONDS, PARENT_FD, PARENT_GRACE
from localstack.ports import why_taken
from localstack.tail import open_log, read_tail

log = logging.getLogger(__name__)

READY_SECONDS = 60.0
LOOK_SECONDS = 0.02
KILL_SECONDS = 10.0
QUICK_SECONDS = 10.0
QUICK_DEATHS = 4
FIRST_PAUSE_SECONDS = 0.25
USAGE_STATUS = 2


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running.

    Attributes:
        name: For messages, such as `worker-1`.
        argv: The command line; shows in `ps`, so no secrets.
        env: Its whole environment.
        log_path: Where its stdout and stderr go.
        ready: Whether it does its work yet; None when that need not be awaited.
        listens_at: Host, port and the setting that names them; None when nobody connects to it.
        stage: Lower ones start first and stop last.
        keeps: Descriptors it inherits, such as locks on servers that it needs to its end.
        orphan_seconds: How long it may go on when we are gone.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_path: Path
    ready: Callable[[], bool] | None = None
    listens_at: tuple[str, int, str] | None = None
    stage: int = 0
    keeps: tuple[int, ...] = ()
    orphan_seconds: float = GRACE_SECONDS


@dataclass(slots=True)
class _Running:
    child: Child
    process: "subprocess.Popen[bytes]"
    log_start: int
    began: float
    quick_deaths: int = 0
    restart_at: float | None = None


class Supervisor:
    """Runs children in sessions of their own, so that a Ctrl-C in the terminal reaches us alone and we stop them.

    Args:
        check: Called while waiting for readiness; raises to give up.
    """

    def __init__(self, *, check: Callable[[], None] = lambda: None) -> None:
        self._check_interrupt = check
        self._running: list[_Running] = []
        self._read_end, self._write_end = os.pipe()

    def start(self, child: Child, *, ready_seconds: float = READY_SECONDS) -> int:
        """Start a child, wait until it is ready, and return its process id.

        Raises:
            UnavailableError: Another program listens where it would, it died, or it was not ready in time; the message
                has the end of its log.
        """
        if child.listens_at is not None:
            _check_address(child.name, *child.listens_at)
        running = _Running(child, *self._spawn(child), began=time.monotonic())
        self._running.append(running)
        deadline = time.monotonic() + ready_seconds
        while child.ready is not None and not child.ready():
            self._check_interrupt()
            status = running.process.poll()
            if status is not None:
                raise _failure(running, f"ended with status {status} before it was ready")
            if time.monotonic() > deadline:
                raise _failure(running, f"was not ready after {ready_seconds:g} s")
            time.sleep(LOOK_SECONDS)
        if (status := running.process.poll()) is not None:
            # Who answers at its address is somebody else.
            raise _failure(running, f"ended with status {status}")
        return running.process.pid

    @property
    def pids(self) -> list[int]:
        """The ids of the children that run."""
        return [running.process.pid for running in self._running if running.process.poll() is None]

    def check(self) -> None:
        """Start children that died again, after a pause that doubles with each quick death. Call it every second or so.

        Raises:
            UnavailableError: One dies again and again, or says that its configuration cannot be used.
        """
        now = time.monotonic()
        for running in self._running:
            if running.restart_at is None and running.process.poll() is not None:
                self._note_death(running, now)
            elif running.restart_at is not None and now >= running.restart_at:
                running.process, running.log_start = self._spawn(running.child)
                running.began, running.restart_at = now, None

    def stop(self, grace_seconds: float, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """End all children, stage by stage, and return when none is left. Safe to call again.

        Args:
            grace_seconds: How long a stage may take after SIGTERM before its process groups are killed.
            hurry: Whether the user has lost patience: then the grace ends at once.
        """
        for stage in sorted({running.child.stage for running in self._running}, reverse=True):
            self._stop_stage(
                [running for running in self._running if running.child.stage == stage], grace_seconds, hurry
            )
        self._running.clear()
        for end in (self._read_end, self._write_end):
            with contextlib.suppress(OSError):
                os.close(end)
        self._read_end = self._write_end = -1

    def _stop_stage(self, stage: list[_Running], grace_seconds: float, hurry: Callable[[], bool]) -> None:
        for running in stage:
            if running.process.poll() is None:
                running.process.terminate()
        deadline = time.monotonic() + grace_seconds
        while any(running.process.poll() is None for running in stage):
            if time.monotonic() > deadline or hurry():
                break
            time.sleep(LOOK_SECONDS)
        for running in stage:
            if running.restart_at is not None:  # long dead; its id may be somebody else's by now
                continue
            # The group may outlive its leader: a child's own children go with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait(KILL_SECONDS)

    def _spawn(self, child: Child) -> tuple["subprocess.Popen[bytes]", int]:
        output = open_log(child.log_path)
        log_start = os.fstat(output).st_size  # before the child can write
        try:
            process = subprocess.Popen(
                list(child.argv),
                env={**child.env, PARENT_FD: str(self._read_end), PARENT_GRACE: f"{child.orphan_seconds:g}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._read_end, *child.keeps),
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"The {child.name} process could not be started ({error}).") from error
        finally:
            os.close(output)
        return process, log_start

    def _note_death(self, running: _Running, now: float) -> None:
        status = running.process.returncode
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)
        was_quick = now - running.began < QUICK_SECONDS
        running.quick_deaths = running.quick_deaths + 1 if was_quick else 1
        if status == USAGE_STATUS or running.quick_deaths >= QUICK_DEATHS:
            raise _failure(running, f"ended {running.quick_deaths} times in a row, the last time with status {status}")
        pause = FIRST_PAUSE_SECONDS * 2**running.quick_deaths
        running.restart_at = now + pause
        log.warning("the %s process ended with status %s; starting it again", running.child.name, status)


def _check_address(name: str, host: str, port: int, setting: str) -> None:
    """Raise unless a child could listen there: who answers otherwise would pass for it."""
    if (reason := why_taken(host, port)) is not None:
        raise UnavailableError(
            f"The {name} process cannot listen at {host}:{port} ({reason}). Another program may do, such as a second "
            f"`cleanplate up`; end it, or set {setting} to another port. Nothing was lost."
        )


def _failure(running: _Running, reason: str) -> UnavailableError:
    child = running.child
    return UnavailableError(
        f"The {child.name} process {reason}. The end of {child.log_path}:\n"
        f"{read_tail(child.log_path, running.log_start)}\n"
        "Nothing was lost: put right what it says and run the same command again."
    )
