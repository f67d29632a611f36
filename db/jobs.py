"""Queries of one job's life on a worker: claim, renew, finish, give back. Every write carries the lease token."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row

from core.errors import LeaseLost
from db.cancels import CALLED_OFF
from db.live import COLLECTED, RUNNING
from db.plans import row
from db.statements import text


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """What a worker needs to know of the job it holds."""

    id: int
    batch_id: int
    lane: str
    lease_token: UUID
    lease_seconds: float
    source_uri: str
    name: str
    elements: tuple[int, ...]
    subject_elements: tuple[int, ...]
    mask: str | None
    attempts: int
    snoozes: int
    requeues: int
    send_bytes: bool
    output_url: str | None
    source_sha256: str | None
    content_key: str | None
    fit: str
    send: str
    force: bool
    created_at: datetime
    redo_of: int | None = None
    screen: str = "off"
    strip_metadata: bool = False
    age_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Changed:
    """How far an output differs from what was sent: shares of the whole, and of what a mask covers and leaves out."""

    ratio: float | None = None
    inside: float | None = None
    outside: float | None = None


NOT_COMPARED = Changed()


def claim(
    connection: Connection, job_id: int, *, worker: str, lease_seconds: float, token: UUID | None = None
) -> ClaimedJob | None:
    """Take a queued job of an active batch; None when there is nothing to take (already claimed, paused, gone).

    Args:
        connection: An open transaction.
        job_id: Which.
        worker: Who takes it.
        lease_seconds: For how long.
        token: Of the lease. Whoever asks with the same one again, because an answer was lost, gets the same job again.
    """
    asked = {job_id: token or uuid4()}
    for _ in range(2):
        found = claim_each(connection, asked, worker=worker, lease_seconds=lease_seconds)
        if found:
            return found[job_id]
        # A statement that waited for the row does not see what it waited for; the next one does.
    return None


def claim_each(
    connection: Connection, asked: Mapping[int, UUID], *, worker: str, lease_seconds: float, waits: bool = True
) -> dict[int, ClaimedJob]:
    """Take many jobs in one statement, each with a token of its own, and return those that were to be had, by id.

    Args:
        connection: An open transaction.
        asked: The tokens, by job.
        worker: Who takes them.
        lease_seconds: For how long.
        waits: Whether one that somebody else has locked is waited for, or left out.
    """
    statement = text(
        "WITH free AS MATERIALIZED (SELECT j.place, asked.token, q.dispatch, b.lane, b.options "  # noqa: S608
        "FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS asked (id, token) "
        f"CROSS JOIN LATERAL ({_CLAIMABLE} FOR NO KEY UPDATE{'' if waits else ' SKIP LOCKED'}) AS j "
        # One that was taken out of the queue while its job's row was waited for is not found.
        "CROSS JOIN LATERAL (SELECT (SELECT dispatch FROM queued_jobs WHERE job_id = asked.id FOR UPDATE) "
        "AS dispatch OFFSET 0) AS q "
        f"CROSS JOIN LATERAL ({row('*', 'batches', 'j.batch_id')}) AS b "
        f"WHERE (q.dispatch IS NOT NULL OR j.state = 'running') AND b.state = 'active' AND NOT {CALLED_OFF}) "
        "UPDATE jobs AS j SET state = 'running', lease_token = free.token, "
        "worker = :worker, dispatch = coalesce(free.dispatch, j.dispatch), "
        "lease_expires_at = now() + make_interval(secs => :lease), "
        "started_at = coalesce(j.started_at, now()) FROM free WHERE j.ctid = free.place "
        "RETURNING j.id, j.batch_id, free.lane, j.lease_token, CAST(:lease AS double precision) AS lease_seconds, "
        "coalesce(j.input_uri, j.source_uri) AS source_uri, j.name, "
        "j.elements, j.subject_elements, "
        "j.mask, j.attempts, j.snoozes, j.requeues, j.send_bytes, j.output_url, j.source_sha256, "
        "j.content_key, "
        "coalesce(free.options ->> 'fit', 'fit') AS fit, coalesce(free.options ->> 'send', 'auto') AS send, "
        "coalesce(CAST(free.options ->> 'force' AS boolean), false) AS force, j.created_at, j.redo_of, "
        "coalesce(free.options ->> 'screen', 'off') AS screen, "
        "coalesce(CAST(free.options ->> 'strip_metadata' AS boolean), false) AS strip_metadata, "
        "CAST(extract(epoch FROM now() - j.created_at) AS double precision) AS age_seconds"
    )
    ids = sorted(asked)
    values = {"ids": ids, "tokens": [asked[job_id] for job_id in ids], "worker": worker, "lease": lease_seconds}
    return {found.id: _claimed(found) for found in connection.execute(statement, values)}


_CLAIMABLE = row(
    "ctid AS place, batch_id, state, requeued_at, created_at",
    "jobs",
    "asked.id",
    "(state = 'pending' OR (state = 'running' AND lease_token = asked.token))",
)


def _claimed(found: Row[Any]) -> ClaimedJob:
    values = found._asdict()
    values["elements"] = tuple(values["elements"])
    values["subject_elements"] = tuple(values["subject_elements"])
    return ClaimedJob(**values)


_HELD = row("ctid AS place", "jobs", "held.id", "state = 'running' AND lease_token = held.lease_token")


def renew(connection: Connection, tokens: Collection[UUID], *, lease_seconds: float) -> set[UUID]:
    """Prolong leases of which a quarter is over, unless somebody writes the job now; return the tokens still good."""
    statement = text(
        f"WITH held AS MATERIALIZED (SELECT id, lease_token, lease_expires_at FROM {RUNNING} AS running "  # noqa: S608
        f"WHERE lease_token = ANY(:tokens)), free AS MATERIALIZED (SELECT j.place FROM held CROSS JOIN LATERAL "
        f"({_HELD} FOR NO KEY UPDATE SKIP LOCKED) AS j "
        "WHERE held.lease_expires_at <= now() + make_interval(secs => :old)), "
        "renewed AS (UPDATE jobs SET lease_expires_at = now() + make_interval(secs => :lease) "
        "WHERE ctid = ANY(ARRAY(SELECT place FROM free))) SELECT lease_token FROM held"
    )
    values = {"tokens": list(tokens), "lease": lease_seconds, "old": lease_seconds * 3 / 4}
    return set(connection.execute(statement, values).scalars())


def lock(connection: Connection, *job_ids: int) -> None:
    """Lock jobs until this transaction ends; it comes after their batches and before their attempts."""
    statement = text("SELECT 1 FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
    connection.execute(statement, {"ids": sorted(job_ids)})


def whose(job: ClaimedJob) -> dict[str, object]:
    """Return the parameters that name a job and the lease under which it may be written."""
    return {"id": job.id, "token": job.lease_token}


def must_hold(rows: int, job: ClaimedJob) -> None:
    """Check that a write under a lease found its job.

    Raises:
        LeaseLost: It did not: another worker owns the job.
    """
    if rows != 1:
        raise LeaseLost(f"job {job.id} is no longer ours; what this worker did was not written")


def hold(
    connection: Connection,
    job: ClaimedJob,
    *,
    artifact_sha256: str,
    changed: Changed,
    code: str,
    message: str,
    spent: int,
    proof: Mapping[str, Any] | None = None,
) -> None:
    """Keep a job's output and let a person decide about it.

    Args:
        connection: An open transaction.
        job: Which.
        artifact_sha256: The output.
        changed: How far it differs from the source.
        code: What to find it by.
        message: What to tell a person.
        spent: 1 when this execution counts as an attempt.
        proof: Where something is wrong: boxes by what it is.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    statement = text(
        "UPDATE jobs SET state = 'held', artifact_sha256 = :sha256, changed_ratio = :ratio, "  # noqa: S608
        "changed_inside = :inside, changed_outside = :outside, code = :code, message = :message, "
        "proof = CAST(:proof AS jsonb), "
        f"attempts = attempts + :spent, lease_token = NULL, lease_expires_at = NULL, output_url = {COLLECTED}, "
        "finished_at = now() WHERE id = :id AND lease_token = :token AND state = 'running'"
    )
    values: dict[str, object] = {"spent": spent, "sha256": artifact_sha256, "code": code, "message": message}
    values |= {"proof": json.dumps(dict(proof)) if proof else None, **asdict(changed)}
    must_hold(connection.execute(statement, values | whose(job)).rowcount, job)


