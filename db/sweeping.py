"""Deleting bytes that no output refers to: written down first, so that nobody counts on what is about to go.

A tombstone is committed, the object is deleted with nothing open meanwhile, and the tombstone is closed. Whoever writes
down where an output is asks `must_stand` in the same transaction, which compares the tombstone with what was there
before the upload: no clock decides. A tombstone that nobody closes belongs to a process that was lost; it counts for
`GRACE_SECONDS`, which is longer than its deletion can take.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Engine

from core.errors import StoreUnavailable, UnavailableError
from db import locks
from db.locks import Space
from db.session import transact
from db.statements import text
from db.store import ArtifactStore

GRACE_SECONDS = 900.0
MOST_DELAY_SECONDS = 60.0
"""Between writing a tombstone and deleting. The store's client gives up within five minutes from then."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Says that an object is being deleted, or was.

    Args:
        uri: Which.
        swept_at: When that began; tells it from others of the same object.
        is_open: Whether it may still be deleted.
    """

    uri: str
    swept_at: datetime
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Bytes that a store has already, for the transaction that writes down where they are.

    Args:
        uri: Where; empty when they go into that transaction.
        tombstone: The last one of that place before they were uploaded.
    """

    uri: str
    tombstone: Tombstone | None = None


IN_DATABASE = Uploaded("")


def upload(
    run: Callable[[Callable[[Connection], Tombstone | None]], Tombstone | None],
    store: ArtifactStore,
    key: str,
    data: bytes,
) -> Uploaded:
    """Keep bytes in a store ahead of the transaction that writes down where they are.

    Args:
        run: Runs work in a transaction, as patiently as the caller is.
        store: Where.
        key: Made from the bytes.
        data: The bytes.

    Raises:
        OSError: It takes nothing at present.
    """
    uri = store.place_of(key)
    tombstone = run(partial(find_tombstone, uri=uri)) if uri else None
    return Uploaded(store.upload(key, data), tombstone)


def find_unused(connection: Connection, uris: list[str]) -> list[str]:
    """Return which of these places hold no output's bytes at present."""
    used = set(connection.execute(text("SELECT uri FROM artifacts WHERE uri = ANY(:uris)"), {"uris": uris}).scalars())
    return [uri for uri in uris if uri not in used]


def remove_unused(engine: Engine, store: ArtifactStore, uri: str) -> bool:
    """Delete an object unless an output refers to it, or another process deletes it; return whether it was deleted.

    Raises:
        CleanplateError: The store does not answer.
        UnavailableError: PostgreSQL went away, or this process stood still; whoever sweeps has to stop.
    """
    began = time.monotonic()
    tombstone = transact(engine, partial(open_tombstone, uri=uri))
    if tombstone is None:
        return False
    if time.monotonic() - began > MOST_DELAY_SECONDS:
        raise UnavailableError(f"This process stood still before it could delete {uri}. Run the same command again.")
    store.delete(uri)
    transact(engine, partial(close_tombstone, tombstone=tombstone))
    return True


def open_tombstone(connection: Connection, uri: str) -> Tombstone | None:
    """Write down that an object is being deleted; None when it is used, or being deleted by another process."""
    locks.hold(connection, Space.PLACE, uri)
    if not find_unused(connection, [uri]):
        return None
    statement = text(
        "INSERT INTO swept_objects AS s (uri, swept_at) VALUES (:uri, clock_timestamp()) "
        "ON CONFLICT (uri) DO UPDATE SET swept_at = excluded.swept_at, ended_at = NULL "
        "WHERE s.ended_at IS NOT NULL OR s.swept_at < clock_timestamp() - make_interval(secs => :grace) "
        "RETURNING swept_at"
    )
    row = connection.execute(statement, {"uri": uri, "grace": GRACE_SECONDS}).one_or_none()
    return Tombstone(uri, row.swept_at) if row else None


def close_tombstone(connection: Connection, tombstone: Tombstone) -> None:
    """Write down that an object is gone: what is uploaded from now on stays."""
    statement = text("UPDATE swept_objects SET ended_at = clock_timestamp() WHERE uri = :uri AND swept_at = :swept_at")
    connection.execute(statement, {"uri": tombstone.uri, "swept_at": tombstone.swept_at})


def find_tombstone(connection: Connection, uri: str) -> Tombstone | None:
    """Return the last tombstone of an object."""
    statement = text(
        "SELECT uri, swept_at, ended_at IS NULL AND swept_at > clock_timestamp() - make_interval(secs => :grace) "
        "FROM swept_objects WHERE uri = :uri"
    )
    row = connection.execute(statement, {"uri": uri, "grace": GRACE_SECONDS}).one_or_none()
    return Tombstone(*row) if row else None


def hold_place(connection: Connection, uploaded: Uploaded) -> None:
    """Keep what was uploaded from being swept until the transaction ends; it comes before a lock on the output."""
    if uploaded.uri:
        locks.share(connection, Space.PLACE, uploaded.uri)


def must_stand(connection: Connection, uploaded: Uploaded) -> None:
    """Check that what was uploaded, and is held, was not swept since.

    Raises:
        StoreUnavailable: It was, or is about to be: it has to be uploaded again.
    """
    found = find_tombstone(connection, uploaded.uri)
    # Old ones are forgotten. One that was open before the upload began may have struck after it.
    if found is not None and (found.is_open or found != uploaded.tombstone):
        raise StoreUnavailable(f"{uploaded.uri} was swept while it was uploaded; it has to be uploaded again")
