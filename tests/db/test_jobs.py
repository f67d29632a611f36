"""A job's life: who may claim it, and who may write it."""

import random
from concurrent.futures import ThreadPoolExecutor, wait
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from core.errors import LeaseLost
from core.settings import OnMaybeBilled
from core.states import AnswerClass, Spend
from db import artifacts, attempts, batches, cancels, circuits, jobs, requeues, success, tallies
from db.attempts import AttemptResult
from tests.db.rows import ACCOUNT, HOLD, RULES, claim, enqueue, make_batch, note_source, put, rescue, state_of
from worker.policy import RetryRules


def test_a_job_is_claimed_once(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    assert claim(engine, job_id) is not None
    assert claim(engine, job_id) is None


def test_a_pending_job_cannot_be_claimed_by_a_stray_message(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    assert claim(engine, job_id) is None


def test_a_paused_batch_is_not_claimed_and_leaves_redis(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    with engine.begin() as connection:
        assert batches.pause(connection, 1, "hand")
    assert claim(engine, job_id) is None
    assert state_of(engine, job_id) == "pending"


def test_whoever_lost_the_lease_writes_nothing(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_token = :other"), {"other": uuid4()})
    with engine.begin() as connection:
        sha256 = artifacts.keep(connection, b"x", image_format="JPEG", width=1, height=1)
        with pytest.raises(LeaseLost):
            success.succeed(connection, job, artifact_sha256=sha256)
        with pytest.raises(LeaseLost):
            jobs.stop(connection, job, state="dead", code="1", message="", spent=1)
        with pytest.raises(LeaseLost):
            jobs.give_back(connection, job, delay_seconds=0, spent=0)
    with engine.begin() as connection:
        assert attempts.open_call(connection, job, worker="w", account=ACCOUNT) is None
    assert state_of(engine, job_id) == "running"


@pytest.mark.parametrize(("left", "then"), [(23, 23), (22, 30)])
def test_a_lease_is_prolonged_when_a_quarter_of_it_is_over(engine: Engine, left: int, then: int) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        lease = text("UPDATE jobs SET lease_expires_at = now() + make_interval(secs => :left)")
        connection.execute(lease, {"left": left})
        assert jobs.renew(connection, [job.lease_token], lease_seconds=30) == {job.lease_token}
        found = text("SELECT CAST(extract(epoch FROM lease_expires_at - now()) AS int) FROM jobs")
        assert connection.execute(found).scalar_one() == then


def test_renewal_tells_which_leases_are_good(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        assert jobs.renew(connection, [job.lease_token, uuid4()], lease_seconds=30) == {job.lease_token}


def test_identical_bytes_are_stored_once(engine: Engine) -> None:
    with engine.begin() as connection:
        for _ in range(2):
            artifacts.keep(connection, b"same", image_format="PNG", width=1, height=1)
        assert connection.execute(text("SELECT count(*) FROM artifact_bytes")).scalar() == 1


def test_a_call_is_not_opened_when_the_batch_is_paused_or_the_circuit_is_open(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None

    def may_call() -> bool:
        with engine.connect() as connection:
            return attempts.open_call(connection, job, worker="w", account=ACCOUNT) is not None

    assert may_call()
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="account", code="InvalidAppKey", message="no")
    assert not may_call()
    with engine.begin() as connection:
        connection.execute(text("UPDATE circuits SET probe_job_id = :id"), {"id": job_id})
    assert may_call()
    with engine.begin() as connection:
        connection.execute(text("UPDATE circuits SET probe_job_id = NULL, next_probe_at = now()"))
    assert may_call(), "a probe that is due may be any job"
    with engine.begin() as connection:
        circuits.close(connection, ACCOUNT)
    with engine.begin() as connection:
        batches.pause(connection, job.batch_id, "hand")
    assert not may_call()


def test_no_call_is_opened_under_a_lease_that_is_about_to_lapse(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None

    def opens(seconds_left: float) -> bool:
        with engine.connect() as connection:
            left = text("UPDATE jobs SET lease_expires_at = now() + make_interval(secs => :left)")
            connection.execute(left, {"left": seconds_left})
            return attempts.open_call(connection, job, worker="w", account=ACCOUNT) is not None

    assert opens(seconds_left=19), "one renewal of three was missed"
    assert not opens(seconds_left=9), "a worker that was frozen would lose the job in the middle of its call"
    assert not opens(seconds_left=-1)


def test_no_call_is_opened_while_the_job_is_being_rescued(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))

    def thaw() -> int | None:
        with engine.begin() as connection:
            return attempts.open_call(connection, job, worker="w", account=ACCOUNT)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            [rescued] = rescue(connection)
            assert (rescued.id, rescued.state) == (job_id, "pending")
            opened = pool.submit(thaw)
            wait([opened], timeout=0.3)
        assert opened.result(timeout=60) is None


def test_a_rescued_call_counts_as_spent(engine: Engine) -> None:
    called, idle = make_batch(engine, 2, queued=True)
    in_call, waiting = claim(engine, called), claim(engine, idle)
    assert in_call is not None
    assert waiting is not None
    with engine.begin() as connection:
        assert attempts.open_call(connection, in_call, worker="w", account=ACCOUNT)
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        rescued = {each.id: each for each in rescue(connection)}
    assert {each.state for each in rescued.values()} == {"pending"}
    assert rescued[called].attempt_id == 1
    assert rescued[idle].attempt_id is None
    with engine.begin() as connection:
        rows = {row.id: row.attempts for row in connection.execute(text("SELECT id, attempts FROM jobs"))}
        assert rows == {called: 1, idle: 0}
        assert tallies.counts(connection, in_call.batch_id).maybe_billed == 1


def fall_silent(engine: Engine, job_id: int, *, noted: bool = False, output_url: str | None = None) -> str:
    """Let a worker claim a job, perhaps note its photo, and fall silent; return where it is then."""
    with engine.begin() as connection:
        enqueue(connection)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        if noted:
            note_source(connection, job, "sha", "key")
            connection.execute(text("UPDATE job_notes SET output_url = :url"), {"url": output_url})
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        [rescued] = rescue(connection)
        return rescued.state


def test_a_photo_that_ends_its_workers_is_dead_after_three(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    assert [fall_silent(engine, job_id) for _ in range(3)] == ["pending", "pending", "dead"]
    with engine.begin() as connection:
        row = connection.execute(text("SELECT code, message, attempts, rescues FROM jobs")).one()
        assert (row.code, row.attempts, row.rescues) == ("worker_lost", 0, 3)
        assert "No call was made" in row.message
        requeues.requeue(connection, 1)
    assert fall_silent(engine, job_id) == "pending", "what was asked for again begins anew"


def test_an_output_that_ends_its_workers_is_held_as_it_is_paid_for(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    told = [fall_silent(engine, job_id, noted=True, output_url="https://out.example/1") for _ in range(3)]
    assert told == ["pending", "pending", "held"]


def test_photos_that_wait_for_their_call_are_not_to_blame_for_their_workers(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    assert {fall_silent(engine, job_id, noted=True) for _ in range(10)} == {"pending"}
    # In a row: one that came further in between is no such photo.
    states = [fall_silent(engine, job_id, noted=noted) for noted in (False, False, True, False, False)]
    assert set(states) == {"pending"}


def test_a_rescued_call_can_be_held(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        [rescued] = rescue(connection, HOLD)
        assert (rescued.id, rescued.state) == (job_id, "held")


def test_a_rescued_call_waits_as_long_as_any_other_before_it_is_made_again(engine: Engine) -> None:
    called, idle = make_batch(engine, 2, queued=True)
    in_call = claim(engine, called)
    assert in_call is not None
    assert claim(engine, idle)
    slow = RetryRules(max_attempts=5, base_seconds=1000, cap_seconds=1000, on_maybe_billed=OnMaybeBilled.RETRY)
    with engine.begin() as connection:
        attempts.open_call(connection, in_call, worker="w", account=ACCOUNT)
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "uniform", lambda _, high: high)
            rescue(connection, slow)
        due = text(
            "SELECT id, available_at <= clock_timestamp() AS is_due, "
            "available_at >= now() + interval '1000 s' AS waits "
            "FROM jobs ORDER BY id"
        )
        assert connection.execute(due).all() == [(called, False, True), (idle, True, False)]


@pytest.mark.parametrize(
    ("is_called", "spent", "is_cancelled", "rules", "state", "attempts_after"),
    [
        (True, 0, False, RULES, "pending", 1),
        (True, 4, False, RULES, "dead", 5),
        (True, 0, False, HOLD, "held", 1),
        (True, 4, False, HOLD, "held", 5),
        (True, 0, True, RULES, "cancelled", 1),
        (True, 4, True, RULES, "dead", 5),
        (True, 0, True, HOLD, "held", 1),
        (False, 4, False, HOLD, "pending", 4),
        (False, 0, True, RULES, "cancelled", 0),
    ],
)
def test_what_a_rescue_does_with_a_job(
    engine: Engine,
    is_called: bool,
    spent: int,
    is_cancelled: bool,
    rules: RetryRules,
    state: str,
    attempts_after: int,
) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        if is_called:
            attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        connection.execute(
            text("UPDATE jobs SET lease_expires_at = now() - interval '1 second', attempts = :spent"), {"spent": spent}
        )
    if is_cancelled:
        with engine.begin() as connection:
            cancels.cancel(connection, 1)
    with engine.begin() as connection:
        [rescued] = rescue(connection, rules)
        row = connection.execute(text("SELECT state, attempts, finished_at IS NULL AS is_open FROM jobs")).one()
    assert rescued.state == state
    assert row == (state, attempts_after, state == "pending")


def test_a_settled_attempt_is_not_settled_again(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    outcome = AttemptResult(AnswerClass.SUCCESS, "200", "success", spend=Spend.PAID, latency_seconds=1.5)
    with engine.begin() as connection:
        attempt_id = attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        assert attempt_id is not None
        assert attempts.settle(connection, attempt_id, outcome)
        assert not attempts.settle(connection, attempt_id, outcome)


def test_requeue_takes_only_the_code_it_is_told(engine: Engine) -> None:
    ids = make_batch(engine, 3, queued=True)
    for job_id, code in zip(ids, ("801", "801", "700"), strict=True):
        job = claim(engine, job_id)
        assert job is not None
        with engine.begin() as connection:
            jobs.stop(connection, job, state="dead", code=code, message="", spent=1)
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == [1]
        assert requeues.requeue(connection, 1, "801") == 2
        row = batches.get(connection, 1)
    assert row is not None
    assert row.state == "active"
    assert [state_of(engine, job_id) for job_id in ids] == ["pending", "pending", "dead"]


def test_no_job_is_left_behind_in_a_finished_batch(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "dead")
    with engine.connect() as requeueing:
        requeues.requeue(requeueing, 1, None)
        with engine.begin() as connection:
            assert batches.finish_settled(connection) == []
        requeueing.commit()
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == []
    assert state_of(engine, job_id) == "pending"


def test_a_requeued_job_starts_its_counts_anew(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        attempts.note_without_call(connection, job, AttemptResult(AnswerClass.PROVIDER_FAULT, "1002", "no"), worker="w")
        jobs.stop(connection, job, state="dead", code="1002", message="no", spent=1)
    with engine.begin() as connection:
        assert attempts.count_code(connection, job_id, "1002") == 1
    with engine.begin() as connection:
        requeues.requeue(connection, 1, None)
    with engine.begin() as connection:
        assert attempts.count_code(connection, job_id, "1002") == 0
