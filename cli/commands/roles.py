"""Single roles for real deployments, and `up`, the whole local stack in the foreground."""

import secrets
import signal
import threading
from functools import partial

import click
from pydantic import SecretStr

from cli.database import open_database
from cli.running.console_link import make_console_link
from core import tracing
from core.errors import UsageError
from core.logs import configure_logs
from core.settings import Settings, load_settings
from db.migrate import upgrade
from db.session import make_engine
from localstack.orphan import watch_parent
from localstack.ports import free_port, why_taken
from localstack.stack import UP_ROLES, LocalStack
from sandbox.erasers import why_plain


@click.command()
def worker() -> None:
    """Run jobs until SIGTERM (needs DATABASE_URL and REDIS_URL)."""
    from worker.process import run_worker

    run_worker(_role_settings("worker"))


@click.command()
def dispatcher() -> None:
    """Feed the workers until SIGTERM; run as many as you like, one leads."""
    from producer.main import run_dispatcher
    from worker.policy import decide_lost, rules_from

    settings = _role_settings("dispatcher")
    # What a worker would decide about its job is decided by the same table when the worker is gone.
    run_dispatcher(settings, stop_on_signals(), partial(decide_lost, rules=rules_from(settings)))


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Serve the stand-in removal API (`cleanplate sandbox --help` lists its options)."""
    from sandbox.main import main as serve_sandbox

    watch_parent()
    serve_sandbox(list(arguments))


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    settings = load_settings()
    with open_database(settings):
        click.echo("The database has the newest schema.", err=True)


@click.command()
def up() -> None:
    """Run the whole local stack in the foreground until Ctrl-C."""
    settings = with_flower(load_settings())
    stop = stop_on_signals()
    with LocalStack(settings, roles=UP_ROLES, migrate=upgrade, flaw_of_sandbox=why_plain) as stack:
        click.echo("Cleanplate is up. Submit with `cleanplate submit SOURCE`; Ctrl-C stops it.", err=True)
        click.echo(f"Webhooks, artifacts and the REST API: {settings.web_url}", err=True)
        engine = make_engine(stack.endpoints.database_url, pooled=False)
        click.echo(f"Console, signs you in once: {make_console_link(engine, settings)}", err=True)
        engine.dispose()
        click.echo(f"Flower: {settings.flower_public_url} ({settings.flower_basic_auth.get_secret_value()})", err=True)
        while not stop.wait(1.0):
            stack.check()
    click.echo("Stopped. Photos that wait go on when it is up again.", err=True)


def with_flower(settings: Settings) -> Settings:
    """Return settings under which Flower can be started here: with a password, and with a port that is free."""
    auth = settings.flower_basic_auth.get_secret_value() or f"cleanplate:{secrets.token_urlsafe(12)}"
    port = settings.flower_port
    if why_taken(settings.flower_host, port):
        port = free_port()
    url = settings.flower_public_url or f"http://{settings.flower_host}:{port}"
    told = {"flower_basic_auth": SecretStr(auth), "flower_port": port, "flower_public_url": url}
    return settings.model_copy(update=told)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _role_settings(role: str) -> Settings:
    watch_parent()
    settings = load_settings()
    configure_logs(settings.log_level, role)
    tracing.start(role, settings.account)
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not getattr(settings, name.lower())]
    if missing:
        raise UsageError(
            f"`cleanplate {role}` needs {' and '.join(missing)}. For everything on this machine use `cleanplate up`."
        )
    if not settings.api_url:
        raise UsageError(
            f"`cleanplate {role}` needs to know whose quota it shares: set REMOVAL_API_KEY (or REMOVAL_API_URL), the "
            "same for the dispatcher and all workers."
        )
    return settings
