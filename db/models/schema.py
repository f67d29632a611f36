"""What all tables share."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Numeric,
    SmallInteger,
    Text,
    TextClause,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase

NOW = text("now()")
CLOCK = text("clock_timestamp()")

_OFTEN = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_analyze_scale_factor": "0.02"}
OF_MANY = {"fillfactor": "80", "autovacuum_vacuum_threshold": "5000", **_OFTEN}
"""How a table of millions is stored whose rows change while they are new; its migration gives the reasons."""
OF_MANY_GROWING = {**OF_MANY, "fillfactor": "70"}
"""How one is stored whose rows grow, too."""
OF_FEW = {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"}
"""How a table of a few rows is stored that change all the time."""
PASSING = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_vacuum_insert_threshold": "-1",
    "vacuum_truncate": "off",
}
"""How a table is stored whose rows are deleted as soon as they are read."""

BEGINS = {"begins": "text_pattern_ops"}
"""How an index is made of what begins with something, in which all of that lies together."""


def begins_with(what: ColumnElement[str] | TextClause, longest: int) -> ColumnElement[str]:
    """Return what such an index is made of: so many characters of it, upper and lower case alike."""
    return func.lower(func.left(what, longest)).label("begins")


class Base(DeclarativeBase):
    """What Alembic compares the database with."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(20, 6),
        dict[str, Any]: JSONB(),
        list[int]: ARRAY(SmallInteger()),
    }
