"""What is done by the command line stands in the audit log, under the name of whoever typed."""

from pathlib import Path

from sqlalchemy import Engine

from cli.actor import actor
from cli.group import COMMANDS
from cli.running.console_link import LOCAL_USER, make_console_link
from core.settings import Settings
from db import audit
from tests.actions.cases import CASES
from tests.actions.doors import Typed
from tests.cli.test_steering import Say, say

__all__ = ["say"]

LOOKS_ONLY = {"plan", "mask", "status", "find", "watch", "export", "review", "costs", "doctor", "health"}
RUNS = {"worker", "dispatcher", "web", "flower", "sandbox"}
WRITES_THE_SCHEMA = {"db"}
"""Which version it has is written where the schema is."""
TAKES_IN = {"run", "demo", "submit"}
"""All of them by `cli.running.clean.take_in`."""


def told(engine: Engine) -> list[tuple[str, str, str, str]]:
    with engine.connect() as connection:
        lines = audit.list_lines(connection)
    return [(line.actor, line.action, line.target, line.detail) for line in lines]


def test_every_command_that_does_something_is_known_to_write_it_down() -> None:
    tried = {case.typed.words[0] for case in CASES if isinstance(case.typed, Typed)} - {"requeue"} | {"retry"}
    assert tried | TAKES_IN | {"store", "up"} | LOOKS_ONLY | RUNS | WRITES_THE_SCHEMA == set(COMMANDS)


def test_a_batch_that_is_submitted(say: Say, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://shop.example/a.jpg\nhttps://shop.example/b.jpg\n")
    say("submit", "urls.txt", "--yes")
    say("submit", "urls.txt", "--yes")
    assert told(engine) == [
        (actor(), "submit", "batch 1", "urls.txt again, nothing new"),
        (actor(), "submit", "batch 1", "2 photos of urls.txt"),
    ]


def test_outputs_that_are_moved(say: Say, engine: Engine, tmp_path: Path) -> None:
    target = f"file://{tmp_path}/outputs"
    assert say("store", "move", "postgres", target).exception is None
    assert told(engine) == [(actor(), "move outputs", "", f"0 from postgres to {target}")]


def test_the_link_that_a_stack_prints(engine: Engine) -> None:
    make_console_link(engine, Settings())
    assert told(engine) == [(actor(), "make link", LOCAL_USER, "")]
