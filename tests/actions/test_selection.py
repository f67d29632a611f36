"""Deciding about many photos at once, and taking it back."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from actions import selection
from core.errors import NotFound, Refused
from core.settings import Settings
from db import artifacts, decisions
from tests.db.rows import make_batch, put

WHO = "ann"


@pytest.fixture
def looked_at(engine: Engine) -> Engine:
    """Make a batch: two clean, three held (one without output), one dead, one that waits; and another batch."""
    make_batch(engine, 7)
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "succeeded", "id <= 4")
        put(connection, "held", "id IN (3, 4)", code="unchanged", message="why")
        put(connection, "held", "id = 5", code="read_timeout", message="no answer")
        put(connection, "dead", "id = 6", code="801", message="busy")
        put(connection, "succeeded", "id = 8")
    return engine


def rows(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT id, state, code, message, artifact_sha256, finished_at FROM jobs ORDER BY id")
        )
        return [tuple(row) for row in found]


def states(engine: Engine) -> list[object]:
    return [row[1] for row in rows(engine)]


def audited(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT action, target, detail FROM audit ORDER BY id"))]


def undone(engine: Engine, decision: UUID | None, who: str = WHO, batch_id: int = 1) -> int:
    assert decision is not None
    with engine.begin() as connection:
        return selection.undo(connection, who, batch_id, decision)


def test_what_is_accepted_is_taken_back_to_the_row(looked_at: Engine) -> None:
    before = rows(looked_at)
    with looked_at.begin() as connection:
        done = selection.accept_all(connection, WHO, 1, [1, 3, 4, 5, 6, 8])
    assert (done.photos, done.passed_over) == (2, 4)
    assert states(looked_at) == ["succeeded"] * 4 + ["held", "dead", "pending", "succeeded"]
    assert undone(looked_at, done.undo) == 2
    assert rows(looked_at) == before
    assert audited(looked_at) == [
        ("accept", "batch 1", "2 chosen photos"),
        ("undo", "batch 1", "2 photos"),
    ]


def test_clean_and_held_photos_are_rejected_and_taken_back(looked_at: Engine) -> None:
    before = rows(looked_at)
    with looked_at.begin() as connection:
        done = selection.reject_all(connection, WHO, 1, [1, 3, 6, 7, 8], "smeared")
    assert (done.photos, done.passed_over) == (2, 3)
    assert states(looked_at)[:3] == ["dead", "succeeded", "dead"]
    told = {row[0]: row[3] for row in rows(looked_at)}
    assert told[1] == "Rejected by a person: smeared. It was clean."
    assert told[3] == "Rejected by a person: smeared. It was held because: unchanged."
    assert undone(looked_at, done.undo) == 2
    assert rows(looked_at) == before


def test_one_look_decides_about_all_of_a_batch_that_are_the_same_photo(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        connection.execute(text("UPDATE jobs SET content_key = 'same' WHERE id IN (1, 2, 8)"))
    before = rows(looked_at)
    with looked_at.begin() as connection:
        done = selection.reject_all(connection, WHO, 1, [1])
    assert (done.photos, done.passed_over) == (2, 0)
    # What is clean in another batch may be in a shop by now: who looked at this batch did not mean it.
    assert [states(looked_at)[at] for at in (0, 1, 7)] == ["dead", "dead", "succeeded"]
    assert undone(looked_at, done.undo) == 2
    assert rows(looked_at) == before


def test_what_is_held_in_another_batch_is_decided_about_with_the_same_photo(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        put(connection, "held", "id = 8", code="unchanged", artifact_sha256="an output")
        connection.execute(text("UPDATE jobs SET content_key = 'same' WHERE id IN (1, 8)"))
    with looked_at.begin() as connection:
        done = selection.reject_all(connection, WHO, 1, [1])
    assert (done.photos, states(looked_at)[7]) == (2, "dead")


def test_nothing_is_taken_back_twice_or_too_late_or_after_more_was_done(
    looked_at: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looked_at.begin() as connection:
        done = selection.reject_all(connection, WHO, 1, [1, 2])
    with looked_at.begin() as connection:
        put(connection, "pending", "id = 1", requeues=1)
    assert undone(looked_at, done.undo) == 1
    assert states(looked_at)[:2] == ["pending", "succeeded"]
    with pytest.raises(NotFound):
        undone(looked_at, done.undo)
    with looked_at.begin() as connection:
        late = selection.reject_all(connection, WHO, 1, [2])
    monkeypatch.setattr(decisions, "GRACE_SECONDS", -decisions.UNDO_SECONDS)
    with pytest.raises(Refused, match="too late"):
        undone(looked_at, late.undo)


def test_who_decided_takes_it_back_and_where(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        done = selection.reject_all(connection, WHO, 1, [1, 2])
    for who, batch_id in (("bob", 1), (WHO, 2)):
        with pytest.raises(NotFound):
            undone(looked_at, done.undo, who, batch_id)
    assert states(looked_at)[:2] == ["dead", "dead"]
    assert undone(looked_at, done.undo) == 2


def test_an_output_that_was_made_since_is_not_taken_back(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        done = selection.accept_all(connection, WHO, 1, [3, 4])
    with looked_at.begin() as connection:
        # A redo has succeeded, which was paid for.
        redone = artifacts.keep(connection, b"redone", image_format="JPEG", width=1, height=1)
        connection.execute(text("UPDATE jobs SET artifact_sha256 = :redone WHERE id = 3"), {"redone": redone})
    assert undone(looked_at, done.undo) == 1
    assert [row[1:5:3] for row in rows(looked_at)[2:4]] == [("succeeded", redone), ("held", "an output")]


def test_what_was_chosen_goes_round_again(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        done = selection.requeue_all(connection, WHO, 1, [1, 3, 6, 8], Settings(_env_file=None))
    assert (done.photos, done.passed_over, done.undo) == (2, 2, None)
    assert states(looked_at) == ["succeeded"] * 2 + ["pending", "held", "held", "pending", "pending", "succeeded"]


def test_old_decisions_are_forgotten(looked_at: Engine) -> None:
    with looked_at.begin() as connection:
        selection.reject_all(connection, WHO, 1, [1])
    with looked_at.begin() as connection:
        assert decisions.forget_old(connection) == 0
        connection.execute(text("UPDATE decisions SET decided_at = now() - interval '2 hours'"))
        assert decisions.forget_old(connection) == 1
