"""One question, in the same words and at the true price, at every door; nothing is asked where nothing is spent."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from actions import batches
from cli import consent as terminal
from core.settings import Settings
from core.states import JobState
from db import budgets, canaries, cancels, prospects
from tests.actions.doors import Doors, Form, Request, Typed, look
from tests.actions.ground import bad_canary, dead, held, paused, some
from tests.db.rows import claim, make_batch, note_source, put

Prepare = Callable[[Engine], object]


@pytest.fixture
def doors(engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doors:
    """The doors of a process that calls a paid API, and at whose terminal somebody sits."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REMOVAL_API_KEY", "key")
    monkeypatch.setenv("REMOVAL_PRICE", "0.02")
    monkeypatch.setattr(terminal, "on_terminal", lambda: True)
    return Doors(engine)


def running(engine: Engine) -> None:
    """Make a batch of ten: two clean, one paid for and held, one in a call, one tried before, five never."""
    make_batch(engine, 10)
    with engine.begin() as connection:
        put(connection, "succeeded", "id < 3")
        put(connection, "held", "id = 3", artifact_sha256="an output")
        put(connection, "running", "id = 4")


def of_all_kinds(engine: Engine) -> None:
    """Make a batch of dead photos: two alike, a row without one, one cleaned elsewhere, one paid for, one more."""
    make_batch(engine, 6)
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "dead", "batch_id = 1", code="801", message="busy")
        put(connection, "dead", "id IN (1, 2)", code="801", content_key="a", message="busy")
        put(connection, "dead", "id = 3", code="unreadable_row", message="small")
        put(connection, "dead", "id = 4", code="801", content_key="b", message="busy")
        put(connection, "succeeded", "batch_id = 2", content_key="b")
        put(connection, "dead", "id = 5", code="output_unreachable", output_url="https://outputs.example/5")


def test_what_a_cancel_found_running_and_is_paid_for_costs_nothing_more(engine: Engine) -> None:
    paid, called = make_batch(engine, 2, queued=True)
    for job_id in (paid, called):
        job = claim(engine, job_id)
        assert job is not None
        with engine.begin() as connection:
            note_source(connection, job, f"sha {job_id}", f"key {job_id}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_notes SET output_url = 'https://outputs.example/1' WHERE job_id = 1"))
        cancels.cancel(connection, 1)
        found = prospects.look_ahead(connection, 1, state=JobState.CANCELLED)
    assert (found.photos, found.calls) == (2, 1)


def test_what_a_url_held_then_may_be_another_photo_by_now(engine: Engine) -> None:
    make_batch(engine, 2)
    with engine.begin() as connection:
        put(connection, "dead", code="not_an_image")
        assert prospects.look_ahead(connection, 1).calls == 2
        connection.execute(text("UPDATE jobs SET source_uri = 'upload:' || id"))
        assert prospects.look_ahead(connection, 1).calls == 0


def none_is_called(engine: Engine) -> None:
    make_batch(engine, 2)
    with engine.begin() as connection:
        put(connection, "dead", "id = 1", code="unreadable_row")
        put(connection, "held", "id = 2", code="unchanged", output_url="https://outputs.example/2")


CANCEL = (
    "Cancel batch 1? 6 photos will not be called, which saves up to 0.12 USD. 1 photo in progress will "
    "finish. Kept: 2 clean and 1 held for review."
)
CANARY = (
    "Resume batch 1 although its canary failed? Of its 2 photos, 2 failed and 0 need review. "
    "The rest is up to 8 paid calls, 0.16 USD."
)
ALL_KINDS = "Retry 6 failed photos of batch 1? Up to 2 paid calls, 0.04 USD. No call is made for 4 of them."


def at_doors(path: str, *words: str, body: object = None, **fields: str) -> tuple[Typed, Request, Form]:
    """Return how something is asked for at each door by somebody who then says no."""
    return Typed(words, "n\n"), Request(f"{path}?dry_run=true", body), Form(f"/{path}", fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prepare", "asked", "words"),
    [
        (running, at_doors("batches/1/cancel", "cancel", "1"), CANCEL),
        (bad_canary, at_doors("batches/1/resume", "resume", "1"), CANARY),
        (of_all_kinds, at_doors("batches/1/requeue", "requeue", "1", body={}), ALL_KINDS),
        (
            dead,
            at_doors("batches/1/requeue", "requeue", "1", "--code", "801", body={"code": "801"}, code="801"),
            "Retry 2 failed photos with code 801 of batch 1? Up to 2 paid calls, 0.04 USD.",
        ),
        (
            held,
            at_doors("batches/1/requeue", "requeue", "1", "--held", body={"held": True}, state="held"),
            "Retry 3 held photos of batch 1? Up to 2 paid calls, 0.04 USD. No call is made for 1 of them.",
        ),
        (
            dead,
            at_doors("jobs/1/requeue")[1:],
            "Retry job 1 of batch 1? Up to 1 paid call, 0.02 USD.",
        ),
    ],
)
def test_the_same_question_is_asked_at_every_door(
    doors: Doors, engine: Engine, prepare: Prepare, asked: tuple[Typed | Request | Form, ...], words: str
) -> None:
    for each in asked:
        doors.begin(prepare)
        before = look(engine)
        said = doors.ask(each)
        assert words in said.words
        assert look(engine) == before


def test_a_no_says_what_was_not_done(doors: Doors) -> None:
    for prepare, words, told in (
        (running, ("cancel", "1"), "Batch 1 is not cancelled."),
        (bad_canary, ("resume", "1"), "Batch 1 stays paused."),
        (dead, ("requeue", "1"), "Nothing was retried."),
    ):
        doors.begin(prepare)
        assert told in doors.ask(Typed(words, "n\n")).words


