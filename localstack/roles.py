"""What our own processes are started with."""

import os
import sys
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from core.metrics import FOLDER_VARIABLE
from core.settings import Settings
from localstack.ports import LOOPBACK, free_port, listens
from localstack.processes import Child

SANDBOX_PATH = "/rest/ai/image/removal"
SANDBOX_CALLS = min(8, 2 * (os.cpu_count() or 1))
SANDBOX_CALL_SECONDS = 120.0
"""A call of the sandbox is worked on by this very machine, which may have other things to do."""
AFTER_CALLS_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a stack are reached.

    Attributes:
        database_url: PostgreSQL; empty when not asked for.
        redis_url: Redis or Valkey, with its password; empty when not asked for.
        api_url: The removal API; empty when there is none.
    """

    database_url: str
    redis_url: str
    api_url: str


def stop_seconds(settings: Settings) -> float:
    """Return how long a worker may take to finish the calls that are in flight, with some room."""
    return call_seconds(settings) + AFTER_CALLS_SECONDS


def call_seconds(settings: Settings) -> float:
    """Return how many seconds a call may take: as set, or when nothing is, long enough for a sandbox started here."""
    if settings.uses_sandbox and "removal_timeout" not in settings.model_fields_set:
        return max(settings.removal_timeout, SANDBOX_CALL_SECONDS)
    return settings.removal_timeout


def make_children(
    settings: Settings, roles: frozenset[str], servers: Endpoints, *, home: Path, keeps: tuple[int, ...]
) -> tuple[list[Child], str]:
    """Return the processes to start, in order, and the URL of the API they call.

    Args:
        settings: Of this process; handed on whole through the environment, which `ps` does not show to others.
        roles: Which of `sandbox`, `dispatcher`, `worker`, `web`, `flower` to start.
        servers: Where PostgreSQL, Redis and, unless the sandbox is to be started, the API are.
        home: Absolute; logs go below it.
        keeps: Locks on the servers, which stay up until the last of these processes has ended.
    """
    environment = make_environment(settings, servers)
    children, api_url = [], servers.api_url
    logs = home / "logs"
    if "sandbox" in roles and settings.uses_sandbox:
        port = free_port()
        api_url = f"http://{LOOPBACK}:{port}{SANDBOX_PATH}"
        environment |= {
            "REMOVAL_API_URL": api_url,
            # A secret without a key would sign calls with something the sandbox does not know.
            "REMOVAL_API_SECRET": "",
            "REMOVAL_TIMEOUT": str(call_seconds(settings)),
            # It erases on this machine's own processors: more calls at once only make each wait longer.
            "WORKER_CONCURRENCY": str(min(settings.worker_concurrency, SANDBOX_CALLS)),
            "FETCH_ALLOW_PRIVATE": ",".join(filter(None, (settings.fetch_allow_private, f"{LOOPBACK}:{port}"))),
        }
        command = _command("sandbox", "--port", str(port), "--rate", f"{settings.removal_rate:g}")
        children.append(
            Child(
                "sandbox",
                command,
                environment,
                logs / "sandbox.log",
                ready=partial(listens, LOOPBACK, port),
                keeps=keeps,
            )
        )
    if "dispatcher" in roles:
        log = logs / "dispatcher.log"
        children.append(Child("dispatcher", _command("dispatcher"), environment, log, stage=1, keeps=keeps))
    if "worker" in roles:
        names = [f"worker-{number}" for number in range(1, settings.worker_processes + 1)]
        children += [
            Child(
                name,
                _command("worker"),
                environment,
                logs / f"{name}.log",
                stage=1,
                keeps=keeps,
                orphan_seconds=stop_seconds(settings),
            )
            for name in names
        ]
    if "flower" in roles:
        log, at = logs / "flower.log", (settings.flower_host, settings.flower_port)
        # What Flower counts of its own is none of ours.
        apart = {name: value for name, value in environment.items() if name != FOLDER_VARIABLE}
        children.append(
            Child(
                "flower",
                _command("flower"),
                apart,
                log,
                ready=partial(listens, *at),
                listens_at=(*at, "FLOWER_PORT"),
                stage=1,
                keeps=keeps,
            )
        )
    if "web" in roles:
        log, at = logs / "web.log", (settings.web_host, settings.web_port)
        children.append(
            Child(
                "web",
                _command("web"),
                environment,
                log,
                ready=partial(listens, *at),
                listens_at=(*at, "WEB_PORT"),
                stage=1,
                keeps=keeps,
            )
        )
    return children, api_url


def make_environment(settings: Settings, servers: Endpoints) -> dict[str, str]:
    """Return our environment with every setting in it, so that a child reads exactly what we have."""
    given = {name.upper(): _text(getattr(settings, name)) for name in Settings.model_fields}
    given |= {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "REMOVAL_API_URL": servers.api_url,
        "CLEANPLATE_HOME": str(settings.cleanplate_home.expanduser().resolve()),
        FOLDER_VARIABLE: str(metrics_folder(settings)),
    }
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in given}
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH", ""))))
    return {**inherited, **given, "PYTHONPATH": path}


def metrics_folder(settings: Settings) -> Path:
    """Return where the processes of a stack write what they count."""
    return settings.cleanplate_home.expanduser().resolve() / "metrics"


def _command(*arguments: str) -> list[str]:
    # -P: a folder called `core` or `db` where the user happens to stand must not be imported instead of ours.
    return [sys.executable, "-P", "-m", "cli.main", *arguments]


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return str(value.value)
    return "" if value is None else str(value)