def stop(
    connection: Connection,
    job: ClaimedJob,
    *,
    state: str,
    code: str,
    message: str,
    spent: int,
    artifact_sha256: str | None = None,
    forget_output: bool = False,
) -> None:
    """End a job as `dead` or `held`.

    Args:
        connection: An open transaction.
        job: Which.
        state: `dead` or `held`.
        code: What to find it by.
        message: What to tell a person.
        spent: 1 when this execution counts as an attempt, else 0.
        artifact_sha256: The output a person is to decide about, if there is one.
        forget_output: Whether the link of a paid output leads nowhere.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    statement = text(
        "UPDATE jobs SET state = :state, code = :code, message = :message, attempts = attempts + :spent, "  # noqa: S608
        f"artifact_sha256 = :artifact, output_url = CASE WHEN :forget_output THEN {COLLECTED} ELSE output_url END, "
        "lease_token = NULL, lease_expires_at = NULL, finished_at = now() "
        "WHERE id = :id AND lease_token = :token AND state = 'running'"
    )
    values = {
        "state": state,
        "code": code,
        "message": message,
        "spent": spent,
        "artifact": artifact_sha256,
        "forget_output": forget_output,
    }
    must_hold(connection.execute(statement, values | whose(job)).rowcount, job)


def give_back(
    connection: Connection,
    job: ClaimedJob,
    *,
    delay_seconds: float,
    spent: int,
    code: str | None = None,
    message: str | None = None,
    send_bytes: bool = False,
    forget_output: bool = False,
) -> str:
    """Make a job due again after a delay, a retry (`spent` 1) or a snooze (`spent` 0), and return its state.

    A job whose batch was cancelled meanwhile is cancelled instead, though the batch may go on with others by now. The
    link of a paid output is kept, whatever went wrong, unless `forget_output` says that it leads nowhere.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    statement = text(
        f"UPDATE jobs AS j SET state = CASE WHEN {CALLED_OFF} THEN 'cancelled' ELSE 'pending' END, "  # noqa: S608
        f"finished_at = CASE WHEN {CALLED_OFF} THEN now() END, "
        "available_at = clock_timestamp() + make_interval(secs => :delay), attempts = attempts + :spent, "
        "snoozes = snoozes + 1 - :spent, lost_in_row = 0, code = coalesce(:code, code), "
        "message = coalesce(:message, message), "
        f"send_bytes = send_bytes OR :send_bytes, "
        f"output_url = CASE WHEN :forget_output THEN {COLLECTED} ELSE output_url END, "
        "lease_token = NULL, lease_expires_at = NULL, worker = NULL "
        "FROM batches AS b WHERE j.id = :id AND j.lease_token = :token AND j.state = 'running' AND b.id = j.batch_id "
        "RETURNING j.state"
    )
    values = {
        "delay": delay_seconds,
        "spent": spent,
        "code": code,
        "message": message,
        "send_bytes": send_bytes,
        "forget_output": forget_output,
    }
    states = list(connection.execute(statement, values | whose(job)).scalars())
    must_hold(len(states), job)
    return str(states[0])
