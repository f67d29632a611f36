"""What is told of a job last is how it ended last, though an earlier callback was not taken at first."""

from sqlalchemy import Engine, text

from db import callbacks, jobs, requeues, success
from db.callbacks import Callback
from tests.db.rows import OUTPUT, claim, enqueue, keep_output, make_batch


def end(engine: Engine, job_id: int, *, is_good: bool) -> None:
    with engine.begin() as connection:
        enqueue(connection, "id = :id", id=job_id)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        if is_good:
            keep_output(connection)
            success.succeed(connection, job, artifact_sha256=OUTPUT)
        else:
            jobs.stop(connection, job, state="dead", code="801", message="model failed", spent=1)


def take(engine: Engine) -> list[Callback]:
    with engine.begin() as connection:
        return callbacks.take_due(connection, 8)


def events(found: list[Callback]) -> list[str]:
    return [each.event for each in found]


def make_later(engine: Engine) -> None:
    """Let all that is leased or waits be due again."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE callbacks SET available_at = now()"))


def make_dead(engine: Engine) -> int:
    [job_id] = make_batch(engine, 1)
    with engine.begin() as connection:
        callbacks.set_target(connection, 1, url="https://shop.example", secret="whsec_c2VjcmV0")
    end(engine, job_id, is_good=False)
    return job_id


def test_a_job_that_succeeded_is_not_told_to_be_dead_after_that(engine: Engine) -> None:
    job_id = make_dead(engine)
    [refused] = take(engine)
    with engine.begin() as connection:
        callbacks.note_failed(connection, refused.id, tries=0, why="HTTP 503")
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, job_id)
    end(engine, job_id, is_good=True)
    [told] = take(engine)
    assert told.event == "job.succeeded"
    with engine.begin() as connection:
        callbacks.note_delivered(connection, told.id)
    make_later(engine)
    assert take(engine) == []
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM callbacks WHERE ended_at IS NULL")).scalar_one()
    assert left == 0


def test_of_two_that_are_due_at_once_only_the_later_is_told(engine: Engine) -> None:
    job_id = make_dead(engine)
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, job_id)
    end(engine, job_id, is_good=True)
    assert events(take(engine)) == ["job.succeeded"]


def test_a_job_that_runs_again_is_told_to_have_been_dead(engine: Engine) -> None:
    job_id = make_dead(engine)
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, job_id)
    assert events(take(engine)) == ["job.dead"]
