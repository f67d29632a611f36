"""What a state asks of its row, as the database holds it, whoever writes."""

import re
from enum import StrEnum

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from core.states import AnswerClass, BatchState, JobState, Lane, Spend
from db import cancels
from tests.db.rows import OUTPUT, call, make_batch, put


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("ck_jobs_state", JobState),
        ("ck_batches_state", BatchState),
        ("ck_batches_lane", Lane),
        ("ck_attempts_answer_class", AnswerClass),
        ("ck_attempts_spend", Spend),
    ],
)
def test_the_words_that_are_let_in_are_those_of_the_program(engine: Engine, check: str, words: type[StrEnum]) -> None:
    with engine.connect() as connection:
        rule = text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :check")
        found = re.findall(r"'(\w+)'", connection.execute(rule, {"check": check}).scalar_one())
    # That a job is queued says a row beside it.
    assert sorted(found) == sorted(set(words) - {JobState.QUEUED})


@pytest.mark.parametrize(
    ("state", "change", "check"),
    [
        ("pending", "state = 'done'", "state"),
        ("queued", "state = 'queued'", "state"),
        ("queued", "lease_token = gen_random_uuid(), lease_expires_at = now()", "lease"),
        ("running", "lease_token = NULL, lease_expires_at = NULL", "lease"),
        ("running", "lease_expires_at = NULL", "lease"),
        ("running", "finished_at = now()", "finished"),
        ("succeeded", "finished_at = NULL", "finished"),
        ("held", "finished_at = NULL", "finished"),
        ("succeeded", "artifact_sha256 = NULL", "artifact"),
        ("dead", "artifact_sha256 = 'an output'", "artifact"),
        ("dead", "code = NULL", "code"),
        ("held", "code = NULL", "code"),
    ],
)
def test_a_job_without_what_its_state_asks_is_refused(engine: Engine, state: str, change: str, check: str) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "succeeded")
        put(connection, state)
    with engine.begin() as connection, pytest.raises(IntegrityError, match=f'"ck_jobs_{check}"'):
        connection.execute(text(f"UPDATE jobs SET {change}"))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("state = 'paused'", "paused"),
        ("pause_reason = 'hand'", "paused"),
        ("state = 'finished'", "finished"),
        ("finished_at = now()", "finished"),
        ("state = 'open'", "state"),
        ("lane = 'fast'", "lane"),
        ("canary_state = 'late'", "canary"),
    ],
)
def test_a_batch_without_what_its_state_asks_is_refused(engine: Engine, change: str, check: str) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection, pytest.raises(IntegrityError, match=f'"ck_batches_{check}"'):
        connection.execute(text(f"UPDATE batches SET {change}"))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("answered_at = now()", "answered"),
        ("answer_class = 'success'", "answered"),
        ("spend = 'none'", "open"),
        ("sent_at = NULL", "open"),
        ("answered_at = now(), answer_class = 'success', spend = 'some'", "spend"),
        ("answered_at = now(), answer_class = 'good'", "answer_class"),
    ],
)
def test_a_call_on_its_way_has_no_answer_and_may_be_billed(engine: Engine, change: str, check: str) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    assert call(engine, job_id) is not None
    with engine.begin() as connection, pytest.raises(IntegrityError, match=f'"ck_attempts_{check}"'):
        connection.execute(text(f"UPDATE attempts SET {change}"))


def test_a_job_that_is_held_with_an_output_stays_for_review_when_its_batch_is_cancelled(engine: Engine) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "succeeded")
        put(connection, "held")
        cancels.cancel(connection, 1)
        found = connection.execute(text("SELECT state, artifact_sha256 FROM jobs")).one()
    assert found == ("held", OUTPUT)
