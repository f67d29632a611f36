"""Taking jobs back from workers that fell silent."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from core.decision import Decision, Move
from core.states import JobState
from db import restores
from db.cancels import CALLED_OFF
from db.live import LINK
from db.plans import by_key
from db.statements import text

LOST_CODE = "worker_lost"

_LOST_MESSAGE = "The worker fell silent during the call; it may have been billed."
_ENDS_WORKERS = (
    "Several workers in a row fell silent while they had this photo in hand: it may be what ends them. No call was "
    "made for it since. Look at the photo, or at why workers end; `retry` tries it again."
)
_OUTPUT_ENDS_WORKERS = (
    "Several workers in a row fell silent while they had this photo's paid output in hand: it may be what ends them. "
    "Its link is kept; `retry --held` tries it again, which costs no call while the link lives."
)
# One that waited for its call, or was in it, was read and made to fit before: neither is what ended its worker.
_IS_IN_HAND = "(w.job_id IS NULL OR w.output_url IS NOT NULL)"
_STATES = {
    Move.RETRY: JobState.PENDING,
    Move.SNOOZE: JobState.PENDING,
    Move.DEAD: JobState.DEAD,
    Move.HELD: JobState.HELD,
    Move.CANCELLED: JobState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A job whose worker fell silent, locked until it is decided what happens to it.

    Args:
        id: Which.
        batch_id: Its batch.
        lane: Its lane.
        attempts: Counted attempts so far.
        is_cancelled: Whether its batch was cancelled.
        attempt_id: The call that was on its way, and may have been billed; None when none was.
        age_seconds: Since its intake.
        lost_in_row: How many workers in a row fell silent while they had the photo or its output in hand, this one
            included; 0 when this one had not.
        is_paid: Whether its output is paid for, and was what the worker had in hand.
        is_of_backup: Whether the call was on its way when a backup was made that the database has gone back to since:
            it most likely ended well, and nobody here knows of it.
    """

    id: int
    batch_id: int
    lane: str
    attempts: int
    is_cancelled: bool
    attempt_id: int | None
    age_seconds: float
    lost_in_row: int
    is_paid: bool
    is_of_backup: bool = False


@dataclass(frozen=True, slots=True)
class Rescued:
    """A job that was taken back from a silent worker.

    Args:
        id: Which.
        state: Where it is now.
        batch_id: Its batch.
        lane: Its lane.
        attempt_id: The call that was on its way, and may have been billed; None when none was.
        age_seconds: Since its intake.
    """

    id: int
    state: str
    batch_id: int
    lane: str
    attempt_id: int | None
    age_seconds: float


def rescue(connection: Connection, decide: Callable[[Lapsed], Decision]) -> list[Rescued]:
    """Take back every job whose lease expired, and return them.

    A call that was on its way when its worker fell silent may have been billed, and is written down so.

    Args:
        connection: An open transaction.
        decide: Says what happens to a job.
    """
    by_key(connection)
    lapsed = _lock_lapsed(connection)
    decided = [(job, decide(job)) for job in lapsed]
    _take_back(connection, decided)
    return [
        Rescued(job.id, _STATES[decision.move], job.batch_id, job.lane, job.attempt_id, job.age_seconds)
        for job, decision in decided
    ]


