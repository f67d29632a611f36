"""Doing what a form asks, with a line of it in the audit log."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from console.pages.visitor import Visitor
from db import audit

Done = TypeVar("Done")

Made = list[tuple[str, str]]
"""What is shown this once: what it is, and its text."""


def act(
    engine: Engine, visitor: Visitor, action: str, target: str, work: Callable[[Connection], Done], detail: str = ""
) -> Done:
    """Do something as who is signed in; see `db.audit.act`."""
    return audit.act(engine, visitor.user.name, action, target, work, detail)


def told(sent: FormData, name: str) -> str:
    """Return a field of a form, without what surrounds it; empty when it is not there."""
    value = sent.get(name)
    return value.replace("\0", "").strip()[:2000] if isinstance(value, str) else ""
