"""Photos that are done again: of those that came out well, the one that was asked for last is what a photo comes to."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from db import artifacts, cancels, jobs, redo, requeues, success
from db.jobs import ClaimedJob
from tests.db.rows import claim, enqueue, make_batch


@pytest.fixture
def original(engine: Engine) -> int:
    """A photo whose first execution failed."""
    [job_id] = make_batch(engine, 1, queued=True)
    with engine.begin() as connection:
        jobs.stop(connection, held(engine, job_id), state="dead", code="801", message="model failed", spent=1)
    return job_id


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def ask(engine: Engine, job_id: int, mask: str) -> int:
    with engine.begin() as connection:
        return redo.add(connection, job_id, mask=mask, input_uri=None, item_key=mask).job_id


def held(engine: Engine, job_id: int) -> ClaimedJob:
    with engine.begin() as connection:
        enqueue(connection, "id = :id", id=job_id)
    job = claim(engine, job_id)
    assert job is not None
    return job


def finish(connection: Connection, job: ClaimedJob, data: bytes) -> None:
    sha256 = artifacts.keep(connection, data, image_format="PNG", width=1, height=1)
    success.succeed(connection, job, artifact_sha256=sha256)


def run(engine: Engine, job_id: int, data: bytes) -> None:
    job = held(engine, job_id)
    with engine.begin() as connection:
        finish(connection, job, data)


def come_to(engine: Engine, job_id: int) -> tuple[str, bytes | None]:
    """Return a job's state and output."""
    statement = text(
        "SELECT j.state, b.data FROM jobs AS j LEFT JOIN artifact_bytes AS b ON b.sha256 = j.artifact_sha256 "
        "WHERE j.id = :id"
    )
    with engine.connect() as connection:
        row = connection.execute(statement, {"id": job_id}).one()
    return row.state, row.data


def requeue(engine: Engine, job_id: int) -> None:
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, job_id)


def wait_for_a_lock(engine: Engine, ending: Future[None]) -> None:
    """Return once a session of this database waits for another's row, or has no need to."""
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not (connection.execute(statement).scalar_one() or ending.done()):
            pass


def test_an_older_one_that_ends_later_does_not_win(engine: Engine, original: int) -> None:
    older, newer = ask(engine, original, "a"), ask(engine, original, "b")
    run(engine, newer, b"newer")
    run(engine, older, b"older")
    assert come_to(engine, original) == ("succeeded", b"newer")


def test_an_older_one_counts_while_the_newer_has_not_come_out_well(engine: Engine, original: int) -> None:
    older, newer = ask(engine, original, "a"), ask(engine, original, "b")
    with engine.begin() as connection:
        jobs.stop(connection, held(engine, newer), state="dead", code="801", message="model failed", spent=1)
    run(engine, older, b"older")
    assert come_to(engine, original) == ("succeeded", b"older")
    requeue(engine, newer)
    run(engine, newer, b"newer")
    assert come_to(engine, original) == ("succeeded", b"newer")


def test_what_is_asked_for_again_is_the_newest(engine: Engine, original: int) -> None:
    first, second = ask(engine, original, "a"), ask(engine, original, "b")
    run(engine, first, b"first")
    run(engine, second, b"second")
    # It is done already: nothing runs, and its output is back at once.
    assert ask(engine, original, "a") == first
    assert come_to(engine, original) == ("succeeded", b"first")


@pytest.mark.parametrize("end", ["succeeded", "dead", "held"])
def test_one_that_ends_while_the_original_runs_is_not_dropped(engine: Engine, original: int, end: str) -> None:
    again = ask(engine, original, "a")
    requeue(engine, original)
    job = held(engine, original)
    run(engine, again, b"again")
    assert come_to(engine, original) == ("running", None)
    with engine.begin() as connection:
        if end == "succeeded":
            finish(connection, job, b"by itself")
        else:
            jobs.stop(connection, job, state=end, code="801", message="model failed", spent=1)
    assert come_to(engine, original) == ("succeeded", b"again")


def test_one_that_ends_while_the_original_waits_is_not_dropped(engine: Engine, original: int) -> None:
    again = ask(engine, original, "a")
    requeue(engine, original)
    run(engine, again, b"again")
    run(engine, original, b"by itself")
    assert come_to(engine, original) == ("succeeded", b"again")


@pytest.mark.parametrize("redo_first", [True, False])
def test_two_that_end_at_once_do_not_miss_each_other(
    engine: Engine, original: int, pool: ThreadPoolExecutor, redo_first: bool
) -> None:
    again = ask(engine, original, "a")
    requeue(engine, original)
    both = [(held(engine, again), b"again"), (held(engine, original), b"by itself")]
    (first, first_data), (second, second_data) = both if redo_first else reversed(both)

    def end_second() -> None:
        with engine.begin() as connection:
            finish(connection, second, second_data)

    with engine.begin() as connection:
        finish(connection, first, first_data)
        ending = pool.submit(end_second)
        wait_for_a_lock(engine, ending)
    ending.result(60)
    assert come_to(engine, original) == ("succeeded", b"again")


def test_two_that_are_done_again_at_once_end_in_any_order(
    engine: Engine, original: int, pool: ThreadPoolExecutor
) -> None:
    older, newer = (held(engine, ask(engine, original, mask)) for mask in "ab")

    def end_older() -> None:
        with engine.begin() as connection:
            finish(connection, older, b"older")

    with engine.begin() as connection:
        finish(connection, newer, b"newer")
        ending = pool.submit(end_older)
        wait_for_a_lock(engine, ending)
    ending.result(60)
    assert come_to(engine, original) == ("succeeded", b"newer")


def test_one_of_a_cancelled_photo_stays_by_itself(engine: Engine, original: int) -> None:
    again = ask(engine, original, "a")
    requeue(engine, original)
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    run(engine, again, b"again")
    assert come_to(engine, original) == ("cancelled", None)
    assert come_to(engine, again) == ("succeeded", b"again")


def test_a_photo_is_told_of_once_when_both_end(engine: Engine, original: int) -> None:
    again = ask(engine, original, "a")
    requeue(engine, original)
    run(engine, again, b"again")
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET callback_url = 'https://shop.example/' WHERE id = 1"))
    run(engine, original, b"by itself")
    with engine.connect() as connection:
        events = connection.execute(text("SELECT job_id, event FROM callbacks")).all()
    assert [tuple(row) for row in events] == [(original, "job.succeeded")]
