"""Queries that list jobs and attempts a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from core.states import JobState
from db.live import IS_QUEUED, STATE, queued_of
from db.plans import backwards, by_key, in_index_order
from db.statements import text
from db.tallies import COSTS

SUCCESS_CODE = "200"
PHOTOS_PAGE = 500


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
class JobView:
    """A job with all that a person may want to see of it."""

    id: int
    batch_id: int
    batch_name: str
    lane: str
    state: str
    source_uri: str
    input_uri: str | None
    source_sha256: str | None
    source_bytes: int | None
    width: int | None
    height: int | None
    name: str
    sku: str | None
    elements: list[int]
    subject_elements: list[int]
    mask: str | None
    code: str | None
    message: str | None
    attempts: int
    snoozes: int
    rescues: int
    requeues: int
    available_at: datetime
    worker: str | None
    reused_from: int | None
    redo_of: int | None
    changed_ratio: float | None
    changed_inside: float | None
    changed_outside: float | None
    artifact_sha256: str | None
    artifact_format: str | None
    artifact_bytes: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    proof: dict[str, Any] | None
    rejected_sha256: str | None

    @property
    def shown_sha256(self) -> str | None:
        """The output that people see: its own, or the one that was rejected."""
        return self.artifact_sha256 or self.rejected_sha256


def view_job(connection: Connection, job_id: int) -> JobView | None:
    """Return all that a person may want to see of one job, or None."""
    statement = text(
        f"SELECT j.id, j.batch_id, b.name, b.lane, {STATE}, j.source_uri, j.input_uri, "  # noqa: S608
        "coalesce(w.source_sha256, j.source_sha256), coalesce(w.source_bytes, j.source_bytes), "
        "coalesce(w.width, j.width), coalesce(w.height, j.height), "
        "coalesce(j.given_name, j.name), j.sku, j.elements, j.subject_elements, "
        "j.mask, j.code, j.message, "
        "j.attempts, j.snoozes, j.rescues, j.requeues, j.available_at, j.worker, j.reused_from, j.redo_of, "
        "j.changed_ratio, j.changed_inside, j.changed_outside, j.artifact_sha256, f.format, f.size_bytes, "
        "j.created_at, j.started_at, j.finished_at, j.proof, o.sha256 "
        "FROM jobs AS j JOIN batches AS b ON b.id = j.batch_id LEFT JOIN job_notes AS w ON w.job_id = j.id "
        "LEFT JOIN LATERAL (SELECT sha256 FROM rejected_outputs WHERE j.state = 'dead' "
        "AND job_id BETWEEN j.id AND j.id ORDER BY job_id DESC, id DESC LIMIT 1) AS o ON true "
        "LEFT JOIN artifacts AS f ON f.sha256 = coalesce(j.artifact_sha256, o.sha256) WHERE j.id = :id"
    )
    row = connection.execute(statement, {"id": job_id}).one_or_none()
    return JobView(*row) if row else None


_JOB = (
    f"SELECT j.id, j.batch_id, {STATE}, j.source_uri, coalesce(j.given_name, j.name), j.sku, "  # noqa: S608
    "j.code, j.message, "
    "j.attempts, j.reused_from, j.changed_ratio, j.artifact_sha256, f.format, j.created_at, j.finished_at "
    "FROM jobs AS j LEFT JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
)


def find_job(connection: Connection, job_id: int) -> JobRow | None:
    """Return one job, or None."""
    row = connection.execute(text(_JOB + "WHERE j.id = :id"), {"id": job_id}).one_or_none()
    return JobRow(*row) if row else None


def list_these(connection: Connection, job_ids: list[int]) -> list[JobRow]:
    """Return jobs by their ids, in that order; those there are none of are left out."""
    by_key(connection)
    rows = connection.execute(text(_JOB + "WHERE j.id = ANY(:ids)"), {"ids": job_ids})
    found = {row.id: JobRow(*row) for row in rows}
    return [found[job_id] for job_id in job_ids if job_id in found]


def list_jobs(
    connection: Connection,
    batch_id: int,
    *,
    state: str | None = None,
    code: str | None = None,
    sku: str | None = None,
    only_canary: bool = False,
    after: int = 0,
    limit: int = 100,
) -> list[JobRow]:
    """Return the next page of a batch's jobs in the order they came in, as `list_ids` finds them."""
    ids = list_ids(
        connection, batch_id, state=state, code=code, sku=sku, only_canary=only_canary, after=after, limit=limit
    )
    return list_these(connection, ids)


