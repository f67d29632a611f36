"""What a person decides about held photos takes effect once, and only where there is something to decide."""

import pytest
from sqlalchemy import Engine, text

from db import artifacts, batches, history, jobs, requeues, reviews, tallies
from db.reviews import Verdict
from tests.db.rows import claim, make_batch, put, state_of


def hold(engine: Engine, job_ids: list[int], *, has_output: bool = True) -> None:
    with engine.begin() as connection:
        sha256 = artifacts.keep(connection, b"an output", image_format="JPEG", width=1, height=1)
        for job_id in job_ids:
            kept = {"artifact_sha256": sha256 if has_output else None, "content_key": f"photo {job_id}"}
            put(connection, "held", f"id = {job_id}", message="why", **kept)


def column(engine: Engine, job_id: int, name: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT {name} FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()


def test_an_accepted_photo_is_clean(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    hold(engine, [job_id])
    with engine.begin() as connection:
        [review] = reviews.accept(connection, [job_id])
    assert (review.verdict, review.batch_id, review.state) == (Verdict.DONE, 1, "succeeded")
    assert (state_of(engine, job_id), column(engine, job_id, "code"), column(engine, job_id, "message")) == (
        "succeeded",
        "200",
        None,
    )
    assert column(engine, job_id, "artifact_sha256") is not None


def test_a_rejected_photo_is_dead_and_its_output_is_gone(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    hold(engine, [job_id])
    with engine.begin() as connection:
        [review] = reviews.reject(connection, [job_id])
    assert (review.verdict, state_of(engine, job_id)) == (Verdict.DONE, "dead")
    assert column(engine, job_id, "artifact_sha256") is None
    assert "unchanged" in str(column(engine, job_id, "message"))
    with engine.connect() as connection:
        assert history.find_contents(connection, [f"photo {job_id}"], None)[f"photo {job_id}"].code == "rejected"
        assert tallies.counts(connection, 1).dead == 1


def test_a_rejected_photo_can_be_requeued(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    hold(engine, [job_id])
    with engine.begin() as connection:
        reviews.reject(connection, [job_id])
        assert batches.finish_settled(connection) == [1]
        assert requeues.requeue(connection, 1, "rejected") == 1
    assert state_of(engine, job_id) == "pending"


def test_without_an_output_there_is_nothing_to_accept(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    hold(engine, [job_id], has_output=False)
    with engine.begin() as connection:
        [review] = reviews.accept(connection, [job_id])
    assert (review.verdict, state_of(engine, job_id)) == (Verdict.NO_OUTPUT, "held")
    with engine.begin() as connection:
        assert reviews.reject(connection, [job_id])[0].verdict is Verdict.DONE


@pytest.mark.parametrize("decide", [reviews.accept, reviews.reject])
def test_the_others_are_settled_and_each_once(engine: Engine, decide: object) -> None:
    assert callable(decide)
    first, second, third = make_batch(engine, 3)
    hold(engine, [first, third])
    with engine.begin() as connection:
        settled = decide(connection, [third, 4711, second, first, third])
    assert [(review.job_id, review.verdict) for review in settled] == [
        (third, Verdict.DONE),
        (4711, Verdict.UNKNOWN),
        (second, Verdict.NOT_HELD),
        (first, Verdict.DONE),
    ]
    assert state_of(engine, second) == "pending"


def test_a_batch_that_ended_stays_ended(engine: Engine) -> None:
    ids = make_batch(engine, 2)
    hold(engine, ids)
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == [1]
        reviews.accept(connection, ids[:1])
        reviews.reject(connection, ids[1:])
        row, counts = batches.get(connection, 1), tallies.counts(connection, 1)
    assert row is not None
    assert (row.state, counts.succeeded, counts.dead, counts.held) == ("finished", 1, 1, 0)


def test_a_running_photo_is_nobodys_to_decide(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        assert reviews.reject(connection, [job_id])[0].verdict is Verdict.NOT_HELD
        assert jobs.renew(connection, {job.lease_token}, lease_seconds=5) == {job.lease_token}
