"""An engine on a fresh database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db.session import make_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Yield an engine on a fresh, migrated database."""
    made = make_engine(database_url, pooled=False)
    yield made
    made.dispose()
