"""`cleanplate web`: webhooks, artifacts and the REST API over HTTP."""

import os
import socket
import tempfile

import click

from cli.database import open_database
from cli.running.passwords import refuse_weak_passwords
from core.logs import configure_logs
from core.metrics import serve_metrics
from core.settings import load_settings
from db.heart import heart
from db.session import now, transact
from localstack.orphan import watch_parent
from photos import decoders
from producer.fleet_metrics import FleetCollector

POOL_SIZE = 10


@click.command()
@click.option("--host", help="Where to listen. Default: WEB_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: WEB_PORT.")
def web(host: str | None, port: int | None) -> None:
    """Serve the console, webhooks, artifacts and the REST API until SIGTERM."""
    import uvicorn

    from console.app import make_app
    from console.server import serve
    from console.uvicorn_options import OPTIONS

    watch_parent()
    # Found by writing there, which cannot be done once it is full.
    tempfile.gettempdir()
    decoders.configure(decoders.WEB)
    settings = load_settings()
    refuse_weak_passwords(settings, "DATABASE_URL", "REDIS_URL", "FLOWER_BASIC_AUTH")
    configure_logs(settings.log_level, "web")
    with open_database(settings, pool_size=POOL_SIZE) as engine:
        # The first webhook should not wait for the first connection.
        transact(engine, now)
        serve_metrics(settings.metrics_host, settings.metrics_port, FleetCollector(engine, settings))
        with heart(engine, f"{socket.gethostname()}-{os.getpid()}", "web"):
            serve(
                uvicorn.Config(
                    make_app(engine, settings),
                    host=host or settings.web_host,
                    port=settings.web_port if port is None else port,
                    **OPTIONS,
                )
            )
