"""Queries about circuits: whether an API account may be called, and when it is tried again.

A circuit opens for one of two reasons: `account` (refused or exhausted, see `trip`) and `outage` (see `db.outages`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from db.cancels import WAITING
from db.live import IS_QUEUED
from db.plans import ACTIVE, by_key
from db.queue import queue_these
from db.statements import text

PROBE_SECONDS = 30.0
"""Between two probes of a refused account."""
PROBE_GAP_SECONDS = 1.0
"""Between a probe that ended without a call and the next."""

_NO_PROBE_OUT = (
    # For EXISTS, a planner that takes jobs for few would rather read all of them.
    "(SELECT j.id FROM jobs AS j WHERE j.id = circuits.probe_job_id "  # noqa: S608
    f"AND (j.lease_expires_at > now() OR (j.state = 'pending' AND {IS_QUEUED}))) IS NULL"
)

_IS_PROBE = f"(probe_job_id = :job_id OR (next_probe_at <= now() AND {_NO_PROBE_OUT}))"


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """Why an account is not called at present."""

    reason: str
    code: str
    message: str
    opened_at: datetime
    last_failed_at: datetime
    next_probe_at: datetime
    failed_probes: int
    probe_due: bool


def find_open(connection: Connection, account: str) -> OpenCircuit | None:
    """Return the account's open circuit, or None when it may be called."""
    statement = text(
        "SELECT reason, code, message, opened_at, last_failed_at, next_probe_at, failed_probes, "  # noqa: S608
        f"next_probe_at <= now() AND {_NO_PROBE_OUT} FROM circuits WHERE account = :account AND is_open"
    )
    row = connection.execute(statement, {"account": account}).one_or_none()
    return OpenCircuit(*row) if row else None


def trip(connection: Connection, account: str, *, reason: str, code: str, message: str) -> None:
    """Open the circuit because the account is refused, or note that its probe failed."""
    statement = text(
        "INSERT INTO circuits AS c (account, is_open, reason, code, message, opened_at, last_failed_at, next_probe_at) "
        "VALUES (:account, true, :reason, :code, :message, now(), now(), now() + make_interval(secs => :probe)) "
        "ON CONFLICT (account) DO UPDATE SET is_open = true, reason = :reason, code = :code, message = :message, "
        "opened_at = CASE WHEN c.is_open THEN c.opened_at ELSE now() END, last_failed_at = now(), "
        "next_probe_at = now() + make_interval(secs => :probe), probe_job_id = NULL, failed_probes = 0"
    )
    values = {"account": account, "reason": reason, "code": code, "message": message, "probe": PROBE_SECONDS}
    connection.execute(statement, values)


def close(connection: Connection, account: str, *, attempt_id: int | None = None, reason: str | None = None) -> bool:
    """Close the circuit after an answer that shows that calls are good again; return whether it was open.

    Args:
        connection: An open transaction.
        account: Whose.
        attempt_id: The call; one that was sent before the circuit opened closes nothing.
        reason: Only a circuit that is open for this.
    """
    statement = text(
        "UPDATE circuits SET is_open = false, probe_job_id = NULL, failed_probes = 0, closed_at = now() "
        "WHERE account = :account AND is_open AND (CAST(:reason AS text) IS NULL OR reason = :reason) "
        "AND (CAST(:attempt_id AS bigint) IS NULL "
        "OR opened_at <= (SELECT created_at FROM attempts WHERE id = :attempt_id))"
    )
    values = {"account": account, "attempt_id": attempt_id, "reason": reason}
    return connection.execute(statement, values).rowcount == 1


def probe_now(connection: Connection, account: str) -> None:
    """Let the next probe go out at once (someone has come to look), or as soon as the one that is out has ended."""
    statement = text("UPDATE circuits SET next_probe_at = now() WHERE account = :account AND is_open")
    connection.execute(statement, {"account": account})


def may_probe(connection: Connection, account: str, job_id: int) -> bool:
    """Whether a job is, or would become, the open circuit's probe at this moment; nothing is locked."""
    statement = text(f"SELECT 1 FROM circuits WHERE account = :account AND is_open AND {_IS_PROBE}")  # noqa: S608
    return connection.execute(statement, {"account": account, "job_id": job_id}).one_or_none() is not None


def may_call(connection: Connection, account: str, job_id: int) -> bool:
    """Whether a job may call: the circuit is closed, or the job is its probe, or becomes it because one is due.

    While a probe is out, none is due; it is over when its job is no longer queued or running. It comes last in the
    transaction that opens the call, as the circuit is locked after all else.
    """
    if find_open(connection, account) is None:
        return True
    statement = text(
        "UPDATE circuits SET probe_job_id = :job_id, next_probe_at = now() + make_interval(secs => :gap) "  # noqa: S608
        f"WHERE account = :account AND is_open AND {_IS_PROBE}"
    )
    values = {"account": account, "job_id": job_id, "gap": PROBE_GAP_SECONDS}
    return connection.execute(statement, values).rowcount == 1


def put_off_probe(connection: Connection, account: str) -> None:
    """Let the next probe of a refused account wait, after one that told nothing of it."""
    statement = text(
        "UPDATE circuits SET next_probe_at = now() + make_interval(secs => :probe), probe_job_id = NULL "
        "WHERE account = :account AND is_open"
    )
    connection.execute(statement, {"account": account, "probe": PROBE_SECONDS})


def queue_probe(connection: Connection, account: str) -> tuple[int, int] | None:
    """Mark one waiting job as queued although the circuit is open, and set when the next may be tried.

    Returns:
        The job's id and its dispatch number, or None when nothing waits, a probe is out, or the circuit is closed.
    """
    by_key(connection)
    savepoint = connection.begin_nested()
    first = text(
        f"SELECT j.id FROM {ACTIVE} AS b CROSS JOIN LATERAL (SELECT j.id, j.available_at FROM jobs AS j "  # noqa: S608
        f"WHERE {WAITING} AND NOT {IS_QUEUED} AND (b.canary_state IS DISTINCT FROM 'running' OR j.is_canary) "
        "ORDER BY j.available_at, j.id LIMIT 1) AS j ORDER BY j.available_at LIMIT 1"
    )
    queued = queue_these(connection, list(connection.execute(first).scalars()))
    if not queued:
        savepoint.rollback()
        return None
    [(job_id, dispatch)] = queued.items()
    statement = text(
        "UPDATE circuits SET next_probe_at = now() + make_interval(secs => :gap), probe_job_id = :job_id "  # noqa: S608
        # The one before may be this very job, whose message was lost: it waited a moment ago, and so is not out.
        f"WHERE account = :account AND is_open AND (probe_job_id = :job_id OR {_NO_PROBE_OUT})"
    )
    values = {"account": account, "gap": PROBE_GAP_SECONDS, "job_id": job_id}
    if connection.execute(statement, values).rowcount == 0:
        # A worker's job became the probe in this very moment, or the circuit closed.
        savepoint.rollback()
        return None
    savepoint.commit()
    return job_id, dispatch