def list_ids(
    connection: Connection,
    batch_id: int,
    *,
    state: str | None = None,
    code: str | None = None,
    sku: str | None = None,
    only_canary: bool = False,
    after: int = 0,
    before: int | None = None,
    limit: int = 100,
) -> list[int]:
    """Return the next page of a batch's jobs in the order they came in, by id.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        state: Only those in this state.
        code: Only those that ended with this code.
        sku: Only those of this product.
        only_canary: Only those that went first.
        after: The last job id of the page before; 0 for the first page.
        before: The first job id of the page after, for the last ones before it; None to go forward.
        limit: How many, at most.
    """
    if code == SUCCESS_CODE:
        # Only what succeeded has it, and there is no index over codes for that many.
        if state not in {None, JobState.SUCCEEDED}:
            return []
        code, state = None, JobState.SUCCEEDED.value
    by_key(connection)
    # What an index is made for has to be said for it to be used.
    only, by_state = "", ""
    if sku is not None:
        order = in_index_order("batch_id", "sku", start=":start", values=(":batch", ":sku"))
        only = " AND sku IS NOT NULL" + (" AND code = :code" if code is not None else "")
    elif code is not None:
        only = f" AND code <> '{SUCCESS_CODE}'"
        order = in_index_order("batch_id", "code", start=":start", values=(":batch", ":code"))
    else:
        by_state = "s"
        order = in_index_order("batch_id", "state", start=":start", values=(":batch", by_state))
    waits = f" AND NOT {IS_QUEUED}" if state == JobState.PENDING else ""
    if before is not None:
        order = backwards(order, ":start")
    turn = "DESC" if before is not None else ""
    if only_canary:
        # A canary is small, and has an index of its own.
        find = (
            f"SELECT id FROM (SELECT id, {STATE} AS state FROM jobs AS j "  # noqa: S608
            f"WHERE batch_id = :batch AND is_canary OFFSET 0) AS canary "
            f"WHERE id {'<' if turn else '>'} :start AND state = ANY(:states) ORDER BY id {turn} LIMIT :limit"
        )
    elif by_state and state == JobState.QUEUED:
        find = (
            f"SELECT job_id FROM {queued_of(':batch')} AS queued WHERE job_id {'<' if turn else '>'} :start "  # noqa: S608
            f"ORDER BY job_id {turn} LIMIT :limit"
        )
    elif by_state:
        # A page of each state, from an index, rather than all of a batch's jobs in order.
        find = (
            "SELECT id FROM unnest(CAST(:states AS text[])) AS s, LATERAL ("  # noqa: S608
            f"SELECT id FROM jobs AS j WHERE true{waits} AND {order} LIMIT :limit) AS page "
            f"ORDER BY id {turn} LIMIT :limit"
        )
    else:
        of_state = f" AND {STATE} = ANY(:states)" if state is not None else ""
        find = f"SELECT id FROM jobs AS j WHERE true{only}{of_state} AND {order} LIMIT :limit"  # noqa: S608
    states = [each.value for each in JobState] if state is None else [state]
    start = after if before is None else before
    values = {"batch": batch_id, "start": start, "limit": limit, "states": states, "code": code, "sku": sku}
    return sorted(connection.execute(text(find), values).scalars())


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One photo as the report shows it: by the `name` that its server gave, if its own, by its URL, told none."""

    job_id: int
    batch_id: int
    source_uri: str
    source_sha256: str | None
    name: str
    own_name: str
    sku: str | None
    state: str
    code: str | None
    message: str | None
    attempts: int
    calls: int
    paid: int
    maybe_billed: int
    reused_from: int | None
    changed_ratio: float | None
    changed_inside: float | None
    changed_outside: float | None
    artifact_sha256: str | None
    artifact_format: str | None
    started_at: datetime | None
    finished_at: datetime | None
    call_seconds: float | None
    request_ids: list[str]
    cost: Decimal


def list_photos(connection: Connection, *, batch_id: int, after: int) -> list[PhotoRow]:
    """Return the next page of a batch's photos in the order they came in.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        after: The last job id of the page before; 0 for the first page.
    """
    statement = text(
        f"""
        SELECT j.id, j.batch_id, j.source_uri, j.source_sha256, coalesce(j.given_name, j.name), j.name, j.sku, {STATE},
               j.code, j.message, j.attempts, coalesce(a.calls, 0), coalesce(a.paid, 0), coalesce(a.maybe_billed, 0),
               j.reused_from, j.changed_ratio, j.changed_inside, j.changed_outside, j.artifact_sha256, f.format,
               j.started_at, j.finished_at, a.call_seconds, coalesce(a.request_ids, ARRAY[]::text[]),
               coalesce(a.cost, 0)
        FROM jobs AS j
        LEFT JOIN artifacts AS f ON f.sha256 = j.artifact_sha256
        LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE sent_at IS NOT NULL) AS calls,
                   count(*) FILTER (WHERE spend = 'paid') AS paid,
                   count(*) FILTER (WHERE spend = 'maybe') AS maybe_billed,
                   sum(price) FILTER (WHERE {COSTS}) AS cost,
                   sum(latency_seconds) AS call_seconds,
                   array_agg(request_id ORDER BY id) FILTER (WHERE request_id IS NOT NULL) AS request_ids
            FROM attempts WHERE job_id = j.id
        ) AS a ON true
        WHERE j.batch_id = :batch_id AND j.id > :after ORDER BY j.id LIMIT :page
        """  # noqa: S608
    )
    rows = connection.execute(statement, {"batch_id": batch_id, "after": after, "page": PHOTOS_PAGE})
    return [PhotoRow(*row) for row in rows]
