"""Identical photos: who calls, who waits, who takes what came of it."""

import pytest
from sqlalchemy import Engine, text

from core.states import AnswerClass, JobState
from db import attempts, jobs, requeues
from db.attempts import AttemptResult
from db.twins import Twin
from tests.db.rows import ACCOUNT, claim, enqueue, make_batch, note_source, put


def test_a_twin_is_found_done_or_running_or_refused(engine: Engine) -> None:
    one, two = make_batch(engine, 2, queued=True)
    first, second = claim(engine, one), claim(engine, two)
    assert first is not None
    assert second is not None

    def note(job: jobs.ClaimedJob) -> Twin | None:
        with engine.begin() as connection:
            return note_source(connection, job, "s", "k")

    assert note(first) is None
    twin = note(second)
    assert twin is not None
    assert (twin.job_id, twin.state) == (one, JobState.RUNNING)
    with engine.begin() as connection:
        attempt_id = attempts.open_call(connection, first, worker="w", account=ACCOUNT)
        assert attempt_id is not None
        attempts.settle(connection, attempt_id, AttemptResult(AnswerClass.PERMANENT, "1000", "no"))
        jobs.stop(connection, first, state="dead", code="1000", message="no", spent=1)
    twin = note(second)
    assert twin is not None
    assert twin.code == "1000"
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET code = 'rejected' WHERE id = :id"), {"id": one})
    assert note(second) is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET code = '801' WHERE id = :id"), {"id": one})
    assert note(second) is None


def test_identical_photos_that_all_come_back_do_not_wait_for_each_other(engine: Engine) -> None:
    ids = make_batch(engine, 5, queued=True)

    def note_all() -> list[Twin | None]:
        claimed = [claim(engine, job_id) for job_id in ids]
        found = []
        for job in claimed:
            assert job is not None
            with engine.begin() as connection:
                found.append(note_source(connection, job, "s", "k"))
        return found

    for _ in range(2):
        assert [twin is None for twin in note_all()] == [True, False, False, False, False]
        with engine.begin() as connection:
            put(connection, "queued")


def test_a_held_twin_holds_until_a_person_says_otherwise(engine: Engine) -> None:
    one, two = make_batch(engine, 2, queued=True)
    first, second = claim(engine, one), claim(engine, two)
    assert first is not None
    assert second is not None

    def note(job: jobs.ClaimedJob) -> Twin | None:
        with engine.begin() as connection:
            return note_source(connection, job, "s", "k")

    note(first)
    with engine.begin() as connection:
        jobs.stop(connection, first, state="held", code="read_timeout", message="maybe", spent=1)
    twin = note(second)
    assert twin is not None
    assert twin.state is JobState.HELD
    with engine.begin() as connection:
        jobs.stop(connection, second, state="held", code="read_timeout", message="maybe", spent=0)
    with engine.begin() as connection:
        assert requeues.requeue(connection, 1, None, state=JobState.HELD) == 2


@pytest.mark.parametrize(
    ("sha256", "content_key", "kept"),
    [("s", "k", "https://outputs.example/1"), ("other", "k2", None), ("s", "k2", None)],
    ids=["the same", "another photo", "asked of another provider"],
)
def test_a_link_is_kept_under_its_own_content_key_only(
    engine: Engine, sha256: str, content_key: str, kept: str | None
) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        note_source(connection, job, "s", "k")
        connection.execute(text("UPDATE job_notes SET output_url = 'https://outputs.example/1'"))
    with engine.begin() as connection:
        note_source(connection, job, sha256, content_key)
        jobs.give_back(connection, job, delay_seconds=0, spent=0)
        enqueue(connection)
    # Noted again in the next run, and the run after that.
    again = claim(engine, job_id)
    assert again is not None
    assert again.output_url == kept
    with engine.begin() as connection:
        note_source(connection, again, sha256, content_key)
        jobs.give_back(connection, again, delay_seconds=0, spent=0)
        found = connection.execute(text("SELECT output_url FROM jobs")).scalar_one()
    assert found == kept
