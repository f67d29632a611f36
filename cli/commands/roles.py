"""Single roles for real deployments, and `up`, the whole local stack in the foreground."""

from functools import partial

import click
from sqlalchemy import Connection

from actions.levels import Standing
from actions.status import find_standing
from cli.colour import say_standing
from cli.database import open_database
from cli.flower.address import with_flower
from cli.running.console_link import make_console_link
from cli.running.passwords import refuse_weak_passwords
from cli.running.restored import hold_restored
from cli.running.role import role_settings, stop_on_signals
from cli.speech import say
from core.settings import load_settings
from db.migrate import upgrade
from db.session import make_engine, transact
from localstack.orphan import watch_parent
from localstack.stack import UP_ROLES, LocalStack
from removal.limiter.view import viewer
from sandbox.erasers import why_plain

STANDING_SECONDS = 2.0


@click.command()
def worker() -> None:
    """Process photos until SIGTERM (needs DATABASE_URL and REDIS_URL)."""
    from worker.process import run_worker

    run_worker(role_settings("worker"))


@click.command()
def dispatcher() -> None:
    """Feed the workers until SIGTERM; run as many as you like, one of them leads."""
    from producer.main import run_dispatcher
    from worker.policy import decide_lost, rules_from

    settings = role_settings("dispatcher")
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
    """Manage the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Upgrade the database to the newest schema."""
    settings = load_settings()
    refuse_weak_passwords(settings, "DATABASE_URL")
    with open_database(settings):
        say("The database has the newest schema.", err=True)


@db.command("restored")
def db_restored() -> None:
    """Tell that the database was restored from a backup: hold what may be paid for since, and say what is not known.

    Run it before workers and dispatchers start. They notice it by themselves as long as Redis remembers a later call.
    """
    settings = load_settings()
    with open_database(settings) as engine:
        for line in hold_restored(engine, settings):
            say(line, err=True)


@click.command()
def up() -> None:
    """Run the whole local stack in the foreground until Ctrl-C."""
    settings = with_flower(load_settings())
    refuse_weak_passwords(settings, "DATABASE_URL", "REDIS_URL", "FLOWER_BASIC_AUTH")
    stop = stop_on_signals()
    with LocalStack(settings, roles=UP_ROLES, migrate=upgrade, flaw_of_sandbox=why_plain) as stack:
        say("Cleanplate is up. Submit with `cleanplate submit SOURCE`; Ctrl-C stops it.", err=True)
        say(f"Webhooks, artifacts and the REST API: {settings.web_url}", err=True)
        # To connect anew for each look would be most of what the idle stack takes.
        engine = make_engine(stack.endpoints.database_url, pool_size=1)
        say(f"Console (this link signs you in once): {make_console_link(engine, settings)}", err=True)
        say(f"Flower: {settings.flower_public_url} (the console opens it signed in)", err=True)
        here = settings.model_copy(
            update={"database_url": stack.endpoints.database_url, "redis_url": stack.endpoints.redis_url}
        )
        redis = viewer(here.redis_url)

        def look(connection: Connection) -> Standing:
            return find_standing(connection, here, redis)

        told: tuple[str, str, bool] | None = None
        while not stop.wait(STANDING_SECONDS):
            stack.check()
            # After a restart of PostgreSQL the connection that was kept is of no use.
            standing = transact(engine, look, patience_seconds=STANDING_SECONDS, give_up=stop.is_set)
            news = standing.level.value, standing.name, standing.acknowledged is None
            if news != told:
                say_standing(standing, err=True)
                told = news
        engine.dispose()
        redis.close()
    say("Stopped. Waiting photos continue when it is up again.", err=True)
