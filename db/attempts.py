"""Queries about attempts: a row is written before each call and settled after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from core.states import AnswerClass, Spend
from db import batches, budgets, circuits, jobs
from db.budgets import FREE, Tariff
from db.cancels import CALLED_OFF
from db.jobs import ClaimedJob
from db.statements import text

# Leases are renewed before a third of them is gone. One with less than a third left belongs to a worker that was
# frozen, and would lapse in the middle of the call: the job would be rescued, and called and paid for once more.
_LEASE_SHARE_LEFT = 1 / 3

MESSAGE_CHARS = 2000

# The row and its reservation are of one transaction, and so of one day.
_RESERVED = "batch_id, account, price, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one execution came to, as it is kept; without `was_sent` its call never left, and is none."""

    answer_class: AnswerClass
    code: str
    message: str
    spend: Spend = Spend.NONE
    counted: bool = True
    was_sent: bool = True
    http_status: int | None = None
    request_id: str | None = None
    latency_seconds: float | None = None
    permit_wait_seconds: float | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    raw: str | None = None


def open_call(
    connection: Connection, job: ClaimedJob, *, worker: str, account: str, tariff: Tariff = FREE
) -> int | None:
    """Write the row that says "a call is about to be sent" and return its id.

    None when the call must not be made any more: the lease is lost or about to lapse, the batch was paused or
    cancelled, the account's circuit is open and this job is not its probe, or the budget is used up, which pauses the
    batch.
    """
    is_open = circuits.find_open(connection, account) is not None
    if is_open and not circuits.may_probe(connection, account, job.id):
        return None
    budgets.hold_limits(connection, job.batch_id)
    is_limited = tariff.daily_calls is not None or budgets.is_limited(connection, job.batch_id)
    if not (is_open or is_limited):
        return _insert_open(connection, job, worker=worker, account=account, tariff=tariff)
    savepoint = connection.begin_nested()
    if is_limited and not budgets.reserve(connection, batch_id=job.batch_id, account=account, tariff=tariff):
        savepoint.rollback()
        batches.pause(connection, job.batch_id, budgets.PAUSE_REASON)
        return None
    attempt_id = _insert_open(connection, job, worker=worker, account=account, tariff=tariff)
    # Another may have become the probe since it was asked.
    if attempt_id is None or (is_open and not circuits.may_call(connection, account, job.id)):
        savepoint.rollback()
        return None
    savepoint.commit()
    return attempt_id


def open_calls(
    connection: Connection, jobs_to_call: Sequence[ClaimedJob], *, worker: str, account: str, price: Decimal
) -> dict[int, int]:
    """Write such rows for many jobs in one round trip; return their ids by job.

    Missing are those whose call must not be made, and those that `open_call` has to be asked about one by one: their
    batch has a limit, or the circuit is open. An account with a daily limit is not for this.

    Args:
        connection: An open transaction.
        jobs_to_call: Whose calls.
        worker: Who calls.
        account: For whom.
        price: Of a call.
    """
    statement = text(
        "SELECT * FROM open_calls(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:batch_ids AS bigint[]), "
        ":worker, :account, :price, CAST(:left AS double precision[]))"
    )
    each = sorted(jobs_to_call, key=lambda job: job.id)
    values = {
        "ids": [job.id for job in each],
        "tokens": [job.lease_token for job in each],
        "batch_ids": [job.batch_id for job in each],
        "worker": worker,
        "account": account,
        "price": price,
        "left": [job.lease_seconds * _LEASE_SHARE_LEFT for job in each],
    }
    return {row.job_id: row.attempt_id for row in connection.execute(statement, values)}


def _insert_open(connection: Connection, job: ClaimedJob, *, worker: str, account: str, tariff: Tariff) -> int | None:
    statement = text(
        "INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, price, sent_at, spend) "  # noqa: S608
        "SELECT j.id, j.batch_id, j.lease_token, :worker, :account, :price, clock_timestamp(), 'maybe' "
        "FROM jobs AS j JOIN batches AS b ON b.id = j.batch_id "
        "WHERE j.id = :id AND j.lease_token = :token AND j.state = 'running' AND b.state = 'active' "
        f"AND NOT {CALLED_OFF} AND j.lease_expires_at > now() + make_interval(secs => :left) "
        # A rescue that is under way is waited for; after it the token is another.
        "FOR NO KEY UPDATE OF j RETURNING id"
    )
    values = {
        "id": job.id,
        "token": job.lease_token,
        "worker": worker,
        "account": account,
        "price": tariff.price,
        "left": job.lease_seconds * _LEASE_SHARE_LEFT,
    }
    return connection.execute(statement, values).scalar_one_or_none()


