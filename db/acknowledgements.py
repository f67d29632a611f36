"""Queries about alarms that somebody knows of."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from db.statements import text


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That somebody knows of an alarm.

    Args:
        name: Of the alarm.
        acknowledged_by: Who.
        until: Until when it is told quietly; None until it changes.
        covers: When the last of what it told of then had happened, if that was known.
        weight: How bad it was then.
    """

    name: str
    acknowledged_by: str
    until: datetime | None
    covers: datetime | None
    weight: float

    def __str__(self) -> str:
        until = "it changes" if self.until is None else f"{self.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"acknowledged by {self.acknowledged_by} until {until}"


def find(connection: Connection) -> dict[str, Acknowledgement]:
    """Return the acknowledgements that hold, by the alarm's name."""
    statement = text(
        "SELECT name, acknowledged_by, until, covers, weight FROM acknowledgements WHERE until IS NULL OR until > now()"
    )
    return {row.name: Acknowledgement(*row) for row in connection.execute(statement)}


def keep(
    connection: Connection, name: str, by: str, *, hours: float | None, covers: datetime | None, weight: float
) -> Acknowledgement:
    """Write down that somebody knows of an alarm, instead of who knew of the one before it.

    Args:
        connection: An open transaction.
        name: Of the alarm.
        by: Who.
        hours: For how long; None until it changes.
        covers: When the last of what it tells of happened, if that is known.
        weight: How bad it is.
    """
    statement = text(
        "INSERT INTO acknowledgements (name, acknowledged_by, until, covers, weight) "
        "VALUES (:name, :by, now() + make_interval(secs => :seconds), :covers, :weight) "
        "ON CONFLICT (name) DO UPDATE SET acknowledged_by = excluded.acknowledged_by, until = excluded.until, "
        "covers = excluded.covers, weight = excluded.weight, acknowledged_at = now() "
        "RETURNING name, acknowledged_by, until, covers, weight"
    )
    seconds = None if hours is None else hours * 3600.0
    values = {"name": name, "by": by[:200], "seconds": seconds, "covers": covers, "weight": weight}
    return Acknowledgement(*connection.execute(statement, values).one())


def forget(connection: Connection, name: str) -> bool:
    """Tell an alarm aloud again; return whether somebody had acknowledged it."""
    return connection.execute(text("DELETE FROM acknowledgements WHERE name = :name"), {"name": name}).rowcount == 1
