"""Flower's server, closed to whoever does not sign in, with links to our pages."""

import hashlib
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, cast

from celery import Celery
from flower import urls
from flower.app import Flower
from flower.options import options
from tornado.web import url

from cli.flower.pages import ClosedHealthcheck, ClosedMetrics, LinkedTaskView, name_job
from cli.flower.signed_in import FromConsole, install
from cli.running.passwords import refuse_weak_passwords
from core.errors import UnavailableError, UsageError
from core.handover import Used
from core.queues import celery_settings
from core.settings import Settings

log = logging.getLogger(__name__)

MOST_TASKS = 10_000
"""Kept in memory, about 5 KB each."""
SAVE_MS = 10_000
COLUMNS = "name,args,state,received,runtime,worker,uuid"


def run_flower(settings: Settings) -> None:
    """Serve until SIGTERM.

    Args:
        settings: Needs REDIS_URL and FLOWER_BASIC_AUTH.

    Raises:
        UsageError: FLOWER_BASIC_AUTH cannot be used.
        UnavailableError: The port is taken.
    """
    auth = settings.flower_basic_auth.get_secret_value()
    name, _, password = auth.partition(":")
    if not name or not password:
        raise UsageError("FLOWER_BASIC_AUTH is `name:password`: whoever reaches Flower sees every task.")
    refuse_weak_passwords(settings, "REDIS_URL", "FLOWER_BASIC_AUTH")
    folder = settings.cleanplate_home.expanduser().resolve() / "flower"
    _prepare(settings, auth, folder)
    app = Celery("cleanplate", set_as_current=False)
    app.conf.update(celery_settings(settings.redis_url))
    flower = Flower(capp=app, options=options, **urls.settings)
    flower.job_url = f"{settings.web_url}/jobs"
    flower.console_url = settings.web_url

    def leave(_: int, __: FrameType | None) -> None:
        flower.io_loop.add_callback_from_signal(flower.stop)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        flower.start_http_server()
    except OSError as error:
        where = f"{settings.flower_host}:{settings.flower_port}"
        raise UnavailableError(f"Flower cannot listen at {where} ({error.strerror}); set FLOWER_PORT.") from error
    log.info("Flower is at http://%s:%s/", settings.flower_host, settings.flower_port)
    flower.start()
    sys.stdout.flush()


def _prepare(settings: Settings, auth: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    told: dict[str, Any] = {
        "address": settings.flower_host,
        "port": settings.flower_port,
        "basic_auth": [auth],
        "db": str(folder / "tasks"),
        "persistent": True,
        "state_save_interval": SAVE_MS,
        "max_tasks": MOST_TASKS,
        "enable_events": True,
        "format_task": name_job,
        "tasks_columns": COLUMNS,
        "read_only": True,
    }
    for name, value in told.items():
        setattr(options, name, value)
    # The same after a restart, and of no use to guess the password from.
    urls.settings["cookie_secret"] = hashlib.sha256(f"flower cookies {auth}".encode()).hexdigest()
    closed: dict[str, Any] = {"/metrics": ClosedMetrics, "/healthcheck": ClosedHealthcheck}
    ours = [url(r"/task/(.+)", LinkedTaskView, name="task")]
    ours += [url(path, handler) for path, handler in closed.items()]
    is_secure = settings.flower_public_url.startswith("https://")
    ours.append(url(r"/from-console", FromConsole, {"secret": auth, "used": Used(), "is_secure": is_secure}))
    install()
    handlers = cast("list[Any]", urls.handlers)
    handlers[:] = ours + [each for each in handlers if _path(each) not in {r"/task/(.+)", *closed}]


def _path(handler: Any) -> str:
    return str(handler[0]) if isinstance(handler, tuple) else str(handler.regex.pattern).rstrip("$")
