"""What people do about clean photos that go back into shops: let them, stop them, try again, put the originals back."""

from collections.abc import Sequence

from sqlalchemy import Connection

from core.errors import NotFound, Refused, UsageError
from core.figures import counted
from db import audit, connections, writeback_lists
from db.connections import WRITEBACKS, ShopConnection

BY_HAND = "hand"
FAILED = ("failed", "skipped")
REPLACED = ("written", "failed", "skipped", "clean")
"""States in which something may stand in the shop that we put there."""


def set_mode(connection: Connection, actor: str, connection_id: int, mode: str) -> None:
    """Say whether clean photos of a shop go back into it.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which shop.
        mode: `off`, `ask` or `auto`. What waits for a person goes on waiting for one.

    Raises:
        NotFound: There is no connection of this number.
        UsageError: There is no such mode, or no token to write with.
    """
    shop = _find(connection, connection_id)
    if mode not in WRITEBACKS:
        raise UsageError("Write-back must be off, ask or auto.")
    if mode != "off" and not shop.sealed_token:
        raise UsageError(
            f"Connection {connection_id} has no token for the shop's API: connect the shop again with one."
        )
    if mode != shop.writeback:
        connections.set_writeback(connection, connection_id, mode)
        audit.note(connection, actor, "write-back", f"connection {connection_id}", mode)


def pause_writing(connection: Connection, actor: str, connection_id: int) -> None:
    """Write nothing into a shop until somebody says so; what was sent already is not called back.

    Raises:
        NotFound: There is no connection of this number.
    """
    _find(connection, connection_id)
    if writeback_lists.pause(connection, connection_id, BY_HAND):
        audit.note(connection, actor, "pause write-back", f"connection {connection_id}")


def resume_writing(connection: Connection, actor: str, connection_id: int) -> None:
    """Go on writing into a shop.

    Raises:
        NotFound: There is no connection of this number.
    """
    _find(connection, connection_id)
    if writeback_lists.resume(connection, connection_id):
        audit.note(connection, actor, "resume write-back", f"connection {connection_id}")


def release(connection: Connection, actor: str, connection_id: int, ids: Sequence[int] | None = None) -> int:
    """Put clean photos into a shop, and return how many.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which shop.
        ids: Only these write-backs.

    Raises:
        NotFound: There is no connection of this number.
        Refused: Nothing is written into this shop.
    """
    if _find(connection, connection_id).writeback == "off":
        raise Refused(f"Write-back of connection {connection_id} is off. Nothing was changed.")
    return _move(connection, actor, connection_id, "put into the shop", ("clean",), "due", ids)


def send_again(connection: Connection, actor: str, connection_id: int, ids: Sequence[int] | None = None) -> int:
    """Try photos again that could not be put into a shop, and return how many.

    Raises:
        NotFound: There is no connection of this number.
    """
    _find(connection, connection_id)
    return _move(connection, actor, connection_id, "send again", FAILED, "due", ids)


def restore(connection: Connection, actor: str, connection_id: int, ids: Sequence[int] | None = None) -> int:
    """Put the originals of photos back into a shop that were replaced, and return how many.

    Raises:
        NotFound: There is no connection of this number.
        Refused: There is no token of the shop's API.
    """
    if not _find(connection, connection_id).sealed_token:
        raise Refused(f"Connection {connection_id} has no token for the shop's API. Nothing was changed.")
    return _move(connection, actor, connection_id, "restore", REPLACED, "restoring", ids, only_kept=True)


def _move(
    connection: Connection,
    actor: str,
    connection_id: int,
    what: str,
    before: Sequence[str],
    after: str,
    ids: Sequence[int] | None,
    *,
    only_kept: bool = False,
) -> int:
    moved = writeback_lists.move(connection, connection_id, before=before, after=after, ids=ids, only_kept=only_kept)
    if moved:
        audit.note(connection, actor, what, f"connection {connection_id}", counted(moved, "photo"))
    return moved


def _find(connection: Connection, connection_id: int) -> ShopConnection:
    found = connections.find_open(connection, connection_id)
    if found is None:
        raise NotFound(f"There is no connection {connection_id}.")
    return found