@pytest.mark.parametrize(
    ("prepare", "asked"),
    [
        (none_is_called, at_doors("batches/1/requeue", "requeue", "1", body={})),
        (none_is_called, at_doors("batches/1/requeue", "requeue", "1", "--held", body={"held": True}, state="held")),
        (none_is_called, at_doors("jobs/1/requeue")[1:]),
        (paused, at_doors("batches/1/resume", "resume", "1")),
    ],
)
def test_nothing_is_asked_where_nothing_is_spent(
    doors: Doors, prepare: Prepare, asked: tuple[Typed | Request | Form, ...]
) -> None:
    for each in asked:
        doors.begin(prepare)
        said = doors.ask(each)
        assert said.is_done, said.words
        assert "?" not in said.words or isinstance(each, Form)
        assert "paid call" not in said.words


def test_a_price_is_bounded_by_the_budget(doors: Doors, engine: Engine) -> None:
    doors.begin(dead)
    with engine.begin() as connection:
        budgets.set_limits(connection, 1, max_calls=1, max_cost=None)
    assert "The batch's budget allows 1 of these calls." in doors.ask(Typed(("requeue", "1"), "n\n")).words


def test_the_sandbox_is_free(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_API_KEY", "sandbox")
    doors.begin(dead)
    said = doors.ask(Typed(("requeue", "1"), "n\n")).words
    assert "Up to 2 calls to the sandbox, free (would be 0.04 USD)." in said


def test_of_many_photos_the_rest_is_taken_for_calls(
    doors: Doors, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.begin(of_all_kinds)
    monkeypatch.setattr(prospects, "MOST_LOOKED_AT", 3)
    with engine.begin() as connection:
        found = prospects.look_ahead(connection, 1)
    assert (found.photos, found.calls) == (6, 4)


def cancelled_at(doors: Doors) -> list[str]:
    said = []
    for asked in (
        Typed(("cancel", "1", "--yes")),
        Request("batches/1/cancel"),
        Form("/batches/1/cancel", {"agreed": "6"}),
    ):
        doors.begin(running)
        said.append(doors.ask(asked).words)
    return said


def test_a_cancel_counts_truly_and_keeps_what_is_paid_for(doors: Doors, engine: Engine) -> None:
    typed, _, page = cancelled_at(doors)
    assert "Batch 1 is cancelled; 6 photos will not be called. Kept: 2 clean and 1 held for review" in typed
    assert "Cancelled: 6 photos will not be called. Kept: 2 clean and 1 held for review" in page
    assert [row["state"] for row in sorted(look(engine)["jobs"], key=lambda row: row["id"])][:5] == [
        "succeeded",
        "succeeded",
        "held",
        "running",
        "cancelled",
    ]
    assert doors.ask(Typed(("accept", "3"))).is_done


def test_who_overrides_a_canary_is_said(doors: Doors, engine: Engine) -> None:
    doors.begin(bad_canary)
    page = doors.ask(Form("/batches/1/pause", {})).words
    assert "Review the canary" in page
    assert "Review the canary" in doors.ask(Form("/batches/1/resume", {})).words
    page = doors.ask(Form("/batches/1/resume", {"agreed": "8"})).words
    assert "canary failed, resumed anyway by ann" in page
    assert "canary passed" not in page
    assert "canary: failed, resumed anyway by ann" in doors.ask(Typed(("status", "1"))).words
    assert ("resume", batches.PAST_CANARY) in [(line["action"], line["detail"]) for line in look(engine)["audit"]]
    # Who pauses and resumes it after that is not asked again.
    doors.ask(Form("/batches/1/pause", {}))
    assert "Resumed." in doors.ask(Form("/batches/1/resume", {})).words


def test_a_batch_that_is_paused_by_hand_and_has_no_budget_stays_paused_and_says_so(
    doors: Doors, engine: Engine
) -> None:
    for asked in (Typed(("resume", "1")), Request("batches/1/resume"), Form("/batches/1/resume", {})):
        doors.begin(paused)
        with engine.begin() as connection:
            budgets.set_limits(connection, 1, max_calls=0, max_cost=None)
        said = doors.ask(asked).words
        assert "The budget of batch 1 is reached: 0 of 0 calls" in said
        assert "and resume it; it then continues" in said
        assert look(engine)["batches"][0]["state"] == "paused"


def test_a_page_raises_calls_and_money(doors: Doors, engine: Engine) -> None:
    doors.begin(some)
    with engine.begin() as connection:
        budgets.set_limits(connection, 1, max_calls=0, max_cost=None)
        connection.execute(text("UPDATE batches SET state = 'paused', pause_reason = 'budget'"))
    page = doors.ask(Form("/batches/1/budget", {"max_calls": "0"})).words
    assert "It still waits for budget" in page
    assert '<a class="button primary" href="#budget">Raise the budget</a>' in page
    assert 'name="max_cost"' in page
    page = doors.ask(Form("/batches/1/budget", {"max_calls": "9", "max_cost": "1.5"})).words
    assert "0 of 9 calls, 0.00 USD of 1.50 USD" in page
    assert look(engine)["batches"][0]["state"] == "active"


def test_a_canary_is_listed(doors: Doors, engine: Engine) -> None:
    doors.begin(bad_canary)
    with engine.connect() as connection:
        assert canaries.count(connection, 1).total == 2
    page = doors.ask(Form("/batches/1/pause", {})).words
    assert "?canary=1" in page
