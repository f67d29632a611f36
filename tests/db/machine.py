"""Everything that can be done with batches and jobs, as steps that any sequence may be made of.

Functions are named where they are called, so that a test can see which are.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.called import Called
from core.errors import LeaseLost
from core.settings import OnMaybeBilled
from core.states import AnswerClass, JobState, Lane
from db import (
    attempts,
    batches,
    budgets,
    canaries,
    cancels,
    circuits,
    decisions,
    jobs,
    outages,
    queue,
    redo,
    requeues,
    rescues,
    restores,
    reviews,
    success,
)
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.jobs import Changed, ClaimedJob
from db.live import STATE
from db.outages import Fault, ProbeRules
from db.success import Clean
from tests.db.rows import ACCOUNT, OUTPUT
from worker.policy import RetryRules, decide_lost

TARIFF = Tariff(Decimal("0.01"), daily_calls=1_000)
FAULT = AttemptResult(AnswerClass.PROVIDER_FAULT, "801", "down", latency_seconds=0.0)
MOST_BATCHES = 12

ANY_FROM = 18
"""From this number on, a step is tried with a row of any state, though it is not made for most."""
NUMBERS = range(24)

Step = Callable[["Rows", Connection, int], object]
"""Something that is done; the number, one of `NUMBERS`, says with which row, counted round and round."""


class Rows:
    """Batches and jobs, and what workers hold of them."""

    def __init__(self) -> None:
        self.claimed: list[ClaimedJob] = []
        self.redone = 0

    @staticmethod
    def pick(connection: Connection, number: int, *states: str) -> int | None:
        """Return the id of a job in one of these states, or of any; None when there is none."""
        found = text(f"SELECT id FROM jobs AS j WHERE :any OR {STATE} = ANY(:states) ORDER BY id")
        values = {"any": number >= ANY_FROM, "states": list(states)}
        ids = list(connection.execute(found, values).scalars())
        return ids[number % len(ids)] if ids else None


def hand_in(_rows: Rows, connection: Connection, number: int) -> None:
    """Make a batch of one to six jobs, if there are not many yet; every other one has a canary."""
    have = connection.execute(text("SELECT count(*) FROM batches")).scalar_one()
    if have >= MOST_BATCHES:
        return
    batch_id = batches.create(connection, name="b", source_key=str(have), lane=Lane.BULK, options="{}")
    connection.execute(
        text(
            "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, elements, subject_elements) "
            "SELECT :batch, 'pending', 'file:///nowhere', n::text, 'n', '{1}', '{1}' FROM generate_series(1, :n) AS n"
        ),
        {"batch": batch_id, "n": 1 + number % 6},
    )
    if number % 2:
        canaries.choose(connection, batch_id, 1)


def dispatch(_rows: Rows, connection: Connection, number: int) -> None:
    for lane in Lane:
        queue.queue_due(connection, lane, 1 + number % 8)


def probe(_rows: Rows, connection: Connection, _number: int) -> None:
    circuits.queue_probe(connection, ACCOUNT)


def lose_message(rows: Rows, connection: Connection, number: int) -> None:
    job_id = rows.pick(connection, number, "queued")
    if job_id is not None:
        found = text("SELECT dispatch FROM queued_jobs WHERE job_id = :id")
        dispatch = connection.execute(found, {"id": job_id}).scalar_one_or_none() or 0
        queue.unqueue(connection, [(job_id, dispatch)])


def rescue(_rows: Rows, connection: Connection, number: int) -> None:
    connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'"))
    rules = RetryRules(1 + number % 3, 1, 60, OnMaybeBilled.HOLD if number % 2 == 0 else OnMaybeBilled.RETRY)
    rescues.rescue(connection, partial(decide_lost, rules=rules))


def go_round(_rows: Rows, connection: Connection, number: int) -> None:
    canaries.judge(connection, number % 2)
    batches.finish_settled(connection)
    cancels.cancel_stragglers(connection)
    budgets.resume_affordable(connection, ACCOUNT, TARIFF)


def claim(rows: Rows, connection: Connection, number: int) -> ClaimedJob | None:
    """Claim a job, and open its call two times out of three."""
    job_id = rows.pick(connection, number, "queued")
    job = None if job_id is None else jobs.claim(connection, job_id, worker="w", lease_seconds=30)
    if job is not None:
        rows.claimed.append(job)
        if number % 3:
            attempts.open_call(connection, job, worker="w", account=ACCOUNT, tariff=TARIFF)
    return job


def go_back(rows: Rows, connection: Connection, number: int) -> None:
    """Learn that a photo was called for after the backup that the database went back to."""
    job_id = rows.pick(connection, number, "pending", "queued", "running")
    if job_id is not None:
        newest = connection.execute(text("SELECT nextval(pg_get_serial_sequence('attempts', 'id'))")).scalar_one()
        later = datetime.now(UTC) + timedelta(hours=1)
        restores.note(connection, [Called(newest + 1, job_id, later, ACCOUNT)], price=Decimal("0.01"))


def end(how: Callable[[Connection, ClaimedJob], object], rows: Rows, connection: Connection, number: int) -> None:
    """End what a worker runs, or gets now; it may be another's by then."""
    if not rows.claimed:
        dispatch(rows, connection, number)
        claim(rows, connection, number % ANY_FROM)
    if rows.claimed:
        with suppress(LeaseLost):
            how(connection, rows.claimed.pop(number % len(rows.claimed)))


