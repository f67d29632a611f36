"""Doing what somebody typed, with a line of it in the audit log."""

import getpass
import socket
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from db import audit

Done = TypeVar("Done")


def act(engine: Engine, action: str, target: str, work: Callable[[Connection], Done], detail: str = "") -> Done:
    """Do something as whoever typed it; see `db.audit.act`."""
    return audit.act(engine, actor(), action, target, work, detail)


def actor() -> str:
    """Return who types, as the audit log names them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"  # a container's user has no name
    return f"{name}@{socket.gethostname()} (command line)"
