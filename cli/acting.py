"""Doing what somebody typed, with a line of it in the audit log."""

import getpass
import socket
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from db import audit
from db.session import transact

Done = TypeVar("Done")


def act(engine: Engine, action: str, target: str, work: Callable[[Connection], Done], detail: str = "") -> Done:
    """Do something and write down who typed it, in one transaction; nothing is written of what changed nothing.

    Args:
        engine: The database.
        action: What.
        target: To what.
        work: Does it; what is false changed nothing.
        detail: More of it; never a secret.
    """

    def both(connection: Connection) -> Done:
        done = work(connection)
        if done:
            audit.note(connection, actor(), action, target, detail)
        return done

    return transact(engine, both)


def actor() -> str:
    """Return who types, as the audit log names them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"  # a container's user has no name
    return f"{name}@{socket.gethostname()} (command line)"
