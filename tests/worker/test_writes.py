"""What goes right is written together; what does not is told, so that it is done alone, and nothing is left of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from core.states import AnswerClass, JobState, Spend
from db import batches, budgets, circuits, jobs, locks, tallies
from db.attempts import AttemptResult
from db.jobs import Changed, ClaimedJob
from db.locks import Space
from db.paid import Paid
from db.success import Clean
from db.twins import Noted
from tests.db.rows import ACCOUNT, call, claim, make_batch, put, state_of
from tests.db.waiting import wait_for_lock
from worker.connections import Connections
from worker.writes import Writes

PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
T = TypeVar("T")

URI = "file:///outputs/ab.jpg"


@pytest.fixture
def writes(engine: Engine) -> Writes:
    lines = Connections(engine, engine, engine)
    return Writes(lines, worker="w", lease_seconds=30, account=ACCOUNT, price=Decimal("0.05"))


@pytest.fixture
def job(engine: Engine) -> ClaimedJob:
    [job_id] = make_batch(engine, 1, queued=True)
    claimed = claim(engine, job_id)
    assert claimed is not None
    return claimed


def one(engine: Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def clean(job: ClaimedJob, attempt_id: int, uri: str = "") -> Clean:
    return Clean(job, attempt_id, "ab", b"bytes", uri, "JPEG", 1, 1, Changed(0.1), 5)


def test_a_claim_whose_answer_was_lost_is_found_again_by_its_token(engine: Engine, writes: Writes) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    token = uuid4()
    first = writes.claim(job_id, token)
    assert first is not None
    again = writes.claim(job_id, token)
    assert again is not None
    assert (again.id, again.lease_token) == (first.id, first.lease_token) == (job_id, token)
    assert writes.claim(job_id, uuid4()) is None


def test_one_that_somebody_has_locked_keeps_no_other_waiting(engine: Engine, writes: Writes) -> None:
    locked, free = make_batch(engine, 2, queued=True)
    with engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": locked})
        assert writes.claim(locked, uuid4()) is None
        assert writes.claim(free, uuid4()) is not None


def test_many_claims_at_once_give_each_thread_its_own_job(engine: Engine, writes: Writes) -> None:
    ids = make_batch(engine, 40, queued=True)
    tokens: dict[int, UUID] = {job_id: uuid4() for job_id in ids}
    found: dict[int, ClaimedJob | None] = {}
    threads = [
        threading.Thread(target=lambda each=job_id: found.update({each: writes.claim(each, tokens[each])}))
        for job_id in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {job_id: job.lease_token for job_id, job in found.items() if job} == tokens


def test_of_identical_photos_the_second_sees_the_first(engine: Engine, writes: Writes) -> None:
    first, second = (claim(engine, job_id) for job_id in make_batch(engine, 2, queued=True))
    assert first is not None
    assert second is not None
    seen = writes.note(Noted(first, "s", "k", 1, 600, 600))
    assert seen is not None
    assert seen.twin is None
    seen = writes.note(Noted(second, "s", "k", 1, 600, 600))
    assert seen is not None
    assert seen.twin is not None
    assert (seen.twin.job_id, seen.twin.state) == (first.id, JobState.RUNNING)


@pytest.mark.parametrize("what", ["limited", "paused", "out", "lost"])
def test_a_call_that_may_not_be_made_or_has_to_be_reserved_is_not_opened(
    engine: Engine, writes: Writes, job: ClaimedJob, what: str
) -> None:
    with engine.begin() as connection:
        if what == "limited":
            budgets.set_limits(connection, job.batch_id, max_calls=5, max_cost=None)
        elif what == "paused":
            batches.pause(connection, job.batch_id, "hand")
        elif what == "out":
            circuits.trip(connection, ACCOUNT, reason="account", code="x", message="")
        else:
            connection.execute(text("UPDATE jobs SET lease_token = gen_random_uuid()"))
    assert writes.open(job) is None
    assert one(engine, "SELECT count(*) FROM attempts") == 0


def test_a_call_that_is_withdrawn_was_never_counted(engine: Engine, writes: Writes, job: ClaimedJob) -> None:
    opened = writes.open(job)
    assert opened is not None
    assert opened.is_free
    assert writes.withdraw(job, opened)
    assert one(engine, "SELECT count(*) FROM attempts") == 0
    with engine.begin() as connection:
        assert tallies.counts(connection, job.batch_id).calls == 0


def test_one_of_a_batch_that_has_a_limit_by_now_is_withdrawn_alone(
    engine: Engine, writes: Writes, job: ClaimedJob
) -> None:
    opened = writes.open(job)
    assert opened is not None
    with engine.begin() as connection:
        budgets.set_limits(connection, job.batch_id, max_calls=5, max_cost=None)
    assert not writes.withdraw(job, opened)
    assert one(engine, "SELECT calls_made FROM batches") == 1


def test_a_paid_answer_closes_the_circuit_that_opened_before_its_call(
    engine: Engine, writes: Writes, job: ClaimedJob
) -> None:
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="outage", code="x", message="")
        connection.execute(
            text("UPDATE circuits SET probe_job_id = :id, opened_at = now() - interval '1 s'"), {"id": job.id}
        )
    with engine.begin() as connection:
        put(connection, "queued")
    attempt_id = call(engine, job.id)
    assert attempt_id is not None
    token = one(engine, "SELECT lease_token FROM jobs")
    assert isinstance(token, UUID)
    ours = ClaimedJob(**{name: getattr(job, name) for name in job.__slots__} | {"lease_token": token})
    assert writes.note_paid(Paid(ours, attempt_id, PAID, "https://outputs.example/1"))
    assert one(engine, "SELECT is_open FROM circuits") is False
    assert one(engine, "SELECT output_url FROM job_notes") == "https://outputs.example/1"
    assert one(engine, "SELECT spend FROM attempts") == "paid"


def test_what_a_lost_lease_has_paid_for_is_not_written(engine: Engine, writes: Writes, job: ClaimedJob) -> None:
    opened = writes.open(job)
    assert opened is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_token = gen_random_uuid()"))
    assert not writes.note_paid(Paid(job, opened.attempt_id, PAID, "https://outputs.example/1"))
    assert one(engine, "SELECT answered_at IS NULL FROM attempts")
    assert not writes.succeed(clean(job, opened.attempt_id))
    assert state_of(engine, job.id) == "running"
    assert one(engine, "SELECT count(*) FROM artifacts") == 0


@pytest.mark.parametrize(("uri", "kept"), [("", 1), (URI, 0)], ids=["in the database", "in a store"])
def test_an_output_ends_its_job(engine: Engine, writes: Writes, job: ClaimedJob, uri: str, kept: int) -> None:
    opened = writes.open(job)
    assert opened is not None
    assert writes.note_paid(Paid(job, opened.attempt_id, PAID, "https://outputs.example/1"))
    assert writes.succeed(clean(job, opened.attempt_id, uri))
    assert state_of(engine, job.id) == "succeeded"
    assert one(engine, "SELECT uri FROM artifacts") == (uri or "postgres:ab")
    assert one(engine, "SELECT count(*) FROM artifact_bytes") == kept
    assert one(engine, "SELECT bytes_received FROM attempts") == 5
    assert one(engine, "SELECT attempts FROM jobs") == 1
    assert one(engine, "SELECT output_url FROM jobs") is None


def test_an_output_that_may_have_been_swept_is_kept_alone(engine: Engine, writes: Writes, job: ClaimedJob) -> None:
    opened = writes.open(job)
    assert opened is not None
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO swept_objects (uri, ended_at) VALUES (:uri, now())"), {"uri": URI})
    assert not writes.succeed(clean(job, opened.attempt_id, URI))
    assert state_of(engine, job.id) == "running"
    assert one(engine, "SELECT count(*) FROM artifacts") == 0


def while_the_row_moves(engine: Engine, job_id: int, work: Callable[[], T]) -> T:
    """Let something be written while another transaction has the job's row, and writes it anew."""
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET requeued_at = requeued_at WHERE id = :id"), {"id": job_id})
            working = pool.submit(work)
            assert wait_for_lock(engine, working)
        return working.result(60)


