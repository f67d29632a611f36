"""Sending jobs round again: those that died, wait for a person, were cancelled, or were not called for.

Of many the first go at once and the rest bit by bit, as `requeues` keeps what was asked: nobody who calls for the batch
waits until a million rows are written. A job that ends again meanwhile is not sent twice, and a cancel ends it.
"""

from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection

from core.states import NOTHING_TO_REMOVE, JobState
from db import batches, jobs, tallies
from db.cancels import CALLED_OFF, CANCELLED, states_in_order
from db.listings import SUCCESS_CODE
from db.live import running_of
from db.plans import by_key, in_index_order
from db.statements import text

AT_ONCE = 1_000
"""Rows that are written in one transaction: so few that what else the dispatcher does goes on between."""

_AGAIN = (
    "state = 'pending', attempts = 0, lost_in_row = 0, artifact_sha256 = NULL, finished_at = NULL, "
    "proof = NULL, must_call = j.must_call OR j.state = 'succeeded', "
    "is_bare = j.is_bare AND j.state <> 'succeeded', "
    # What was cancelled or skipped was not tried in vain, so what is known of its twins still holds for it.
    "requeues = j.requeues + CASE WHEN j.state IN ('dead', 'held') THEN 1 ELSE 0 END, "
    # The clock's time, under a lock on the batch: it tells whether a cancel came before or after.
    "available_at = clock_timestamp(), requeued_at = clock_timestamp()"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs of a batch go round again.

    Args:
        batch_id: Whose.
        state: Where they stand: `dead`, `held` or `cancelled`.
        code: Only those that ended with this code, such as `801`; None for all.
        message: Only those that ended with this message, whatever its numbers; None for all.
        after_id: Only those after this job.
    """

    batch_id: int
    state: str
    code: str | None
    message: str | None
    after_id: int = 0


def requeue(
    connection: Connection,
    batch_id: int,
    code: str | None = None,
    *,
    message: str | None = None,
    state: JobState = JobState.DEAD,
) -> int:
    """Send a batch's jobs of one state round again with their attempts reset. Return how many.

    An output that is paid for and was not fetched keeps its link. Only the first jobs go here; `go_on` sends the rest.

    Args:
        connection: An open transaction.
        batch_id: Whose jobs.
        code: Only those that ended with this code, such as `801`; None for all.
        message: Only those that ended with this message, whatever its numbers; None for all.
        state: `dead`, or `held` for those that wait for a person, or `cancelled`, which includes those that are about
            to be, or `succeeded` for those that were not called, as nothing was found on them.
    """
    # A message is compared with every row's, which may be more than other statements may take.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    by_key(connection)
    wanted = Wanted(batch_id, state.value, code, message)
    # Before others are looked for: one that comes back meanwhile is among them. Nothing is locked yet, as looking takes
    # its time: while somebody keeps the row of one that runs, nobody prolongs its lease.
    running = _find_running(connection, wanted) if state is JobState.CANCELLED else []
    ids = _find_next(connection, wanted)
    rest = 0
    if len(ids) == AT_ONCE:
        wanted = replace(wanted, after_id=ids[-1])
        rest = _count_rest(connection, wanted, AT_ONCE)
    batches.lock(connection, batch_id)
    if rest:
        statement = text(
            "INSERT INTO requeues (batch_id, state, code, message, after_id) "
            "VALUES (:batch_id, :state, :code, :message, :after_id)"
        )
        connection.execute(statement, asdict(wanted))
    count = revive(connection, running + ids) if running else _send(connection, _STANDS[state], ids)
    if count:
        batches.reopen(connection, batch_id)
    return count + rest


@dataclass(frozen=True, slots=True)
class Candidates:
    """Jobs that would go round again.

    Args:
        ids: The first of them.
        rest: How many there are besides.
    """

    ids: list[int]
    rest: int


def find(connection: Connection, wanted: Wanted, most: int) -> Candidates:
    """Return the jobs that `requeue` would send, the first so many by id; nothing is changed."""
    running = _find_running(connection, wanted) if wanted.state == JobState.CANCELLED else []
    values = {**asdict(wanted), "most": most}
    ids = list(connection.execute(text(_found(wanted)), values).scalars())
    rest = _count_rest(connection, replace(wanted, after_id=ids[-1]), len(ids)) if len(ids) == most else 0
    return Candidates(running + ids, rest)


def go_on(connection: Connection) -> bool:
    """Send the next jobs of the oldest request that is not done; return whether there was one."""
    found = connection.execute(text("SELECT id FROM requeues ORDER BY id LIMIT 1")).scalar_one_or_none()
    if found is None:
        return False
    by_key(connection)
    wanted = _read(connection, found)
    if wanted is None:
        return True
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    ids = _find_next(connection, wanted, found)
    batches.lock(connection, wanted.batch_id)
    if _read(connection, found) != wanted:
        # It was cancelled, or another process was faster.
        return True
    if len(ids) < AT_ONCE:
        connection.execute(text("DELETE FROM requeues WHERE id = :id"), {"id": found})
    else:
        statement = text("UPDATE requeues SET after_id = :after WHERE id = :id")
        connection.execute(statement, {"id": found, "after": ids[-1]})
    if _send(connection, _STANDS[JobState(wanted.state)], ids):
        batches.reopen(connection, wanted.batch_id)
    return True


def requeue_one(connection: Connection, job_id: int) -> bool:
    """Send one dead, held, cancelled or uncalled job round again, attempts reset. Return whether it was one."""
    statement = text("SELECT batch_id FROM jobs WHERE id = :id")
    batch_id = connection.execute(statement, {"id": job_id}).scalar_one_or_none()
    if batch_id is None:
        return False
    # The batch before the job, as everybody who locks both does.
    batches.lock(connection, batch_id)
    failed = " OR ".join(_STANDS[state] for state in (JobState.DEAD, JobState.HELD, JobState.SUCCEEDED))
    if not (_send(connection, f"({failed})", [job_id]) or revive(connection, [job_id])):
        return False
    batches.reopen(connection, batch_id)
    return True


def requeue_some(connection: Connection, batch_id: int, job_ids: list[int]) -> int:
    """Send those of a batch's jobs that are dead, held, cancelled or were skipped round again; return how many."""
    batches.lock(connection, batch_id)
    failed = " OR ".join(_STANDS[state] for state in (JobState.DEAD, JobState.HELD, JobState.SUCCEEDED))
    count = _send(connection, f"({failed})", job_ids) + revive(connection, job_ids)
    if count:
        batches.reopen(connection, batch_id)
    return count


def revive(connection: Connection, job_ids: list[int]) -> int:
    """Ask again for jobs of a batch that is active and locked; return how many had been cancelled, and go on now."""
    jobs.lock(connection, *job_ids)
    statement = text(
        "UPDATE jobs AS j SET requeued_at = clock_timestamp() "  # noqa: S608
        f"WHERE j.id = ANY(:ids) AND {_of_batch(_RUNS_CALLED_OFF)}"
    )
    kept = connection.execute(statement, {"ids": job_ids}).rowcount
    return kept + _write(connection, _STANDS[JobState.CANCELLED], job_ids)


def shape_of(message: str) -> str:
    """Return, as SQL, a message but for its numbers: what jobs have in common that ended alike."""
    return f"regexp_replace(left(coalesce(CAST({message} AS text), ''), 1000), '[0-9]+', '#', 'g')"


def _of_batch(condition: str) -> str:
    """Return, as SQL, a condition on a job `j` and its batch `b`, which is looked at for each job by itself."""
    return f"(SELECT {condition} FROM batches AS b WHERE b.id = j.batch_id)"  # noqa: S608


_STANDS = {
    # Not plainly equal: what is constant is no order, and then a walk through all jobs by id is in order, too.
    JobState.DEAD: "j.state || '' = 'dead'",
    JobState.HELD: "j.state || '' = 'held'",
    # Of these only what was not called for.
    JobState.SUCCEEDED: f"(j.state || '' = 'succeeded' AND j.code = '{NOTHING_TO_REMOVE}')",
    JobState.CANCELLED: f"(j.state <> 'running' AND {CANCELLED})",
}
_RUNS_CALLED_OFF = f"j.state || '' = 'running' AND {CALLED_OFF}"
_OF_MESSAGE = f"(CAST(:message AS text) IS NULL OR {shape_of('j.message')} = {shape_of(':message')})"
_ALIKE = f"(CAST(:code AS text) IS NULL OR j.code = :code) AND {_OF_MESSAGE}"
# Unless its batch is being cleared, none of its jobs is called off whose row does not say so.
_OF_CANCELLED = ("cancelled", "pending")


def _found(wanted: Wanted, also: str = "true") -> str:
    """Return, as SQL, the next `:most` of the wanted jobs, by id."""
    state = JobState(wanted.state)
    if wanted.code not in {None, SUCCESS_CODE} and state is not JobState.CANCELLED:
        order = in_index_order("batch_id", "code", start=":after_id", values=(":batch_id", ":code"))
        return (
            f"SELECT j.id FROM jobs AS j WHERE j.code <> '{SUCCESS_CODE}' AND {_OF_MESSAGE} AND {also} "  # noqa: S608
            f"AND {_STANDS[state]} AND {order} LIMIT :most"
        )
    states: tuple[str, ...] = (wanted.state,)
    condition = f"{_ALIKE} AND {also} AND {_STANDS[state]}"
    if state is JobState.CANCELLED:
        states = _OF_CANCELLED
        condition += " AND (of_state = 'cancelled' OR b.is_clearing)"
    return (
        "SELECT found.id FROM (SELECT * FROM batches WHERE id = :batch_id OFFSET 0) AS b "  # noqa: S608
        f"CROSS JOIN LATERAL ({states_in_order(states, condition)}) AS found ORDER BY found.id LIMIT :most"
    )


def _find_running(connection: Connection, wanted: Wanted) -> list[int]:
    """Return the jobs that a cancel found running."""
    statement = text(
        f"SELECT j.id FROM {running_of(':batch_id')} AS j WHERE {_ALIKE} AND {_of_batch(CALLED_OFF)}"  # noqa: S608
    )
    return sorted(connection.execute(statement, asdict(wanted)).scalars())


def _find_next(connection: Connection, wanted: Wanted, request: int | None = None) -> list[int]:
    """Return the next jobs; of a request only those that had ended when it was made, unless they were cancelled."""
    statement = _found(
        wanted,
        "(CAST(:request AS bigint) IS NULL OR :state = 'cancelled' OR j.finished_at IS NULL "
        "OR j.finished_at <= (SELECT asked_at FROM requeues WHERE id = :request))",
    )
    values = {**asdict(wanted), "request": request, "most": AT_ONCE}
    return list(connection.execute(text(statement), values).scalars())


def _count_rest(connection: Connection, wanted: Wanted, first: int) -> int:
    """Return how many there are after the first so many, which stand as they did."""
    if wanted.state != JobState.CANCELLED and wanted.code is None and wanted.message is None:
        # It is kept count of.
        return max(0, int(tallies.counts(connection, wanted.batch_id).as_dict()[wanted.state]) - first)
    statement = text(f"SELECT count(*) FROM ({_found(wanted)}) AS rest")  # noqa: S608
    return int(connection.execute(statement, {**asdict(wanted), "most": None}).scalar_one())


def _send(connection: Connection, stands: str, ids: list[int]) -> int:
    jobs.lock(connection, *ids)
    return _write(connection, stands, ids)


def _write(connection: Connection, stands: str, ids: list[int]) -> int:
    statement = text(
        f"UPDATE jobs AS j SET {_AGAIN} WHERE j.id = ANY(:ids) AND {_of_batch(stands)}"  # noqa: S608
    )
    return connection.execute(statement, {"ids": ids}).rowcount


def _read(connection: Connection, request: int) -> Wanted | None:
    statement = text("SELECT batch_id, state, code, message, after_id FROM requeues WHERE id = :id")
    row = connection.execute(statement, {"id": request}).one_or_none()
    return Wanted(*row) if row else None
