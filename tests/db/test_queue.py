"""What the dispatcher picks, and who leads."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

from core.states import Lane
from db import batches, queue
from db.session import transact
from tests.db.rows import make_batch, state_of
from tests.db.waiting import wait_for_lock


def batch_of(engine: Engine, job_ids: list[int]) -> Counter[int]:
    with engine.connect() as connection:
        statement = text("SELECT batch_id FROM jobs WHERE id = ANY(:ids)")
        return Counter(connection.execute(statement, {"ids": job_ids}).scalars())


def queue_due(engine: Engine, room: int, lane: Lane = Lane.BULK) -> list[int]:
    with engine.begin() as connection:
        return [job.id for job in queue.queue_due(connection, lane, room)]


def test_batches_share_fairly_whatever_their_size(engine: Engine) -> None:
    make_batch(engine, 500)
    make_batch(engine, 5)
    assert batch_of(engine, queue_due(engine, 8)) == {1: 4, 2: 4}


def test_a_batch_that_has_much_in_flight_waits_its_turn(engine: Engine) -> None:
    make_batch(engine, 50)
    assert len(queue_due(engine, 10)) == 10
    make_batch(engine, 50)
    picked: list[int] = []
    for _ in range(10):
        picked += queue_due(engine, 1)
    assert batch_of(engine, picked) == {2: 10}


def test_room_that_small_batches_leave_goes_to_the_others_at_once(engine: Engine) -> None:
    for count in (1, 2, 3, 500):
        make_batch(engine, count)
    picked = queue_due(engine, 60)
    assert batch_of(engine, picked) == {1: 1, 2: 2, 3: 3, 4: 54}
    assert len(set(picked)) == 60


def test_a_batch_is_asked_for_its_share_and_not_for_all_that_there_is_room_for(engine: Engine) -> None:
    batch_count, room = 30, 60
    for _ in range(batch_count):
        make_batch(engine, room)
    read = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'")
    with engine.begin() as connection:
        assert len(queue.queue_due(connection, Lane.BULK, room)) == room
        # The first of each, then two of each, which are locked and written.
        assert connection.execute(read).scalar_one() <= batch_count + 4 * room


def test_only_due_jobs_of_active_batches_of_the_lane(engine: Engine) -> None:
    make_batch(engine, 3)
    make_batch(engine, 3, lane=Lane.INTERACTIVE)
    make_batch(engine, 3)
    with engine.begin() as connection:
        batches.pause(connection, 3, "hand")
        connection.execute(text("UPDATE jobs SET available_at = now() + interval '1 hour' WHERE id = 1"))
    assert queue_due(engine, 100) == [2, 3]
    assert queue_due(engine, 100, Lane.INTERACTIVE) == [4, 5, 6]


def test_a_pause_takes_back_a_job_that_somebody_wrote_while_it_was_waited_for(engine: Engine) -> None:
    job_id, other = make_batch(engine, 2, queued=True)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            # It lies elsewhere from now on.
            connection.execute(text("UPDATE jobs SET dispatch = 7 WHERE id = :id"), {"id": job_id})
            paused = pool.submit(transact, engine, lambda connection: batches.pause(connection, 1, "hand"))
            assert wait_for_lock(engine, paused)
        assert paused.result(60)
    assert [state_of(engine, each) for each in (job_id, other)] == ["pending", "pending"]


def test_one_leader_at_a_time(engine: Engine) -> None:
    first, second = engine.connect(), engine.connect()
    assert queue.try_to_lead(first)
    assert not queue.try_to_lead(second)
    first.invalidate()
    second.rollback()
    for _ in range(100):
        if queue.try_to_lead(second):
            break
        second.execute(text("SELECT pg_sleep(0.02)"))
    else:
        raise AssertionError("the lock was not freed with its session")
    first.close()
    second.invalidate()
    second.close()


def test_the_pick_reads_the_index_in_order_however_many_wait(engine: Engine) -> None:
    make_batch(engine, 20_000)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE jobs"))
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                text(
                    "EXPLAIN SELECT id FROM jobs WHERE batch_id = 1 AND state = 'pending' AND available_at <= now() "
                    "ORDER BY available_at, id LIMIT 50"
                )
            )
        )
    assert "ix_jobs_due" in plan
    assert "Sort" not in plan


def test_only_what_has_not_moved_since_is_taken_back(engine: Engine) -> None:
    lost, again, locked = make_batch(engine, 3, queued=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE queued_jobs SET dispatch = 1"))
        connection.execute(text("UPDATE queued_jobs SET dispatch = 2 WHERE job_id = :id"), {"id": again})
    with engine.begin() as claims, engine.begin() as connection:
        claims.execute(text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": locked})
        assert queue.unqueue(connection, [(lost, 1), (again, 1), (locked, 1)]) == [(lost, 1)]
    assert [state_of(engine, job_id) for job_id in (lost, again, locked)] == ["pending", "queued", "queued"]