def _lock_lapsed(connection: Connection) -> list[Lapsed]:
    # What others had noted when they let go of a job is seen by the next statement only.
    lock = text(
        "SELECT id FROM jobs WHERE lease_token IS NOT NULL AND lease_expires_at < now() "
        "ORDER BY batch_id, lease_token FOR UPDATE SKIP LOCKED"
    )
    locked = sorted(connection.execute(lock).scalars())
    if not locked:
        return []
    statement = text(
        f"""
        WITH lapsed AS (
            SELECT j.id, j.lease_token, j.attempts, j.batch_id, j.created_at,
                {LINK} IS NOT NULL AS is_paid,
                CASE WHEN {_IS_IN_HAND} THEN j.lost_in_row + 1 ELSE 0 END AS lost_in_row,
                (SELECT b.lane FROM batches AS b WHERE b.id = j.batch_id) AS lane,
                (SELECT {CALLED_OFF} FROM batches AS b WHERE b.id = j.batch_id) AS is_cancelled
            FROM jobs AS j
            LEFT JOIN LATERAL (SELECT * FROM job_notes WHERE job_id = j.id OFFSET 0) AS w ON true
            WHERE j.id = ANY(:ids) ORDER BY j.id
        ), lost AS (
            UPDATE attempts AS a SET answered_at = now(), answer_class = 'maybe_billed', code = :lost, message = :why
            WHERE a.id = ANY(ARRAY(
                SELECT o.id FROM lapsed CROSS JOIN LATERAL (
                    SELECT id FROM attempts WHERE job_id = lapsed.id AND lease_token = lapsed.lease_token
                    AND answered_at IS NULL OFFSET 0
                ) AS o
            )) AND a.answered_at IS NULL RETURNING a.job_id, a.id, a.sent_at
        )
        SELECT lapsed.id, lapsed.batch_id, lapsed.lane, lapsed.attempts, lapsed.is_cancelled, lost.id AS attempt_id,
            CAST(extract(epoch FROM now() - lapsed.created_at) AS double precision) AS age_seconds,
            lapsed.lost_in_row, lapsed.is_paid,
            coalesce(lost.sent_at <= (SELECT noticed_at FROM restores ORDER BY id DESC LIMIT 1), false)
        FROM lapsed LEFT JOIN lost ON lost.job_id = lapsed.id
        """  # noqa: S608
    )
    return [
        Lapsed(*row) for row in connection.execute(statement, {"ids": locked, "lost": LOST_CODE, "why": _LOST_MESSAGE})
    ]


def _take_back(connection: Connection, decided: list[tuple[Lapsed, Decision]]) -> None:
    statement = text(
        """
        WITH fate AS MATERIALIZED (
            SELECT * FROM unnest(
                CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:spent AS int[]), CAST(:called AS boolean[]),
                CAST(:delays AS double precision[]), CAST(:rows AS int[]), CAST(:reasons AS text[]),
                CAST(:codes AS text[])
            ) AS t (id, state, spent, was_called, delay, in_row, reason, told)
        )
        UPDATE jobs AS j SET
            state = fate.state, attempts = j.attempts + fate.spent,
            code = CASE WHEN fate.reason IS NULL THEN j.code ELSE fate.told END,
            message = coalesce(fate.reason, j.message), lost_in_row = fate.in_row,
            finished_at = CASE WHEN fate.state <> 'pending' THEN now() END,
            rescues = rescues + 1, available_at = clock_timestamp() + make_interval(secs => fate.delay),
            lease_token = NULL, lease_expires_at = NULL, worker = NULL
        FROM fate WHERE j.id = ANY(ARRAY(SELECT id FROM fate)) AND j.id = fate.id AND j.state || '' = 'running'
        """
    )
    values = {
        "ids": [job.id for job, _ in decided],
        "states": [_STATES[decision.move].value for _, decision in decided],
        "spent": [int(decision.counted) for _, decision in decided],
        "called": [job.attempt_id is not None for job, _ in decided],
        "delays": [float(decision.delay_seconds) for _, decision in decided],
        "rows": [job.lost_in_row for job, _ in decided],
        "reasons": [_reason_of(job, decision) for job, decision in decided],
        "codes": [restores.CODE if job.is_of_backup else LOST_CODE for job, _ in decided],
    }
    if decided:
        connection.execute(statement, values)


def _reason_of(job: Lapsed, decision: Decision) -> str | None:
    if job.is_of_backup:
        return restores.OPEN
    if job.attempt_id is not None:
        return _LOST_MESSAGE
    if decision.move is Move.DEAD:
        return _ENDS_WORKERS
    return _OUTPUT_ENDS_WORKERS if decision.move is Move.HELD else None
