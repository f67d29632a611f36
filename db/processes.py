"""Queries about which of our processes are alive."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.statements import text

BEAT_SECONDS = 5.0
ALIVE_SECONDS = 16.0
"""Three beats missed."""
_KEPT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it last showed itself."""

    name: str
    role: str
    is_leader: bool
    is_alive: bool
    started_at: datetime
    seen_at: datetime


def beat(connection: Connection, name: str, role: str, *, is_leader: bool = False) -> None:
    """Write down that a process is alive."""
    statement = text(
        "INSERT INTO processes (name, role, is_leader) VALUES (:name, :role, :leader) "
        "ON CONFLICT (name) DO UPDATE SET seen_at = now(), is_leader = :leader"
    )
    connection.execute(statement, {"name": name, "role": role, "leader": is_leader})


def clear_leaders(connection: Connection) -> None:
    """Write down that nobody leads: who begins to knows that those who did so before do not any more."""
    connection.execute(text("UPDATE processes SET is_leader = false WHERE is_leader"))


def leave(connection: Connection, name: str) -> None:
    """Write down that a process has ended in good order."""
    connection.execute(text("DELETE FROM processes WHERE name = :name"), {"name": name})


def list_recent(connection: Connection) -> list[Process]:
    """Return the processes of the last day, by role and name; those that fell silent are not alive."""
    statement = text(
        "SELECT name, role, is_leader, seen_at > now() - make_interval(secs => :alive), started_at, seen_at "
        "FROM processes WHERE seen_at > now() - make_interval(secs => :kept) ORDER BY role, name"
    )
    return [Process(*row) for row in connection.execute(statement, {"alive": ALIVE_SECONDS, "kept": _KEPT_SECONDS})]


def count_alive(connection: Connection, role: str) -> int:
    """Return how many processes of a role are alive."""
    return sum(each.is_alive and each.role == role for each in list_recent(connection))


def forget_old(connection: Connection) -> int:
    """Forget processes that fell silent long ago; return how many."""
    statement = text("DELETE FROM processes WHERE seen_at < now() - make_interval(secs => :kept)")
    return connection.execute(statement, {"kept": _KEPT_SECONDS}).rowcount
