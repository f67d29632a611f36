"""The audit log: what was done, by whom and when."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.statements import text


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Something that somebody did.

    Args:
        id: Its number.
        at: When.
        actor: Who: a person's name, or `token NAME`.
        action: What, such as `pause` or `accept`.
        target: To what, such as `batch 7`.
        detail: More of it, such as the reason given; never a secret.
    """

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: str


def note(connection: Connection, actor: str, action: str, target: str = "", detail: str = "") -> None:
    """Write down what is done, in the transaction that does it."""
    statement = text("INSERT INTO audit (actor, action, target, detail) VALUES (:actor, :action, :target, :detail)")
    told = {"actor": actor[:200], "action": action[:100], "target": target[:200], "detail": detail[:1000]}
    connection.execute(statement, told)


def list_lines(
    connection: Connection, *, actor: str | None = None, before: int | None = None, limit: int = 100
) -> list[AuditLine]:
    """Return the next page of the log, newest first.

    Args:
        connection: An open transaction.
        actor: Only what they did.
        before: The last id of the page before; None for the first page.
        limit: How many, at most.
    """
    conditions = ["true"]
    if actor is not None:
        conditions.append("actor = :actor")
    if before is not None:
        conditions.append("id < :before")
    statement = text(
        "SELECT id, at, actor, action, target, detail FROM audit "  # noqa: S608 - conditions of this function
        f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT :limit"
    )
    rows = connection.execute(statement, {"actor": actor, "before": before, "limit": limit})
    return [AuditLine(*row) for row in rows]
