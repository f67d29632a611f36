"""What becomes of a job when PostgreSQL goes away in the middle of it: what was not called waits for no lease."""

from pathlib import Path

import pytest

from core.errors import DatabaseDown
from db import twins
from db.jobs import ClaimedJob
from tests.worker.conftest import MakeBench
from worker.writes import Opened, Writes


def test_a_call_of_which_nobody_knows_whether_it_was_opened_is_not_made_and_its_job_is_handed_back(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)
    opened: list[Opened | None] = []
    really_open = Writes.open

    def open_and_lose_the_answer(writes: Writes, job: ClaimedJob) -> Opened | None:
        opened.append(really_open(writes, job))
        raise DatabaseDown("PostgreSQL cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(Writes, "open", open_and_lose_the_answer)
        assert [ending.state for ending in bench.run_due()] == ["pending"]
    assert [each is not None for each in opened] == [True]
    assert bench.attempts() == []
    assert bench.sandbox.stats()["received"] == 0
    assert [ending.state for ending in bench.run_due()] == ["succeeded"]
    assert bench.job()["attempts"] == 1


def test_a_photo_that_could_not_be_noted_is_handed_back(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)

    def down(*_: object) -> object:
        raise DatabaseDown("PostgreSQL cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(Writes, "note", lambda *_: None)
        patch.setattr(twins, "note_source", down)
        assert [ending.state for ending in bench.run_due()] == ["pending"]
    assert [ending.state for ending in bench.run_due()] == ["succeeded"]
