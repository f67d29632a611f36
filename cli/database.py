"""A database for one command: the configured one, the running stack's, or the embedded one started for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from core.settings import Settings
from db import batches
from db.migrate import upgrade
from db.session import make_engine, transact
from localstack.rooted import MARKER
from localstack.stack import LocalStack


@contextmanager
def open_database(settings: Settings, *, pool_size: int = 2) -> Iterator[Engine]:
    """Yield an engine on a migrated database; what was started for it is stopped again.

    Args:
        settings: Of this process.
        pool_size: Connections kept open; as many again may be opened under load.

    Raises:
        DatabaseDown: PostgreSQL cannot be reached.
    """
    with LocalStack(settings, roles=frozenset({"postgres"}), migrate=upgrade) as stack:
        engine = make_engine(stack.endpoints.database_url, pool_size=pool_size)
        try:
            yield engine
        finally:
            engine.dispose()


def find_batch(engine: Engine, batch_id: int) -> batches.BatchRow:
    """Return one batch.

    Raises:
        NotFound: There is none with this id.
    """
    return transact(engine, lambda connection: batches.require(connection, batch_id))


@contextmanager
def existing_database(settings: Settings) -> Iterator[Engine | None]:
    """Yield an engine as `open_database` does, or None when there is no database yet; then none is made.

    Raises:
        DatabaseDown: PostgreSQL cannot be reached.
    """
    home = settings.cleanplate_home.expanduser().resolve()
    if settings.database_url or any((home / name).exists() for name in ("postgres", MARKER)):
        with open_database(settings) as engine:
            yield engine
    else:
        yield None
