"""Rows to test with."""

from functools import partial

from sqlalchemy import Connection, Engine, text

from core.settings import OnMaybeBilled
from core.states import Lane
from db import attempts, batches, jobs, rescues, twins
from db.budgets import FREE, Tariff
from db.jobs import ClaimedJob
from db.live import STATE
from db.twins import Noted, Twin
from worker.policy import RetryRules, decide_lost

ACCOUNT = "test-account"
RULES = RetryRules(max_attempts=5, base_seconds=1, cap_seconds=60, on_maybe_billed=OnMaybeBilled.RETRY)
HOLD = RetryRules(max_attempts=5, base_seconds=1, cap_seconds=60, on_maybe_billed=OnMaybeBilled.HOLD)
OUTPUT = "an output"
ENDED = {"succeeded", "dead", "held", "cancelled"}


def make_batch(engine: Engine, count: int, *, lane: Lane = Lane.BULK, queued: bool = False) -> list[int]:
    """Insert an active batch with `count` jobs and return their ids."""
    with engine.begin() as connection:
        batch_id = batches.create(connection, name="test", source_key="test", lane=lane, options="{}")
        job_ids = list(
            connection.execute(
                text(
                    "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, elements, subject_elements) "
                    "SELECT :batch, 'pending', 'file:///nowhere/' || n, n::text, n || '.jpg', '{1,2,3,4}', '{1}' "
                    "FROM generate_series(1, :count) AS n ORDER BY n RETURNING id"
                ),
                {"batch": batch_id, "count": count},
            ).scalars()
        )
        if queued:
            enqueue(connection)
        return job_ids


def enqueue(connection: Connection, which: str = "true", **values: object) -> None:
    """Mark those of the pending jobs as queued that are not, and for which a condition holds, as SQL."""
    statement = text(
        "INSERT INTO queued_jobs (job_id, batch_id) "
        f"SELECT id, batch_id FROM jobs WHERE state = 'pending' AND ({which}) "
        "ORDER BY id ON CONFLICT DO NOTHING"
    )
    connection.execute(statement, values)


def keep_output(connection: Connection) -> None:
    """Insert the artifact that photos have which nobody really cleaned, without its bytes."""
    statement = text("INSERT INTO artifacts VALUES (:output, 'postgres:', 1, 'JPEG', 1, 1) ON CONFLICT DO NOTHING")
    connection.execute(statement, {"output": OUTPUT})


def put(connection: Connection, state: str, which: str = "true", **values: object) -> None:
    """Put jobs into a state with all that the database asks of one there, however they were before.

    Args:
        connection: An open transaction.
        state: Where to.
        which: A condition, as SQL.
        values: What else they hold, by column. What succeeded has an output in any case.
    """
    needed = {
        "lease_token": "gen_random_uuid()" if state == "running" else "NULL",
        "lease_expires_at": "now() + interval '1 minute'" if state == "running" else "NULL",
        "finished_at": "now()" if state in ENDED else "NULL",
        "artifact_sha256": {"succeeded": f"'{OUTPUT}'", "held": "artifact_sha256"}.get(state, "NULL"),
        "code": {"succeeded": "'200'", "dead": "'801'", "held": "'unchanged'"}.get(state, "code"),
    }
    if state == "succeeded":
        keep_output(connection)
    told = ", ".join(
        f"{column} = {value}" for column, value in (needed | {name: f":{name}" for name in values}).items()
    )
    column = "pending" if state == "queued" else state
    found = f"SELECT id FROM jobs WHERE {which}"
    ids = {"ids": list(connection.execute(text(found), values).scalars())}
    connection.execute(text("DELETE FROM queued_jobs WHERE job_id = ANY(:ids)"), ids)
    statement = text(f"UPDATE jobs SET state = :state, {told} WHERE id = ANY(:ids)")
    connection.execute(statement, {"state": column, **ids, **values})
    if state == "queued":
        enqueue(connection, "id = ANY(:ids)", **ids)


def claim(engine: Engine, job_id: int) -> ClaimedJob | None:
    """Claim a job as a worker would."""
    with engine.begin() as connection:
        return jobs.claim(connection, job_id, worker="w", lease_seconds=30)


def note_source(connection: Connection, job: ClaimedJob, sha256: str, content_key: str) -> Twin | None:
    """Write down what a job's source is, and return its twin, if it has one."""
    return twins.note_source(connection, Noted(job, sha256, content_key, 1, 600, 600)).twin


def call(engine: Engine, job_id: int, tariff: Tariff = FREE, account: str = ACCOUNT) -> int | None:
    """Claim a queued job and open its call as a worker would; return the attempt's id, or None without one."""
    job = claim(engine, job_id)
    if job is None:
        return None
    with engine.begin() as connection:
        return attempts.open_call(connection, job, worker="w", account=account, tariff=tariff)


def rescue(connection: Connection, rules: RetryRules = RULES) -> list[rescues.Rescued]:
    """Take back what silent workers left, as the dispatcher would."""
    return rescues.rescue(connection, partial(decide_lost, rules=rules))


def state_of(engine: Engine, job_id: int) -> str:
    """Return a job's state."""
    with engine.connect() as connection:
        return str(
            connection.execute(text(f"SELECT {STATE} FROM jobs AS j WHERE id = :id"), {"id": job_id}).scalar_one()
        )
