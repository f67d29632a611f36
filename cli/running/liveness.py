"""Whether the processes of this machine do their work."""

import base64
import socket
import urllib.error
import urllib.request

from core.errors import RedisDown, UnavailableError, UsageError
from core.machine import pid_here, still_runs
from core.queues import celery_settings
from core.settings import Settings
from db import processes
from db.session import make_engine, transact

ANSWER_SECONDS = 5.0
REDIS_SECONDS = 2.0
PING_SECONDS = 2.5


def check_role(settings: Settings, role: str) -> None:
    """Make sure that this machine's processes of a role do their work.

    Args:
        settings: Where the servers are, and at which port a role answers.
        role: `web`, `dispatcher`, `worker` or `flower`.

    Raises:
        UnavailableError: One does not, or none runs.
        RedisDown: Redis does not answer.
        UsageError: It is not said where the servers are.
    """
    if role == "web":
        _ask(f"http://127.0.0.1:{settings.web_port}/healthz")
    elif role == "flower":
        _ask(f"http://127.0.0.1:{settings.flower_port}/healthcheck", settings.flower_basic_auth.get_secret_value())
    else:
        names = _find_processes(settings, role)
        if role == "worker":
            _ping(settings, names)


def _ask(url: str, auth: str = "") -> None:
    request = urllib.request.Request(url)  # noqa: S310 - loopback
    if auth:
        request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise UnavailableError(f"{url} does not answer as it should: {error}") from error


def _find_processes(settings: Settings, role: str) -> list[str]:
    needed = ("DATABASE_URL", "REDIS_URL") if role == "worker" else ("DATABASE_URL",)
    if missing := [name for name in needed if not getattr(settings, name.lower())]:
        raise UsageError(
            f"`cleanplate health {role}` needs {' and '.join(missing)}. "
            "`cleanplate up` looks after its processes itself."
        )
    recent = transact(make_engine(settings.database_url, pooled=False), processes.list_recent)
    found = [(each, pid) for each in recent if each.role == role and (pid := pid_here(each.name, role)) is not None]
    # One that was killed a moment ago shows itself no more; its successor is not to wait for it.
    running = [(each, pid) for each, pid in found if still_runs(pid, role)]
    alive = {each.name: pid for each, pid in running if each.is_alive}
    # A container that is started again has the process numbers it had.
    stuck = [each.name for each, pid in running if pid not in alive.values()]
    if stuck:
        raise UnavailableError(
            f"{', '.join(stuck)} still runs, and has not shown itself within {processes.ALIVE_SECONDS:g} s."
        )
    if not alive:
        raise UnavailableError(f"No {role} of {socket.gethostname()} runs and has shown itself lately.")
    return list(alive)


def _ping(settings: Settings, names: list[str]) -> None:
    from celery import Celery
    from kombu.exceptions import OperationalError
    from redis import Redis, RedisError
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    app = Celery("cleanplate", set_as_current=False)
    app.conf.update(celery_settings(settings.redis_url))
    limits = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    app.conf.broker_transport_options |= limits
    nodes = [f"cleanplate@{name}" for name in names]
    try:
        # Celery would try again and again where Redis does not answer, so it is asked only where it does.
        with Redis.from_url(settings.redis_url, retry=Retry(NoBackoff(), 0), **limits) as client:
            client.ping()
        answers = app.control.ping(destination=nodes, timeout=PING_SECONDS)
    except (RedisError, OperationalError, OSError) as error:
        raise RedisDown(f"Redis does not answer: {error}") from error
    silent = set(nodes) - {node for answer in answers for node in answer}
    if silent:
        raise UnavailableError(f"{', '.join(sorted(silent))} does not answer through Redis.")
