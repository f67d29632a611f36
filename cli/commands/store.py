"""`cleanplate store`: moving outputs from one store to another, and sweeping what nobody needs."""

from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import Engine

from cli.actor import actor
from cli.database import open_database
from cli.speech import say
from core.errors import UsageError
from core.figures import counted
from core.settings import load_settings
from db import audit, restores
from db.session import transact
from db.store import open_store
from db.store.s3 import S3Store
from exporting.stores import move_all, sweep_all

SWEEP_AFTER = timedelta(hours=24)
"""A worker may have uploaded what it has not written down yet."""


@click.group()
def store() -> None:
    """Manage where outputs are stored."""


@store.command()
@click.argument("source")
@click.argument("target")
def move(source: str, target: str) -> None:
    """Move outputs from the store SOURCE to TARGET; run it again to continue where it stopped.

    A store is what ARTIFACT_STORE takes: `postgres`, file:///absolute/folder or s3://bucket/prefix.
    """
    settings = load_settings()
    giver, taker = open_store(source, settings), open_store(target, settings)
    if source.rstrip("/") == target.rstrip("/"):
        raise UsageError("The two stores are the same.")
    with open_database(settings) as engine:
        count = move_all(engine, giver, taker)
        _note(engine, "move outputs", f"{count} from {source} to {target}")
    say(f"{counted(count, 'output is', 'outputs are')} now in {target}.", err=True)


@store.command()
@click.argument("where")
def sweep(where: str) -> None:
    """Delete from the bucket WHERE what no output refers to, once it is a day old."""
    settings = load_settings()
    found = open_store(where, settings)
    if not isinstance(found, S3Store):
        raise UsageError("Only buckets can be swept: give one as s3://bucket/prefix.")
    with open_database(settings) as engine:
        count = sweep_all(engine, found, before=datetime.now(UTC) - SWEEP_AFTER)
        _note(engine, "sweep outputs", f"{count} deleted from {where}")
        spared = transact(engine, restores.list_recent)
    say(f"Deleted {counted(count, 'object')}.", err=True)
    for each in spared:
        say(
            f"What was uploaded from {each.since:%Y-%m-%d %H:%M} to {each.noticed_at:%Y-%m-%d %H:%M} UTC is left until "
            f"{each.kept_until:%Y-%m-%d}: the database was restored from a backup that does not know it.",
            err=True,
        )


def _note(engine: Engine, action: str, detail: str) -> None:
    transact(engine, lambda connection: audit.note(connection, actor(), action, detail=detail))
