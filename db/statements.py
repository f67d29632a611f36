"""SQL as text, looked at once: what its parameters are is the same each time it is sent."""

from functools import lru_cache

import sqlalchemy
from sqlalchemy import TextClause

MOST_KEPT = 1024


@lru_cache(MOST_KEPT)
def text(sql: str) -> TextClause:
    """Return a statement; the same for the same words, so nothing is bound to it but when it is sent."""
    return sqlalchemy.text(sql)
