"""The recorder of locks finds what is locked in another order, and nothing else."""

from typing import Any

import pytest
from sqlalchemy import Engine

from db import batches, circuits, jobs, locks
from db.locks import Space
from tests.db.rows import ACCOUNT, make_batch
from tests.locks import Held, Lock, locks_of, recording


@pytest.mark.parametrize(
    ("statement", "values", "found"),
    [
        ("SELECT id FROM jobs WHERE id = %(id)s", {"id": 1}, []),
        ("INSERT INTO jobs (id) VALUES (1)", {}, []),
        ("UPDATE jobs AS j SET x = 1 WHERE j.id = %(id)s", {"id": 1}, [Lock("jobs", frozenset([1]))]),
        ("UPDATE jobs SET x = 1 WHERE id = (SELECT max(id) FROM jobs)", {}, [Lock("jobs", None)]),
        ("UPDATE jobs SET x = 1 WHERE batch_id = %(id)s", {"id": 1}, [Lock("jobs", None, is_ordered=False)]),
        ("DELETE FROM requeues WHERE id = %(id)s::BIGINT", {"id": 1}, [Lock("requeues", frozenset([1]))]),
        (
            "SELECT 1 FROM batches WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE",
            {"ids": [1, 2]},
            [Lock("batches", frozenset([1, 2]))],
        ),
        ("SELECT 1 FROM batches FOR UPDATE", {}, [Lock("batches", None, is_ordered=False)]),
        (
            "SELECT j.id FROM batches AS b JOIN jobs AS j ON true ORDER BY j.id FOR UPDATE OF j SKIP LOCKED",
            {},
            [Lock("jobs", None, waits=False)],
        ),
        ("INSERT INTO artifacts VALUES (1) ON CONFLICT DO NOTHING", {}, [Lock("artifacts", None, is_new=True)]),
        ("INSERT INTO circuits VALUES (1) ON CONFLICT (a) DO UPDATE SET x = 1", {}, [Lock("circuits", None)]),
        (
            "INSERT INTO attempts (id) SELECT j.id FROM jobs AS j WHERE j.id = %(id)s FOR NO KEY UPDATE OF j",
            {"id": 7},
            [Lock("jobs", frozenset([7]))],
        ),
        (
            "WITH off AS (SELECT id FROM jobs ORDER BY id FOR UPDATE), lost AS (UPDATE attempts SET x = 1 FROM off) "
            "UPDATE jobs AS j SET x = 1 FROM off WHERE j.id = off.id",
            {},
            [Lock("jobs", None), Lock("attempts", None, is_ordered=False)],
        ),
        (
            "SELECT pg_advisory_xact_lock_shared(hashtextextended(%(name)s, %(space)s))",
            {"name": "7", "space": 14},
            [Lock(Space.LIMITS, frozenset(["7"]))],
        ),
        ("SELECT 'FOR UPDATE' FROM jobs -- FOR UPDATE", {}, []),
    ],
)
def test_what_a_statement_locks_is_read_from_it(statement: str, values: dict[str, Any], found: list[Lock]) -> None:
    assert locks_of(statement, values) == found


def test_every_table_and_space_has_one_place() -> None:
    assert len(set(locks.ORDER)) == len(locks.ORDER)
    assert set(Space) < set(locks.ORDER)
    assert Held().take(Lock("nowhere", None)) == "nowhere has no place in db.locks.ORDER"


@pytest.mark.locks_anyhow
def test_a_transaction_that_locks_a_job_before_its_batch_is_found(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    with recording() as recorder:
        with engine.begin() as connection:
            batches.lock(connection, 1)
            jobs.lock(connection, job_id)
        assert recorder.wrong == []
        with engine.begin() as connection:
            jobs.lock(connection, job_id)
            batches.lock(connection, 1)
    [wrong] = recorder.wrong
    assert wrong.startswith("batches after jobs: SELECT 1 FROM batches")


@pytest.mark.locks_anyhow
def test_jobs_that_are_locked_one_after_the_other_against_their_order_are_found(engine: Engine) -> None:
    one, two = make_batch(engine, 2)
    with recording() as recorder, engine.begin() as connection:
        jobs.lock(connection, two)
        jobs.lock(connection, one)
    [wrong] = recorder.wrong
    assert wrong.startswith(f"jobs {one} after {two}")


def test_what_was_locked_since_a_savepoint_is_given_back_with_it(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    with engine.begin() as connection:
        savepoint = connection.begin_nested()
        jobs.lock(connection, job_id)
        circuits.probe_now(connection, ACCOUNT)
        savepoint.rollback()
        batches.lock(connection, 1)
        jobs.lock(connection, job_id)


def test_what_is_locked_again_is_no_new_lock(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    with engine.begin() as connection:
        batches.lock(connection, 1)
        jobs.lock(connection, job_id)
        batches.pause(connection, 1, "hand")