def hold(connection: Connection, job: ClaimedJob) -> None:
    jobs.hold(connection, job, artifact_sha256=OUTPUT, changed=Changed(0.0), code="unchanged", message="", spent=1)


def succeed_with_others(connection: Connection, job: ClaimedJob) -> None:
    with suppress(DBAPIError), connection.begin_nested():
        success.succeed_each(connection, [Clean(job, 0, OUTPUT, b"", "", "JPEG", 1, 1, Changed(0.1), 1)])


def hold_like_its_twin(connection: Connection, job: ClaimedJob) -> None:
    jobs.stop(connection, job, state="held", code="unchanged", message="", spent=0, artifact_sha256=OUTPUT)


def give_back_to_a_cancelled_batch(connection: Connection, job: ClaimedJob) -> None:
    cancels.cancel(connection, job.batch_id)
    jobs.give_back(connection, job, delay_seconds=0, spent=0)


ENDS: dict[str, Callable[[Connection, ClaimedJob], object]] = {
    "succeed": lambda connection, job: success.succeed(connection, job, artifact_sha256=OUTPUT),
    "succeed with others": succeed_with_others,
    "reuse": lambda connection, job: success.succeed(connection, job, artifact_sha256=OUTPUT, reused_from=1),
    "hold": hold,
    "hold like its twin": hold_like_its_twin,
    "hold without output": lambda connection, job: jobs.stop(
        connection, job, state="held", code="read_timeout", message="", spent=1
    ),
    "die": lambda connection, job: jobs.stop(connection, job, state="dead", code="703", message="", spent=1),
    "retry": lambda connection, job: jobs.give_back(connection, job, delay_seconds=0, spent=1, code="801"),
    "snooze": lambda connection, job: jobs.give_back(connection, job, delay_seconds=0, spent=0),
    "give back to a cancelled batch": give_back_to_a_cancelled_batch,
}


def meet_outage(_rows: Rows, connection: Connection, _number: int) -> None:
    """Let photos die one after the other, until the circuit opens and they live again."""
    circuits.close(connection, ACCOUNT)
    due = text("SELECT id FROM jobs WHERE state = 'pending' ORDER BY id")
    for job_id in list(connection.execute(due).scalars()):
        queue.queue_due(connection, Lane.BULK, 100)
        job = jobs.claim(connection, job_id, worker="w", lease_seconds=30)
        if job is None:
            continue
        call = attempts.open_call(connection, job, worker="w", account=ACCOUNT, tariff=TARIFF)
        if call is None:
            continue
        fault = Fault(job.id, call, FAULT.code, "")
        outlook = outages.look(connection, ACCOUNT, fault, lambda _: True)
        attempts.settle(connection, call, FAULT, others=outlook.others)
        outages.note_fault(connection, ACCOUNT, fault, ProbeRules(), outlook)
        if outlook.is_outage:
            jobs.give_back(connection, job, delay_seconds=0, spent=0)
        else:
            jobs.stop(connection, job, state="dead", code=FAULT.code, message="", spent=1)


