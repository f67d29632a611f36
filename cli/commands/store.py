"""`cleanplate store`: moving outputs from one store to another, and sweeping what nobody needs."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import click
from sqlalchemy import Engine

from cli.database import open_database
from core.errors import StoreUnavailable, UnavailableError, UsageError
from core.settings import load_settings
from db import artifacts, moving, sweeping
from db.artifacts import artifact_key
from db.moving import Placed
from db.session import transact
from db.store import ArtifactStore, open_store
from db.store.s3 import Found, S3Store
from db.sweeping import upload

SWEEP_AFTER = timedelta(hours=24)
"""A worker may have uploaded what it has not written down yet."""
SWEEP_PAGE = 500
UPLOADS = 2
"""How often an output is uploaded that is swept under our hands."""


@click.group()
def store() -> None:
    """Look after where outputs are kept."""


@store.command()
@click.argument("source")
@click.argument("target")
def move(source: str, target: str) -> None:
    """Move outputs from the store SOURCE to TARGET; run it again to go on where it stopped.

    A store is what ARTIFACT_STORE takes: `postgres`, file:///absolute/folder or s3://bucket/prefix.
    """
    settings = load_settings()
    giver, taker = open_store(source, settings), open_store(target, settings)
    if source.rstrip("/") == target.rstrip("/"):
        raise UsageError("The two stores are one.")
    with open_database(settings) as engine:
        count = move_all(engine, giver, taker)
    click.echo(f"{count} outputs are in {target} now.", err=True)


@store.command()
@click.argument("where")
def sweep(where: str) -> None:
    """Delete from the bucket WHERE what no output refers to, once it is a day old."""
    settings = load_settings()
    found = open_store(where, settings)
    if not isinstance(found, S3Store):
        raise UsageError("Only buckets are swept: name one as s3://bucket/prefix.")
    with open_database(settings) as engine:
        count = sweep_all(engine, found, before=datetime.now(UTC) - SWEEP_AFTER)
    click.echo(f"{count} objects were deleted.", err=True)


def move_all(engine: Engine, giver: ArtifactStore, taker: ArtifactStore) -> int:
    """Move every output from one store to another and return how many; each is there before it is gone here.

    Raises:
        CleanplateError: Bytes cannot be read.
        UnavailableError: The target takes nothing.
    """
    count, after = 0, ""
    while page := transact(engine, partial(moving.list_placed, after=after)):
        for placed in page:
            if giver.holds(placed.uri) and not taker.holds(placed.uri):
                count += _move(engine, placed, giver, taker)
        after = page[-1].sha256
    return count


def _move(engine: Engine, placed: Placed, giver: ArtifactStore, taker: ArtifactStore) -> int:
    data = artifacts.fetch(engine, placed.sha256)
    moved = _place(engine, placed, taker, data)
    if moved and not placed.uri.startswith("postgres:"):
        sweeping.remove_unused(engine, giver, placed.uri)
    return int(moved)


def _place(engine: Engine, placed: Placed, taker: ArtifactStore, data: bytes) -> bool:
    key = artifact_key(placed.sha256, placed.format)
    for _ in range(UPLOADS):
        try:
            uploaded = upload(partial(transact, engine), taker, key, data)
        except OSError as error:
            raise UnavailableError(f"{error}. What was moved is there; run the same command again to go on.") from error
        with suppress(StoreUnavailable):
            return transact(engine, partial(moving.place, placed=placed, uploaded=uploaded, data=data))
    raise UnavailableError(
        f"{key} is being swept in the target at this moment. It stays where it is, and what was moved is there; run "
        "the same command again in a quarter of an hour to go on."
    )


def sweep_all(engine: Engine, bucket: S3Store, *, before: datetime) -> int:
    """Delete objects that are older and that no output refers to; return how many.

    Raises:
        CleanplateError: The bucket does not answer.
        UnavailableError: PostgreSQL does not answer.
    """
    count, page = 0, list[Found]()
    for found in bucket.list_all():
        if found.modified_at < before:
            page.append(found)
        if len(page) == SWEEP_PAGE:
            count += _sweep(engine, bucket, page)
            page = []
    return count + _sweep(engine, bucket, page)


def _sweep(engine: Engine, bucket: S3Store, page: list[Found]) -> int:
    unused = transact(engine, partial(sweeping.find_unused, uris=[found.uri for found in page])) if page else []
    return sum(sweeping.remove_unused(engine, bucket, uri) for uri in unused)
