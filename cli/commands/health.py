"""`cleanplate health`: whether the process of this machine does its work; what containers are asked by."""

import base64
import socket
import urllib.error
import urllib.request

import click

from core.errors import UnavailableError
from core.queues import celery_settings
from core.settings import Settings, load_settings
from db import processes
from db.session import make_engine, transact

ANSWER_SECONDS = 5.0


@click.command()
@click.argument("role", type=click.Choice(["web", "dispatcher", "worker", "flower"]))
def health(role: str) -> None:
    """Exit 0 when this machine's ROLE does its work, 5 when it does not.

    A dispatcher has shown itself within seconds, a worker answers through Redis, web and Flower answer over HTTP.
    """
    settings = load_settings()
    if role == "web":
        _ask(f"http://127.0.0.1:{settings.web_port}/healthz")
    elif role == "flower":
        _ask(f"http://127.0.0.1:{settings.flower_port}/healthcheck", settings.flower_basic_auth.get_secret_value())
    else:
        names = _find_processes(settings, role)
        if role == "worker":
            _ping(settings, names)
    click.echo(f"{role} is well", err=True)


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
    engine = make_engine(settings.database_url, pooled=False)
    found = transact(engine, processes.list_recent)
    begin = f"{socket.gethostname()}-"
    names = [each.name for each in found if each.is_alive and each.role == role and each.name.startswith(begin)]
    if not names:
        raise UnavailableError(
            f"No {role} of {socket.gethostname()} has shown itself within {processes.ALIVE_SECONDS:g} s."
        )
    return names


def _ping(settings: Settings, names: list[str]) -> None:
    from celery import Celery

    app = Celery("cleanplate", set_as_current=False)
    app.conf.update(celery_settings(settings.redis_url))
    nodes = [f"cleanplate@{name}" for name in names]
    if not app.control.ping(destination=nodes, timeout=ANSWER_SECONDS):
        raise UnavailableError(f"{', '.join(nodes)} does not answer through Redis.")