def steer(how: Callable[[Connection, int], object], _rows: Rows, connection: Connection, number: int) -> None:
    """Do something with a batch."""
    ids = list(connection.execute(text("SELECT id FROM batches ORDER BY id")).scalars())
    if ids:
        how(connection, ids[number % len(ids)])


def resume(connection: Connection, batch_id: int) -> None:
    batches.resume(connection, batch_id)


def cancel(connection: Connection, batch_id: int) -> None:
    cancels.cancel(connection, batch_id)


def reopen(connection: Connection, batch_id: int) -> None:
    batches.reopen(connection, batch_id)


STEERS: dict[str, Callable[[Connection, int], object]] = {
    "pause by hand": lambda connection, batch_id: batches.pause(connection, batch_id, "hand"),
    "pause for want of budget": lambda connection, batch_id: batches.pause(connection, batch_id, "budget"),
    "resume": resume,
    "cancel": cancel,
    "reopen": reopen,
    "requeue the dead": lambda connection, batch_id: requeues.requeue(connection, batch_id, None),
    "requeue the held": lambda connection, batch_id: requeues.requeue(connection, batch_id, None, state=JobState.HELD),
    "limit": lambda connection, batch_id: budgets.set_limits(connection, batch_id, max_calls=9, max_cost=None),
}


def decide(
    how: Callable[[Connection, int], object], state: str, rows: Rows, connection: Connection, number: int
) -> None:
    """Do something with one job."""
    job_id = rows.pick(connection, number, state)
    if job_id is not None:
        how(connection, job_id)


def requeue_one(connection: Connection, job_id: int) -> None:
    requeues.requeue_one(connection, job_id)


DECISIONS: dict[str, tuple[str, Callable[[Connection, int], object]]] = {
    "accept": ("held", lambda connection, job_id: reviews.accept(connection, [job_id])),
    "reject": ("held", lambda connection, job_id: reviews.reject(connection, [job_id])),
    "requeue one dead": ("dead", requeue_one),
    "requeue one held": ("held", requeue_one),
}


def take_back(rows: Rows, connection: Connection, number: int) -> None:
    """Decide about a photo, and take that back."""
    job_id = rows.pick(connection, number, "held", "succeeded")
    if job_id is None:
        return
    decided = (
        reviews.accept(connection, [job_id]) if number % 2 else reviews.reject(connection, [job_id], also_clean=True)
    )
    before = [review.before for review in decided if review.before is not None]
    decisions.undo(connection, decisions.keep(connection, 1, "somebody", before))


def do_again(rows: Rows, connection: Connection, number: int) -> None:
    """Ask for a photo to be done again, and two times out of three do so at once."""
    job_id = rows.pick(connection, number, *(("dead",) if number % 2 else ("succeeded", "held")))
    if job_id is None:
        return
    rows.redone += 1
    made = redo.add(connection, job_id, mask="box 1,1,9,9", input_uri=None, item_key=str(rows.redone)).job_id
    queue.queue_due(connection, Lane.INTERACTIVE, 100)
    job = jobs.claim(connection, made, worker="w", lease_seconds=30) if number % 3 else None
    if job is not None:
        success.succeed(connection, job, artifact_sha256=OUTPUT)


STEPS: dict[str, Step] = {
    **{
        step.__name__: step
        for step in (hand_in, dispatch, probe, lose_message, rescue, go_back, go_round, claim, meet_outage)
    },
    **{name: partial(end, how) for name, how in ENDS.items()},
    **{name: partial(steer, how) for name, how in STEERS.items()},
    **{name: partial(decide, how, state) for name, (state, how) in DECISIONS.items()},
    "do_again": do_again,
    "take_back": take_back,
}
