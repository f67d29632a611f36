"""A job's own row is written twice in a photo's life; what stands beside it meanwhile is lost by nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, text

from core.states import AnswerClass, JobState, Lane, Spend
from db import attempts, batches, cancels, jobs, listings, paid, processes, queue, restores, success, tallies, twins
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.paid import Paid
from db.success import Clean
from db.twins import Noted
from tests.db.rows import ACCOUNT, claim, enqueue, make_batch, note_source, rescue, state_of
from tests.db.upgrading import before, listening, migrate_to
from tests.db.waiting import wait_for_lock

LINK = "https://outputs.example/1"
PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.1)


def rows(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def take(engine: Engine, job_id: int) -> ClaimedJob:
    job = claim(engine, job_id)
    assert job is not None
    return job


def pay(connection: Connection, job: ClaimedJob) -> int:
    """Note a job's photo, call for it, and note the link of its output."""
    note_source(connection, job, "sha", "key")
    called = attempts.open_calls(connection, [job], worker="w", account=ACCOUNT, price=Decimal(0))[job.id]
    paid.note(connection, Paid(job, called, PAID, LINK), ACCOUNT)
    return called


@pytest.mark.locks_anyhow
def test_a_job_is_written_twice_in_a_photos_life(engine: Engine) -> None:
    ids = make_batch(engine, 5)
    with engine.connect() as connection:
        queued = [job.id for job in queue.queue_due(connection, Lane.BULK, 5)]
        assert queued == ids
        asked = [jobs.claim(connection, job_id, worker="w", lease_seconds=60) for job_id in ids]
        held = [job for job in asked if job is not None]
        twins.note_sources(connection, [Noted(job, f"s{job.id}", f"k{job.id}", 1, 600, 600) for job in held])
        called = attempts.open_calls(connection, held, worker="w", account=ACCOUNT, price=Decimal(0))
        paid.note_each(connection, [Paid(job, called[job.id], PAID, LINK) for job in held], ACCOUNT)
        tokens = {job.lease_token for job in held}
        assert jobs.renew(connection, tokens, lease_seconds=60) == tokens
        clean = [Clean(job, called[job.id], f"o{job.id}", b"x", "", "JPEG", 1, 1, jobs.Changed(0.1), 1) for job in held]
        success.succeed_each(connection, clean)
        written = text("SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'jobs'")
        assert connection.execute(written).scalar_one() == 2 * len(ids)
        found = connection.execute(text("SELECT source_sha256, content_key, width, output_url FROM jobs ORDER BY id"))
        assert [tuple(row) for row in found] == [(f"s{n}", f"k{n}", 600, None) for n in ids]
        for table in ("queued_jobs", "job_notes"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def give_back(connection: Connection, job: ClaimedJob) -> None:
    jobs.give_back(connection, job, delay_seconds=0, spent=1)


def lose(connection: Connection, _job: ClaimedJob) -> None:
    connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))
    rescue(connection)


def stop(connection: Connection, job: ClaimedJob) -> None:
    jobs.stop(connection, job, state="dead", code="x", message="x", spent=1)


def learn_of_a_backup(connection: Connection, job: ClaimedJob) -> None:
    restores._hold(connection, [job.id])


@pytest.mark.parametrize("end", [give_back, lose, stop, learn_of_a_backup])
def test_however_a_run_ends_the_link_of_a_paid_output_is_kept(
    engine: Engine, end: Callable[[Connection, ClaimedJob], None]
) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = take(engine, job_id)
    with engine.begin() as connection:
        pay(connection, job)
    with engine.begin() as connection:
        end(connection, job)
    assert rows(engine, "SELECT source_sha256, content_key, source_bytes, output_url FROM jobs") == [
        ("sha", "key", 1, LINK)
    ]
    assert rows(engine, "SELECT * FROM job_notes") == []


