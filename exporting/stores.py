"""Outputs on their way from one store to another, and what nobody needs, swept."""

from contextlib import suppress
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from core.errors import StoreUnavailable, UnavailableError
from db import artifacts, placements, restores, sweeping
from db.artifacts import artifact_key
from db.placements import Placed
from db.restores import Restore
from db.session import transact
from db.store import ArtifactStore
from db.store.folder import FileStore
from db.store.s3 import S3Store
from db.store.stored import Stored
from db.sweeping import upload

SWEEP_PAGE = 500
UPLOADS = 2
"""How often an output is uploaded that is swept under our hands."""


def move_all(engine: Engine, giver: ArtifactStore, taker: ArtifactStore) -> int:
    """Move every output from one store to another and return how many; each is there before it is gone here.

    Raises:
        CleanplateError: Bytes cannot be read.
        UnavailableError: The target takes nothing.
    """
    count, after = 0, ""
    while page := transact(engine, partial(placements.list_placed, after=after)):
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
            return transact(engine, partial(placements.place, placed=placed, uploaded=uploaded, data=data))
    raise UnavailableError(
        f"{key} is being swept in the target at this moment. It stays where it is, and what was moved is there; run "
        "the same command again in a quarter of an hour to go on."
    )


def sweep_all(engine: Engine, bucket: S3Store, *, before: datetime) -> int:
    """Delete objects that are older and that no output refers to; return how many.

    What was uploaded between a backup and the restore of it stays for a month: it is paid for, and all that is left.

    Raises:
        CleanplateError: The bucket does not answer.
        UnavailableError: PostgreSQL does not answer.
    """
    count, page = 0, list[Stored]()
    spared = transact(engine, restores.list_recent)
    for found in bucket.list_all():
        if found.modified_at < before and not any(each.may_have_lost(found.modified_at) for each in spared):
            page.append(found)
        if len(page) == SWEEP_PAGE:
            count += _sweep(engine, bucket, page)
            page = []
    return count + _sweep(engine, bucket, page)


def _sweep(engine: Engine, bucket: S3Store, page: list[Stored]) -> int:
    unused = transact(engine, partial(sweeping.find_unused, uris=[found.uri for found in page])) if page else []
    return sum(sweeping.remove_unused(engine, bucket, uri) for uri in unused)


def count_lost(engine: Engine, store: ArtifactStore, restore: Restore) -> int:
    """Return how many outputs were kept between a backup and its restore, and belong to no photo that it knows.

    Raises:
        CleanplateError: The store does not answer.
    """
    if not isinstance(store, FileStore | S3Store):
        return 0
    lost, page = 0, list[str]()
    for found in store.list_all():
        if restore.may_have_lost(found.modified_at):
            page.append(found.uri)
        if len(page) == SWEEP_PAGE:
            lost += len(transact(engine, partial(sweeping.find_unused, uris=page)))
            page = []
    return lost + len(transact(engine, partial(sweeping.find_unused, uris=page)))
