"""Queries that list jobs and attempts a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, text

from core.states import JobState

SUCCESS_CODE = "200"


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands."""

    id: int
    batch_id: int
    state: str
    source_uri: str
    name: str
    sku: str | None
    code: str | None
    message: str | None
    attempts: int
    reused_from: int | None
    changed_ratio: float | None
    artifact_sha256: str | None
    artifact_format: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt as it was."""

    id: int
    sent_at: datetime | None
    answered_at: datetime | None
    answer_class: str | None
    code: str | None
    message: str | None
    http_status: int | None
    request_id: str | None
    latency_seconds: float | None
    spend: str
    price: Decimal | None
    counted: bool
    worker: str
    raw: str | None


_JOB = (
    "SELECT j.id, j.batch_id, j.state, j.source_uri, j.name, j.sku, j.code, j.message, j.attempts, j.reused_from, "
    "j.changed_ratio, j.artifact_sha256, f.format, j.created_at, j.finished_at "
    "FROM jobs AS j LEFT JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
)


def find_job(connection: Connection, job_id: int) -> JobRow | None:
    """Return one job, or None."""
    row = connection.execute(text(_JOB + "WHERE j.id = :id"), {"id": job_id}).one_or_none()
    return JobRow(*row) if row else None


def list_jobs(
    connection: Connection,
    batch_id: int,
    *,
    state: str | None = None,
    code: str | None = None,
    sku: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[JobRow]:
    """Return the next page of a batch's jobs in the order they came in.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        state: Only those in this state.
        code: Only those that ended with this code.
        sku: Only those of this product.
        after: The last job id of the page before; 0 for the first page.
        limit: How many, at most.
    """
    conditions = _conditions(code, sku)
    # A page of each state, from an index, rather than all of a batch's jobs in order.
    statement = text(
        "SELECT id FROM unnest(CAST(:states AS text[])) AS s, LATERAL ("  # noqa: S608 - conditions of this module
        f"SELECT id FROM jobs WHERE batch_id = :batch AND state = s AND id > :after{conditions} "
        "ORDER BY id LIMIT :limit) AS page ORDER BY id LIMIT :limit"
    )
    if code not in {None, SUCCESS_CODE} or sku is not None:
        of_state = " AND state = ANY(:states)" if state is not None else ""
        statement = text(
            f"SELECT id FROM jobs WHERE batch_id = :batch AND id > :after{conditions}{of_state} "  # noqa: S608
            "ORDER BY id LIMIT :limit"
        )
    states = [each.value for each in JobState] if state is None else [state]
    values = {"batch": batch_id, "after": after, "limit": limit, "states": states, "code": code, "sku": sku}
    ids = list(connection.execute(statement, values).scalars())
    rows = connection.execute(text(_JOB + "WHERE j.id = ANY(:ids) ORDER BY j.id"), {"ids": ids})
    return [JobRow(*row) for row in rows]


def _conditions(code: str | None, sku: str | None) -> str:
    found = ""
    if code is not None:
        found += " AND code = :code"
        if code != SUCCESS_CODE:
            # What the index over codes is made for has to be said for it to be used.
            found += f" AND code <> '{SUCCESS_CODE}'"
    return found if sku is None else found + " AND sku = :sku"


def list_attempts(connection: Connection, job_id: int) -> list[AttemptRow]:
    """Return every attempt of a job, oldest first."""
    statement = text(
        "SELECT id, sent_at, answered_at, answer_class, code, message, http_status, request_id, latency_seconds, "
        "spend, price, counted, worker, raw FROM attempts WHERE job_id = :id ORDER BY id"
    )
    return [AttemptRow(*row) for row in connection.execute(statement, {"id": job_id})]
