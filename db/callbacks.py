"""Queries about callbacks: what shops are to be told, and what became of it. Triggers write what happened."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from db.plans import by_key
from db.statements import text

LEASE_SECONDS = 60.0
"""How long a sender that fell silent keeps a callback from others."""
PATIENCE_SECONDS = 86_400.0
FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 7200.0


@dataclass(frozen=True, slots=True)
class Callback:
    """Something to tell, and to whom.

    Args:
        id: Stands for it in the message, so that whoever gets it twice knows.
        batch_id: Whose.
        created_at: When it happened.
        url: Where it goes.
        secret: What signs it (`whsec_…`); never shown.
        event: `batch.finished`, `job.succeeded`, `job.dead` or `job.held`.
        tries: How often it was sent before.
        data: The batch or job, in the state it came to.
    """

    id: int
    batch_id: int
    created_at: datetime
    url: str
    secret: str
    event: str
    tries: int
    data: dict[str, Any]

    def __repr__(self) -> str:
        return f"Callback(id={self.id}, event={self.event!r})"


def take_due(
    connection: Connection, most: int, *, only_batch: int | None = None, not_batches: Collection[int] = ()
) -> list[Callback]:
    """Lease callbacks that are due, oldest first.

    What is told of a job that has ended in another way since is overtaken, and not told any more: a later callback says
    how it ended, and may have been taken while this one was not.

    Args:
        connection: An open transaction.
        most: How many.
        only_batch: Only those of this batch.
        not_batches: None of these batches, whose shops do not answer.
    """
    by_key(connection)
    statement = text(
        """
        WITH due AS MATERIALIZED (
            SELECT id FROM callbacks WHERE ended_at IS NULL AND available_at <= now()
            AND (CAST(:only AS bigint) IS NULL OR batch_id = :only) AND batch_id <> ALL(CAST(:not AS bigint[]))
            ORDER BY available_at, id LIMIT :most FOR UPDATE SKIP LOCKED
        ), overtaken AS (
            UPDATE callbacks AS c SET ended_at = now(), last_error = 'overtaken by a later one'
            WHERE c.id = ANY(ARRAY(SELECT id FROM due)) AND c.event <> 'job.' || (
                SELECT j.state FROM jobs AS j WHERE j.id = c.job_id AND j.state IN ('succeeded', 'dead', 'held')
            ) RETURNING c.id
        ), taken AS (
            UPDATE callbacks AS c SET available_at = now() + make_interval(secs => :lease), tries = tries + 1
            WHERE c.id = ANY(ARRAY(SELECT id FROM due)) AND c.id <> ALL(ARRAY(SELECT id FROM overtaken))
            RETURNING c.id, c.batch_id, c.job_id, c.event, c.tries, c.created_at
        )
        SELECT t.id, t.batch_id, t.created_at, b.callback_url AS url, b.callback_secret AS secret, t.event,
               t.tries - 1 AS tries,
               jsonb_build_object('batch_id', b.id, 'batch_name', b.name) || CASE
                   WHEN t.job_id IS NULL THEN jsonb_build_object('state', split_part(t.event, '.', 2))
                   ELSE jsonb_build_object('job_id', j.id, 'state', split_part(t.event, '.', 2),
                        'image_url', j.source_uri, 'sku', j.sku,
                        'code', j.code, 'message', j.message, 'artifact_sha256', j.artifact_sha256,
                        'artifact_format', (SELECT format FROM artifacts WHERE sha256 = j.artifact_sha256))
               END AS data
        -- One by one: a planner that takes batches and jobs for few would read all of them.
        FROM taken AS t CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = t.batch_id OFFSET 0) AS b
        LEFT JOIN LATERAL (SELECT * FROM jobs WHERE id = t.job_id OFFSET 0) AS j ON true
        ORDER BY t.id
        """
    )
    values = {"most": most, "lease": LEASE_SECONDS, "only": only_batch, "not": sorted(not_batches)}
    return [Callback(*row) for row in connection.execute(statement, values)]


def note_delivered(connection: Connection, callback_id: int, answer: str = "") -> None:
    """Write down that somebody took it, and what they answered."""
    statement = text(
        "UPDATE callbacks SET ended_at = now(), last_error = NULL, answered_at = now(), answer = :answer WHERE id = :id"
    )
    connection.execute(statement, {"id": callback_id, "answer": answer[:500]})


def note_failed(connection: Connection, callback_id: int, *, tries: int, why: str) -> None:
    """Let it be tried again later, for a day; after that it has failed for good.

    Args:
        connection: An open transaction.
        callback_id: Which.
        tries: How often it was sent before this time.
        why: What happened.
    """
    statement = text(
        "UPDATE callbacks SET last_error = :why, answered_at = now(), answer = :why, "
        "available_at = now() + make_interval(secs => :delay), "
        "ended_at = CASE WHEN created_at < now() - make_interval(secs => :patience) THEN now() END WHERE id = :id "
        "AND ended_at IS NULL"
    )
    values = {"id": callback_id, "why": why[:500], "delay": delay_seconds(tries), "patience": PATIENCE_SECONDS}
    connection.execute(statement, values)


def delay_seconds(tries: int) -> float:
    """Return how long to wait after so many tries that failed before this one."""
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * float(3 ** min(tries, 20)))


def set_target(connection: Connection, batch_id: int, *, url: str, secret: str) -> None:
    """Tell somebody what becomes of a batch and its jobs."""
    statement = text("UPDATE batches SET callback_url = :url, callback_secret = :secret WHERE id = :id")
    connection.execute(statement, {"id": batch_id, "url": url, "secret": secret})


def find_target(connection: Connection, batch_id: int) -> str | None:
    """Return where it is told what becomes of a batch, if anywhere."""
    statement = text("SELECT callback_url FROM batches WHERE id = :id")
    return connection.execute(statement, {"id": batch_id}).scalar_one_or_none()


def as_payload(callback: Callback, artifact_url: str | None) -> bytes:
    """Return the body that is sent and signed."""
    told = {key: value for key, value in callback.data.items() if not key.startswith("artifact_")}
    if callback.event == "job.succeeded":
        told["artifact_url"] = artifact_url
    message = {"type": callback.event, "timestamp": callback.created_at.isoformat(), "data": told}
    return json.dumps(message, separators=(",", ":")).encode()