def withdraw(connection: Connection, attempt_id: int) -> None:
    """Forget an opened call that was never sent, and return what was reserved for it."""
    is_limited = _lock(connection, attempt_id, returns_price=True, returns_call=True)
    statement = text(f"DELETE FROM attempts WHERE id = :id AND answered_at IS NULL RETURNING {_RESERVED}")  # noqa: S608
    row = connection.execute(statement, {"id": attempt_id}).one_or_none()
    if row is not None:
        _return_call(connection, row, is_limited=is_limited)


def withdraw_unsent(connection: Connection, job: ClaimedJob) -> None:
    """Forget the call of this lease, if one was opened: whoever opened it was not told, and sent nothing."""
    statement = text("SELECT id FROM attempts WHERE job_id = :id AND lease_token = :token AND answered_at IS NULL")
    for attempt_id in connection.execute(statement, jobs.whose(job)).scalars().all():
        withdraw(connection, attempt_id)


def withdraw_each(connection: Connection, calls: Mapping[int, int]) -> set[int]:
    """Forget many calls that were opened without a reservation and never sent; return those that are forgotten.

    Missing are those whose batch has limits by now, and those that were settled: `withdraw` is for these.

    They are given as their batches, by attempt.
    """
    statement = text("SELECT * FROM withdraw_calls(CAST(:ids AS bigint[]), CAST(:batch_ids AS bigint[]))")
    values = {"ids": sorted(calls), "batch_ids": sorted(set(calls.values()))}
    return set(connection.execute(statement, values).scalars())


def settle(connection: Connection, attempt_id: int, outcome: AttemptResult, *, others: Sequence[int] = ()) -> bool:
    """Write down how a call ended, and return what was reserved for it and not used; False when already done.

    Args:
        connection: An open transaction.
        attempt_id: The call.
        outcome: How it ended.
        others: Calls that are written later in this transaction, with their jobs and batches; all are locked here.
    """
    is_refunded = outcome.spend is Spend.NONE
    is_limited = _lock(connection, attempt_id, others, returns_price=is_refunded, returns_call=not outcome.was_sent)
    row = _settle(connection, attempt_id, outcome)
    if row is not None and not outcome.was_sent:
        _return_call(connection, row, is_limited=is_limited)
    elif row is not None and is_refunded and is_limited:
        budgets.refund(connection, row.batch_id, row.price)
    return row is not None


def _settle(connection: Connection, attempt_id: int, outcome: AttemptResult) -> Row[Any] | None:
    statement = text(
        "UPDATE attempts SET answered_at = clock_timestamp(), answer_class = :answer_class, code = :code, "  # noqa: S608
        "message = :message, spend = :spend, counted = :counted, http_status = :http_status, "
        "request_id = :request_id, latency_seconds = CAST(:latency_seconds AS double precision), "
        "permit_wait_seconds = :permit_wait_seconds, "
        "bytes_sent = :bytes_sent, bytes_received = :bytes_received, raw = :raw, "
        "sent_at = CASE WHEN :was_sent THEN clock_timestamp() - "
        "make_interval(secs => coalesce(CAST(:latency_seconds AS double precision), 0)) END "
        f"WHERE id = :id AND answered_at IS NULL RETURNING {_RESERVED}"
    )
    values = _values(outcome) | {"id": attempt_id, "was_sent": outcome.was_sent}
    return connection.execute(statement, values).one_or_none()


def note_received(connection: Connection, attempt_id: int, bytes_received: int, *, keep_raw: bool) -> None:
    """Write down how large the output of a call was; the raw answer is kept only when something was wrong with it."""
    statement = text("UPDATE attempts SET bytes_received = :bytes, raw = CASE WHEN :keep THEN raw END WHERE id = :id")
    connection.execute(statement, {"id": attempt_id, "bytes": bytes_received, "keep": keep_raw})


def note_without_call(connection: Connection, job: ClaimedJob, outcome: AttemptResult, *, worker: str) -> None:
    """Write a row for an execution that ended before anything was sent (a photo that cannot be used)."""
    statement = text(
        "INSERT INTO attempts (job_id, batch_id, lease_token, worker, answered_at, answer_class, code, message, "
        "spend, counted, http_status, request_id, latency_seconds, permit_wait_seconds, bytes_sent, bytes_received, "
        "raw) VALUES (:job_id, :batch_id, :token, :worker, clock_timestamp(), :answer_class, :code, :message, :spend, "
        ":counted, :http_status, :request_id, :latency_seconds, :permit_wait_seconds, :bytes_sent, :bytes_received, "
        ":raw)"
    )
    whose = {"job_id": job.id, "batch_id": job.batch_id, "token": job.lease_token, "worker": worker}
    connection.execute(statement, _values(outcome) | whose)


