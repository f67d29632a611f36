"""Budgets, costs, decisions and status as people type them, on a real database."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from actions.questions import ask_requeue
from cli.actor import actor
from cli.group import cleanplate
from core.errors import BudgetReached
from core.settings import SANDBOX_KEY, Settings, load_settings
from core.states import NOTHING_TO_REMOVE, AnswerClass, JobState, Spend
from db import attempts, batches, budgets, canaries
from db.attempts import AttemptResult
from db.budgets import Tariff
from tests.db.rows import ACCOUNT, call, make_batch, put

PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID)
Say = Callable[..., Result]


@pytest.fixture
def say(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run `cleanplate …` on a fresh database; errors of ours come back as the result's exception."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REMOVAL_PRICE", "0.02")

    def run(*words: str) -> Result:
        return CliRunner().invoke(cleanplate, words, standalone_mode=False)

    return run


def spend(engine: Engine, job_ids: list[int], account: str = SANDBOX_KEY) -> None:
    for job_id in job_ids:
        attempt_id = call(engine, job_id, Tariff(Decimal("0.02")), account)
        assert attempt_id is not None
        with engine.begin() as connection:
            attempts.settle(connection, attempt_id, PAID)


def release(engine: Engine) -> None:
    """End what runs, so that the batch has nothing on its way."""
    with engine.begin() as connection:
        put(connection, "succeeded", "state = 'running'")


def state_of_batch(engine: Engine) -> tuple[str, str | None]:
    with engine.connect() as connection:
        row = batches.get(connection, 1)
    assert row is not None
    return row.state, row.pause_reason


def test_a_raised_budget_lets_its_batch_go_on(engine: Engine, say: Say) -> None:
    ids = make_batch(engine, 5, queued=True)
    assert "no limit" in say("budget", "1").stdout
    assert "0 of 2 calls" in say("budget", "1", "--max-calls", "2").stdout
    spend(engine, ids[:2])
    assert call(engine, ids[2]) is None
    with engine.begin() as connection:
        put(connection, "pending", f"id = {ids[2]}")
    release(engine)
    assert state_of_batch(engine) == ("paused", "budget")
    shown = say("budget", "1")
    assert "2 of 2 calls; cost so far: free (would be 0.04 USD)" in shown.stdout
    assert "waits for budget" in shown.stdout
    assert isinstance(say("resume", "1").exception, BudgetReached)
    told = say("status", "1")
    assert "The budget of batch 1 is reached" in told.stdout
    assert state_of_batch(engine) == ("paused", "budget")
    raised = json.loads(say("budget", "1", "--max-calls", "4", "--max-cost", "0.5", "--json").stdout)
    assert (raised["max_calls"], raised["max_cost"], raised["state"], raised["paid"]) == (4, 0.5, "active", 2)


def test_a_cost_limit_that_is_raised_but_still_too_low_stays(engine: Engine, say: Say) -> None:
    ids = make_batch(engine, 3, queued=True)
    say("budget", "1", "--max-cost", "0.02")
    spend(engine, ids[:1])
    with engine.begin() as connection:
        batches.pause(connection, 1, budgets.PAUSE_REASON)
    release(engine)
    say("budget", "1", "--max-cost", "0.039")
    assert state_of_batch(engine) == ("paused", "budget")
    say("budget", "1", "--max-cost", "0.04")
    assert state_of_batch(engine) == ("active", None)


def test_the_ledger_is_a_table_with_its_sum(engine: Engine, say: Say) -> None:
    assert "Nothing was called" in say("costs").stdout
    spend(engine, make_batch(engine, 2, queued=True))
    spend(engine, make_batch(engine, 1, queued=True))
    spend(engine, make_batch(engine, 1, queued=True), ACCOUNT)
    lines = say("costs").stdout.splitlines()
    assert len(lines) == 5
    assert lines[-1].split()[:3] == ["all", "4", "4"]
    assert "0.02 USD" in lines[-1]
    costs = [json.loads(say("costs", batch, "--json").stdout) for batch in "23"]
    assert [(told["calls"], told["cost"], len(told["ledger"])) for told in costs] == [(1, 0.0, 1), (1, 0.02, 1)]


def test_a_held_photo_without_output_cannot_be_accepted(engine: Engine, say: Say) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "held", code="read_timeout", message="no answer")
    said = say("accept", "1")
    assert said.return_value == 1
    assert "cleanplate retry 1 --held" in said.stderr
    shown = say("status", "1").stdout
    assert "held: job 1  1.jpg  read_timeout: no answer" in shown
    assert "cleanplate retry 1 --held" in shown


def test_a_bad_canary_is_said_and_resumed(engine: Engine, say: Say) -> None:
    make_batch(engine, 10)
    with engine.begin() as connection:
        canaries.choose(connection, 1, 2)
        put(connection, "dead", "is_canary AND batch_id = 1", code="703", message="no")
        canaries.judge(connection, 0.2)
    shown = say("status", "1").stdout
    assert "canary: failed; of 2 photos, 0 clean, 2 failed, 0 held" in shown
    assert "2 × 703 (no)" in shown
    assert "is resumed" in say("resume", "1").stdout
    canary = json.loads(say("status", "1", "--json").stdout)["canary"]
    assert (canary["state"], canary["overridden_by"]) == ("failed", actor())


def test_who_submits_again_is_told_how_many_photos_wait(say: Say, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://shop.example/a.jpg\nhttps://shop.example/b.jpg\n")
    first, again = say("submit", "urls.txt", "--yes"), say("submit", "urls.txt", "--yes")
    assert first.stdout == again.stdout
    assert first.stderr == again.stderr
    assert "2 photos are waiting" in again.stderr


def test_a_batch_tells_what_becomes_of_it_with_one_secret(say: Say, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://shop.example/a.jpg\n")
    words = ("submit", "urls.txt", "--yes", "--callback-url", "https://shop.example/hook")
    first, again = say(*words), say(*words)
    assert "whsec_" in first.stderr
    assert "whsec_" not in again.stderr
    with engine.connect() as connection:
        row = connection.execute(text("SELECT callback_url, callback_secret FROM batches")).one()
    assert row.callback_url == "https://shop.example/hook"
    assert row.callback_secret in first.stderr
    assert "no http or https URL" in str(say("submit", "urls.txt", "--callback-url", "hook").exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("json", "s"), "variable not set"),
        (("json", "s", "--secret", "-"), "is empty"),
        (("json", "s", "--secret", "x"), "lists of processes"),
        (("json", "s", "--elements", "", "--subject-elements", ""), "nothing to remove"),
    ],
)
def test_a_connection_that_could_not_work_is_not_made(
    say: Say, engine: Engine, words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told == "variable not set":
        monkeypatch.setenv("WEBHOOK_SECRET", "")
    assert told in str(say("connect", *words).exception)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM connections")).scalar_one() == 0


def test_photos_that_were_skipped_are_called_so_and_no_others_are_told_of(engine: Engine, say: Say) -> None:
    make_batch(engine, 3)
    with engine.begin() as connection:
        put(connection, "succeeded", "id < 3", code=NOTHING_TO_REMOVE, is_bare=True)
        put(connection, "succeeded", "id = 3")
        connection.execute(text('UPDATE batches SET options = \'{"screen": "skip"}\''))
    assert "screen: 2 photos have nothing to remove; 2 skipped" in say("status", "1").output
    with engine.connect() as connection:
        question = ask_requeue(connection, 1, load_settings(), state=JobState.SUCCEEDED, code=NOTHING_TO_REMOVE)
    assert question is not None
    assert question.words.startswith("Retry 2 skipped photos of batch 1?")
    assert "Retrying 2 skipped photos of batch 1" in say("requeue", "1", "--code", NOTHING_TO_REMOVE, "--yes").output
    told = say("status", "1").output
    assert "screen: no photos skipped" in told
    assert "carry nothing" not in told
    assert "waiting again: 2 × skipped before, processed now" in told
    assert NOTHING_TO_REMOVE not in told


def test_free_calls_are_told_as_free_wherever_costs_are_told(engine: Engine, say: Say) -> None:
    spend(engine, make_batch(engine, 2, queued=True)[:1])
    release(engine)
    would = "free (would be 0.02 USD)"
    assert f"cost: {would}, 1 call\n" in say("status", "1").stdout
    assert f"cost so far: {would}." in say("budget", "1").stdout


def test_what_is_found_is_told_in_words_of_people(engine: Engine, say: Say) -> None:
    ids = make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "dead")
    told = say("find", f"job {ids[0]}")
    assert "  failed  " in told.stdout
    assert json.loads(say("find", f"job {ids[0]}", "--json").stdout)[0]["state"] == "dead"
