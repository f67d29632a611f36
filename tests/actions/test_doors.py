"""Whoever acts, and through whichever door: the same happens, is written down, and is refused in the same words."""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Engine

import actions
from core.settings import Settings
from tests.actions.cases import CASES, Case
from tests.actions.doors import ACTORS, Ask, Doors, Form, NoDoor, Request, Typed, actors, look
from tests.actions.ground import dead, held, paused, some, waiting_for_budget, waiting_for_tomorrow


@pytest.fixture
def doors(engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doors:
    """The doors of a process whose settings name the test's database."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REMOVAL_PRICE", "0.02")
    monkeypatch.setenv("REMOVAL_DAILY_CALLS", "5")
    return Doors(engine)


def named(case: Case) -> str:
    return f"{case.action.__module__.rpartition('.')[2]}.{case.action.__name__} {case.prepare.__name__}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_action_does_the_same_through_every_door(doors: Doors, engine: Engine, case: Case) -> None:
    after = {}
    for asked in (case.typed, case.request, case.form):
        if isinstance(asked, NoDoor):
            continue
        doors.begin(case.prepare)
        before = look(engine)
        said = doors.ask(asked)
        assert said.is_done, said.words
        found = look(engine)
        assert found != before
        lines = sorted(found["audit"], key=lambda line: int(line["id"]))
        assert [(line["action"], line["target"], line["detail"]) for line in lines] == list(case.audited)
        assert actors(engine) <= {ACTORS[type(asked)], "somebody"}
        after[type(asked)] = found
    first, *others = after.values()
    for other in others:
        assert other == first


@pytest.mark.parametrize("case", [case for case in CASES if case.asks_again], ids=named)
def test_a_refused_account_is_asked_again_at_once_when_somebody_has_come_to_look(
    doors: Doors, engine: Engine, case: Case
) -> None:
    for asked in (case.typed, case.request, case.form):
        if isinstance(asked, NoDoor):
            continue
        doors.begin(case.prepare)
        assert [circuit["next_probe_at"] for circuit in look(engine)["circuits"]] == ["ahead"]
        doors.ask(asked)
        assert [circuit["next_probe_at"] for circuit in look(engine)["circuits"]] == ["past"]


def test_every_action_has_a_case() -> None:
    there_are = {
        (found.__module__, name)
        for module in pkgutil.iter_modules(actions.__path__)
        for name, found in inspect.getmembers(import_module(f"actions.{module.name}"), inspect.isfunction)
        if found.__module__ == f"actions.{module.name}"
        and not name.startswith("_")
        and "actor" in inspect.signature(found).parameters
    }
    assert there_are == {(case.action.__module__, case.action.__name__) for case in CASES}


def three(path: str, *words: str) -> tuple[Ask, ...]:
    """Return how something with a batch or a photo is asked for at each door."""
    return Typed(words), Request(path, {} if path.endswith(("requeue", "budget")) else None), Form(f"/{path}", {})


@pytest.mark.parametrize(
    ("prepare", "asked"),
    [
        (paused, three("batches/1/pause", "pause", "1")),
        (some, three("batches/1/resume", "resume", "1")),
        (some, three("batches/1/requeue", "requeue", "1")),
        (
            waiting_for_budget,
            (
                Typed(("budget", "1", "--max-calls", "0")),
                Request("batches/1/budget", {"max_calls": 0}),
                Form("/batches/1/budget", {"max_calls": "0"}),
            ),
        ),
        (some, (Typed(("budget", "1")), Request("batches/1/budget", {}))),
    ],
)
def test_what_changes_nothing_is_not_written_down(
    doors: Doors, engine: Engine, prepare: Callable[[Engine], object], asked: tuple[Ask, ...]
) -> None:
    for each in asked:
        doors.begin(prepare)
        before = look(engine)
        assert doors.ask(each).is_done
        assert look(engine) == before


NO_BATCH = "There is no batch 7; the newest is 1."
NOT_HELD = "Job 4 of batch 1 is pending, not held."


@pytest.mark.parametrize(
    ("prepare", "asked", "words"),
    [
        (
            waiting_for_budget,
            three("batches/1/resume", "resume", "1"),
            "The budget of batch 1 is reached: 0 of 0 calls",
        ),
        (
            waiting_for_tomorrow,
            three("batches/1/resume", "resume", "1"),
            "The account's daily limit is reached: 5 of 5 calls (REMOVAL_DAILY_CALLS). Batch 1: 0 clean photos "
            "are kept, 4 wait. It continues after midnight UTC",
        ),
        (some, three("batches/7/pause", "pause", "7"), NO_BATCH),
        (some, three("batches/7/resume", "resume", "7"), NO_BATCH),
        (some, three("batches/7/cancel", "cancel", "7"), NO_BATCH),
        (some, three("batches/7/requeue", "requeue", "7"), NO_BATCH),
        (held, three("jobs/3/accept", "accept", "3"), "Job 3 has no output that could be accepted"),
        (held, three("jobs/4/accept", "accept", "4"), NOT_HELD),
        (held, three("jobs/4/reject", "reject", "4"), "Job 4 of batch 1 is pending, neither held nor clean."),
        (held, three("jobs/9/flag", "flag", "9"), "There is no job 9."),
        (held, three("jobs/9/accept", "accept", "9"), "There is no job 9."),
        (dead, three("jobs/3/requeue")[1:], "Job 3 is pending; only failed, held and cancelled photos"),
    ],
)
def test_a_refusal_has_the_same_words_at_every_door_and_changes_nothing(
    doors: Doors, engine: Engine, prepare: Callable[[Engine], object], asked: tuple[Ask, ...], words: str
) -> None:
    for each in asked:
        doors.begin(prepare)
        before = look(engine)
        said = doors.ask(each)
        assert words in said.words
        # A page says it where the form was, so that a review goes on.
        assert not said.is_done or isinstance(each, Form)
        assert look(engine) == before
