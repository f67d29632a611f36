"""Flagging photos: somebody is to look at one again, and until then nothing else changes."""

from sqlalchemy import Connection

from core.errors import NotFound
from db import audit, flags, listings


def flag(connection: Connection, actor: str, job_id: int, reason: str = "") -> bool:
    """Put a photo among those that wait for review, wherever it stands; return whether it was not flagged before.

    Its state, and what exports, callbacks and shops get, stay as they are.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        job_id: Which.
        reason: What the person has to say about it.

    Raises:
        NotFound: There is no such job.
    """
    _require(connection, job_id)
    is_new = flags.put(connection, job_id, actor, reason.strip())
    if is_new:
        audit.note(connection, actor, "flag", f"job {job_id}", reason.strip())
    return is_new


def unflag(connection: Connection, actor: str, job_id: int) -> bool:
    """Take a photo's flag away, as it is good as it is; return whether it had one.

    Raises:
        NotFound: There is no such job.
    """
    _require(connection, job_id)
    had_one = flags.take_away(connection, [job_id]) > 0
    if had_one:
        audit.note(connection, actor, "unflag", f"job {job_id}")
    return had_one


def _require(connection: Connection, job_id: int) -> None:
    if listings.find_job(connection, job_id) is None:
        raise NotFound(f"There is no job {job_id}.")