def test_a_link_that_leads_nowhere_is_forgotten_when_that_is_said(engine: Engine) -> None:
    for ended in ("given back", "dead"):
        [job_id] = make_batch(engine, 1, queued=True)
        job = take(engine, job_id)
        with engine.begin() as connection:
            pay(connection, job)
            if ended == "dead":
                jobs.stop(connection, job, state="dead", code="x", message="x", spent=1, forget_output=True)
            else:
                jobs.give_back(connection, job, delay_seconds=0, spent=0, forget_output=True)
    assert rows(engine, "SELECT output_url, source_sha256 FROM jobs") == [(None, "sha")] * 2


def test_a_link_is_kept_also_when_the_source_was_not_noted_in_this_run(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    first = take(engine, job_id)
    with engine.begin() as connection:
        note_source(connection, first, "sha", "key")
        give_back(connection, first)
        enqueue(connection)
    second = take(engine, job_id)
    with engine.begin() as connection:
        called = attempts.open_calls(connection, [second], worker="w", account=ACCOUNT, price=Decimal(0))[job_id]
        paid.note(connection, Paid(second, called, PAID, LINK), ACCOUNT)
        give_back(connection, second)
    assert rows(engine, "SELECT output_url, source_sha256, content_key FROM jobs") == [(LINK, "sha", "key")]


def test_what_is_queued_is_told_apart_everywhere(engine: Engine) -> None:
    waiting, queued, running = make_batch(engine, 3)
    with engine.begin() as connection:
        enqueue(connection, "id > 1")
    take(engine, running)
    with engine.begin() as connection:
        for state, ids in (("pending", [waiting]), ("queued", [queued]), ("running", [running]), ("held", [])):
            assert listings.list_ids(connection, 1, state=state) == ids
            assert [row.id for row in listings.list_jobs(connection, 1, state=state)] == ids
        assert listings.list_ids(connection, 1, state="queued", after=queued) == []
        assert listings.list_ids(connection, 1, state="queued", before=running) == [queued]
        assert [row.state for row in listings.list_jobs(connection, 1)] == ["pending", "queued", "running"]
        assert [row.state for row in listings.list_photos(connection, batch_id=1, after=0)] == [
            "pending",
            "queued",
            "running",
        ]
        counts = tallies.counts(connection, 1)
        assert (counts.pending, counts.queued, counts.running, counts.total) == (1, 1, 1, 3)
        assert cancels.cancel(connection, 1) == 2
    assert rows(engine, "SELECT * FROM queued_jobs") == []
    with engine.connect() as connection:
        counts = tallies.counts(connection, 1)
        assert (counts.pending, counts.queued, counts.running, counts.cancelled) == (0, 0, 1, 2)


def test_an_upgrade_keeps_what_is_in_redis_and_what_runs(engine: Engine) -> None:
    waiting, queued, other, running, early = make_batch(engine, 5)
    with engine.begin() as connection:
        enqueue(connection, "id > 1")
    job = take(engine, running)
    take(engine, early)
    with engine.begin() as connection:
        pay(connection, job)
        # As each job counted its messages before.
        connection.execute(text("UPDATE queued_jobs SET dispatch = job_id"))
    found = rows(engine, "SELECT job_id, batch_id, dispatch, queued_at FROM queued_jobs ORDER BY job_id")
    noted = rows(engine, "SELECT * FROM job_notes")
    assert [each[0] for each in found] == [queued, other]
    with engine.connect() as connection:
        counted = tallies.counts(connection, 1)
    for _ in range(2):
        migrate_to(engine, before("0027"))
        assert rows(engine, "SELECT state FROM jobs ORDER BY id") == [
            ("pending",),
            *[("queued",)] * 2,
            *[("running",)] * 2,
        ]
        assert rows(engine, f"SELECT output_url, content_lease = lease_token FROM jobs WHERE id = {running}") == [
            (LINK, True)
        ]
        migrate_to(engine, "head")
        assert rows(engine, "SELECT job_id, batch_id, dispatch, queued_at FROM queued_jobs ORDER BY job_id") == found
        assert rows(engine, "SELECT * FROM job_notes") == noted
        with engine.connect() as connection:
            assert tallies.counts(connection, 1) == counted
    # No number of a message of before is given out again.
    with engine.begin() as connection:
        assert queue.queue_these(connection, [waiting]) == {waiting: 2**32}
    assert state_of(engine, waiting) == JobState.QUEUED


CHANGES_NOTHING = ("SELECT", "SET", "LOCK")


@pytest.mark.slow
def test_an_upgrade_that_is_stopped_anywhere_keeps_them_too(engine: Engine) -> None:
    *_, running, early = make_batch(engine, 5)
    with engine.begin() as connection:
        enqueue(connection, "id > 1")
    job = take(engine, running)
    take(engine, early)
    with engine.begin() as connection:
        pay(connection, job)
        connection.execute(text("UPDATE queued_jobs SET dispatch = job_id"))
    kept = stand(engine)
    left = 0

    def stop(_connection: Connection, statement: str) -> None:
        nonlocal left
        if not statement.lstrip().startswith(CHANGES_NOTHING):
            left -= 1
        if left < 0:
            raise InterruptedError

    for done in range(1000):
        migrate_to(engine, before("0027"))
        left = done
        try:
            with listening(before=stop):
                migrate_to(engine, "head")
            break
        except InterruptedError:
            migrate_to(engine, "head")
        assert stand(engine) == kept, f"stopped after {done} statements"
    assert done > 15


def stand(engine: Engine) -> list[object]:
    """Return how all jobs stand, with what stands beside them, and the counts."""
    with engine.connect() as connection:
        counts = tallies.counts(connection, 1)
    return [
        rows(engine, "SELECT id, state, lease_token, attempts FROM jobs ORDER BY id"),
        rows(engine, "SELECT job_id, batch_id, dispatch, queued_at FROM queued_jobs ORDER BY job_id"),
        rows(engine, "SELECT * FROM job_notes ORDER BY job_id"),
        counts,
    ]


@pytest.mark.parametrize("role", ["worker", "dispatcher", "web"])
def test_an_upgrade_to_it_refuses_beside_processes_that_would_write_the_row(engine: Engine, role: str) -> None:
    migrate_to(engine, before("0027"))
    with engine.begin() as connection:
        processes.beat(connection, "p1", role)
    with pytest.raises(Exception, match=r"p1 showed up .* It changed nothing"):
        migrate_to(engine, "head")
    assert rows(engine, "SELECT to_regclass('queued_jobs')") == [(None,)]


def test_a_claim_that_waited_for_a_pause_takes_nothing(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            batches.pause(connection, 1, "hand")
            claiming = pool.submit(claim, engine, job_id)
            assert wait_for_lock(engine, claiming)
        assert claiming.result(60) is None
    assert state_of(engine, job_id) == JobState.PENDING


def test_of_two_that_lead_for_a_moment_one_queues_a_job(engine: Engine) -> None:
    ids = make_batch(engine, 3)
    with engine.begin() as one, engine.begin() as other:
        assert queue.queue_these(one, ids[:2]).keys() == set(ids[:2])
        assert queue.queue_these(other, ids).keys() == {ids[2]}
    with engine.begin() as late:
        assert queue.queue_these(late, ids) == {}


CHANGES = (
    "available_at = now(), attempts = 0",
    "state = 'running', lease_token = gen_random_uuid(), lease_expires_at = now()",
    "state = 'dead', code = 'x', finished_at = now()",
    "state = 'held', code = 'x', finished_at = now()",
    "state = 'cancelled', finished_at = now()",
)


def test_a_job_is_in_the_queue_only_while_it_is_pending(engine: Engine) -> None:
    ids = make_batch(engine, 5, queued=True)
    with engine.begin() as connection:
        for change, job_id in zip(CHANGES, ids, strict=True):
            connection.execute(text(f"UPDATE jobs SET {change} WHERE id = {job_id}"))
        connection.execute(text("UPDATE jobs SET message = 'again'"))
    assert rows(engine, "SELECT job_id FROM queued_jobs") == [(ids[0],)]
    with engine.connect() as connection:
        counts = tallies.counts(connection, 1)
    assert (counts.pending, counts.queued, counts.total) == (0, 1, 5)