def count_code(connection: Connection, job_id: int, code: str) -> int:
    """Return how many of a job's attempts ended with this code since it was last requeued."""
    statement = text(
        "SELECT count(*) FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id WHERE j.id = :id AND a.code = :code "
        "AND (j.requeued_at IS NULL OR a.created_at > j.requeued_at)"
    )
    return int(connection.execute(statement, {"id": job_id, "code": code}).scalar_one())


def list_codes(connection: Connection, job_id: int) -> list[tuple[str, str]]:
    """Return the codes, each with its message, that a job's attempts ended with since it was last requeued."""
    statement = text(
        "SELECT a.code, coalesce(a.message, '') AS message FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id "
        "WHERE j.id = :id AND a.code IS NOT NULL AND (j.requeued_at IS NULL OR a.created_at > j.requeued_at)"
    )
    return [(row.code, row.message) for row in connection.execute(statement, {"id": job_id})]


def count_without_call(connection: Connection, job_id: int) -> int:
    """Return how often a job's photo or output could not be fetched since its last call, and since it was requeued."""
    statement = text(
        "SELECT count(*) FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id WHERE j.id = :id AND a.account IS NULL "
        "AND (j.requeued_at IS NULL OR a.created_at > j.requeued_at) AND a.id > coalesce("
        "(SELECT max(c.id) FROM attempts AS c WHERE c.job_id = :id AND c.account IS NOT NULL), 0)"
    )
    return int(connection.execute(statement, {"id": job_id}).scalar_one())


def mean_latency_seconds(connection: Connection) -> float | None:
    """Return the mean latency of the last calls that were answered, or None when there are none."""
    statement = text(
        "SELECT avg(latency_seconds) FROM (SELECT latency_seconds FROM attempts WHERE answer_class = 'success' "
        "AND id > (SELECT coalesce(max(id), 0) - 200 FROM attempts) ORDER BY id DESC LIMIT 50) AS newest"
    )
    value = connection.execute(statement).scalar_one_or_none()
    return float(value) if value is not None else None


def _lock(
    connection: Connection, attempt_id: int, others: Sequence[int] = (), *, returns_price: bool, returns_call: bool
) -> bool:
    """Lock what is written when a call ends, in the order of `db.locks.ORDER`: calls with what they belong to.

    Returns:
        Whether something has to be returned to the batch, as it has limits.
    """
    ids = sorted({attempt_id, *others})
    statement = text(f"SELECT id, job_id, {_RESERVED} FROM attempts WHERE id = ANY(:ids)")  # noqa: S608
    found = {row.id: row for row in connection.execute(statement, {"ids": ids})}
    own = found.get(attempt_id)
    if own is None:
        return False
    is_limited = False
    batch_ids = {row.batch_id for row in found.values() if row.id != attempt_id}
    if returns_price or returns_call:
        budgets.hold_limits(connection, own.batch_id)
        is_limited = budgets.is_limited(connection, own.batch_id)
    if is_limited:
        batch_ids.add(own.batch_id)
    if batch_ids:
        batches.lock(connection, *batch_ids)
    if returns_call:
        budgets.lock_day(connection, own.account, own.day)
    jobs.lock(connection, *{row.job_id for row in found.values()})
    if others:
        locked = text("SELECT 1 FROM attempts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
        connection.execute(locked, {"ids": ids})
    return is_limited


def _return_call(connection: Connection, row: Row[Any], *, is_limited: bool) -> None:
    if is_limited:
        budgets.withdraw(connection, row.batch_id, row.price)
    budgets.withdraw_today(connection, row.account, row.day)


def _values(outcome: AttemptResult) -> dict[str, object]:
    return {
        "answer_class": outcome.answer_class.value,
        "code": outcome.code,
        "message": outcome.message[:MESSAGE_CHARS],
        "spend": outcome.spend.value,
        "counted": outcome.counted,
        "http_status": outcome.http_status,
        "request_id": outcome.request_id,
        "latency_seconds": outcome.latency_seconds,
        "permit_wait_seconds": outcome.permit_wait_seconds,
        "bytes_sent": outcome.bytes_sent,
        "bytes_received": outcome.bytes_received,
        "raw": outcome.raw,
    }
