"""Decisions about many photos at once, which can be taken back for a moment."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from core.states import NOTHING_TO_REMOVE
from db.statements import text

UNDO_SECONDS = 10.0
GRACE_SECONDS = 5.0
"""How much longer an undo that was asked for in time may take to arrive."""
KEPT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Undoable:
    """A decision that can be taken back.

    Args:
        id: Its id.
        photos: How many.
        seconds_left: How much longer.
    """

    id: UUID
    photos: int
    seconds_left: float


def keep(connection: Connection, batch_id: int, actor: str, before: Sequence[dict[str, Any]]) -> UUID:
    """Keep how rows of jobs were before a decision, and how it left them; return what takes it back."""
    statement = text(
        "INSERT INTO decisions (batch_id, decided_by, before) "
        "VALUES (:batch, :actor, CAST(:before AS jsonb)) RETURNING id"
    )
    values = {"batch": batch_id, "actor": actor, "before": json.dumps({"jobs": list(before)})}
    found: UUID = connection.execute(statement, values).scalar_one()
    return found


def find(connection: Connection, decision_id: UUID, batch_id: int, actor: str) -> Undoable | None:
    """Return what somebody decided about a batch; None when they did not, or it was taken back."""
    statement = text(
        "SELECT id, jsonb_array_length(before -> 'jobs'), "
        "CAST(:seconds - extract(epoch FROM now() - decided_at) AS float8) FROM decisions "
        "WHERE id = :id AND batch_id = :batch AND decided_by = :actor"
    )
    values = {"id": decision_id, "batch": batch_id, "actor": actor, "seconds": UNDO_SECONDS}
    row = connection.execute(statement, values).one_or_none()
    return Undoable(*row) if row else None


def undo(connection: Connection, decision_id: UUID) -> int:
    """Make rows again what they were before a decision, unless they have moved on since; return how many.

    Nothing is undone after the time for it.
    """
    kept = connection.execute(
        text(
            "DELETE FROM decisions WHERE id = :id AND decided_at > now() - make_interval(secs => :seconds) "
            "RETURNING before -> 'jobs'"
        ),
        {"id": decision_id, "seconds": UNDO_SECONDS + GRACE_SECONDS},
    ).scalar_one_or_none()
    if not kept:
        return 0
    before = json.dumps(kept)
    lock = text("SELECT id FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
    connection.execute(lock, {"ids": [row["id"] for row in kept]}).all()
    statement = text(
        "UPDATE jobs AS j SET state = b.state, code = b.code, message = b.message, output_url = b.output_url, "
        "artifact_sha256 = b.artifact_sha256, finished_at = b.finished_at, "
        "is_bare = j.is_bare OR b.code = :skipped, must_call = j.must_call AND b.code <> :skipped "
        "FROM jsonb_to_recordset(CAST(:before AS jsonb)) AS b (id bigint, state text, code text, message text, "
        "output_url text, artifact_sha256 text, finished_at timestamptz, left_as text, left_sha256 text, requeues int) "
        "WHERE j.id = b.id AND j.state = b.left_as AND j.requeues = b.requeues "
        # An output that was made again since was paid for.
        "AND j.artifact_sha256 IS NOT DISTINCT FROM b.left_sha256 "
        # What it was may be gone: another output took its place, or it was swept.
        "AND (b.artifact_sha256 IS NULL OR EXISTS (SELECT 1 FROM artifacts AS a WHERE a.sha256 = b.artifact_sha256))"
    )
    undone = connection.execute(statement, {"before": before, "skipped": NOTHING_TO_REMOVE}).rowcount
    seen = text(
        "DELETE FROM rejected_outputs AS o WHERE job_id = ANY(:ids) "
        "AND EXISTS (SELECT 1 FROM jobs AS j WHERE j.id = o.job_id AND j.artifact_sha256 = o.sha256)"
    )
    connection.execute(seen, {"ids": [row["id"] for row in kept]})
    return undone


def forget_old(connection: Connection) -> int:
    """Forget decisions that nobody can take back any more; return how many."""
    statement = text("DELETE FROM decisions WHERE decided_at < now() - make_interval(secs => :kept)")
    return connection.execute(statement, {"kept": KEPT_SECONDS}).rowcount