def test_a_paid_answer_is_written_though_the_row_moved_meanwhile(
    engine: Engine, writes: Writes, job: ClaimedJob
) -> None:
    opened = writes.open(job)
    assert opened is not None
    answer = Paid(job, opened.attempt_id, PAID, "https://outputs.example/1")
    assert while_the_row_moves(engine, job.id, lambda: writes.note_paid(answer))
    assert one(engine, "SELECT output_url FROM job_notes") == "https://outputs.example/1"
    assert one(engine, "SELECT spend FROM attempts") == "paid"


def test_a_source_and_an_output_are_written_though_the_row_moved_meanwhile(
    engine: Engine, writes: Writes, job: ClaimedJob
) -> None:
    noted = Noted(job, "s", "k", 1, 600, 600)
    assert while_the_row_moves(engine, job.id, lambda: writes.note(noted)) is not None
    opened = writes.open(job)
    assert opened is not None
    assert while_the_row_moves(engine, job.id, lambda: writes.succeed(clean(job, opened.attempt_id)))
    assert state_of(engine, job.id) == "succeeded"
    assert one(engine, "SELECT bytes_received FROM attempts") == 5


def test_a_claim_that_waits_for_itself_finds_its_job(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    token = uuid4()

    def claim_it() -> ClaimedJob | None:
        with engine.begin() as connection:
            return jobs.claim(connection, job_id, worker="w", lease_seconds=30, token=token)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            jobs.claim(connection, job_id, worker="w", lease_seconds=30, token=token)
            again = pool.submit(claim_it)
            assert wait_for_lock(engine, again)
        found = again.result(60)
    assert found is not None
    assert found.lease_token == token


@pytest.mark.parametrize("held", ["SELECT 1 FROM jobs FOR UPDATE", "limits"])
def test_a_call_whose_job_or_batch_somebody_holds_is_opened_alone(
    engine: Engine, writes: Writes, job: ClaimedJob, held: str
) -> None:
    with engine.begin() as connection:
        if held == "limits":
            locks.hold(connection, Space.LIMITS, str(job.batch_id))
        else:
            connection.execute(text(held))
        assert writes.open(job) is None
    assert writes.open(job) is not None
