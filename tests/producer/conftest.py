"""An engine on a fresh database, and a publisher on a real broker."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.session import make_engine
from producer.publisher import Publisher


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Yield an engine on a fresh, migrated database."""
    made = make_engine(database_url, pooled=False)
    yield made
    made.dispose()


@pytest.fixture
def publisher(redis_url: str) -> Iterator[Publisher]:
    """Yield a publisher on an empty broker."""
    with Publisher(redis_url) as made:
        yield made
