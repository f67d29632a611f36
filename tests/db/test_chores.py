"""What there is to do is told by one question, and nothing that there is goes untold."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
from sqlalchemy import Connection, Engine, text

from core.states import JobState
from db import batches, budgets, callbacks, cancels, chores, costs, lookups, requeues, tallies
from tests.db.rows import enqueue, make_batch, put


@pytest.fixture
def quiet(engine: Engine) -> Engine:
    """A database with a batch of five photos that somebody paused, and all counts added up."""
    make_batch(engine, 5)
    with engine.begin() as connection:
        batches.pause(connection, 1, "by hand")
        fold(connection)
    return engine


def fold(connection: Connection) -> None:
    tallies.fold(connection)
    costs.fold(connection)


def found(connection: Connection) -> set[str]:
    return {name for name, there_is in asdict(chores.find(connection)).items() if there_is}


def due(connection: Connection) -> set[str]:
    return {name for name, is_due in asdict(chores.find_errands(connection)).items() if is_due}


def test_a_batch_that_somebody_paused_is_nothing_to_do(quiet: Engine) -> None:
    with quiet.begin() as connection:
        assert found(connection) == set()
        assert due(connection) == set()


def _cancel(connection: Connection) -> None:
    # The first one is cancelled at once, and the others bit by bit.
    cancels.cancel(connection, 1)


def _requeue(connection: Connection) -> None:
    put(connection, "dead", "id <= 3")
    assert requeues.requeue(connection, 1, state=JobState.DEAD) == 3
    batches.pause(connection, 1, "by hand")


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda connection: batches.resume(connection, 1), "has_work"),
        (lambda connection: enqueue(connection, "id = 1"), "has_live"),
        (lambda connection: put(connection, "running", "id = 1"), "has_live"),
        (_cancel, "has_rest"),
        (_requeue, "has_rest"),
        (
            lambda connection: connection.execute(
                text("UPDATE batches SET pause_reason = :reason"), {"reason": budgets.PAUSE_REASON}
            ),
            "has_paused",
        ),
    ],
)
def test_each_is_told_by_itself(
    quiet: Engine, monkeypatch: pytest.MonkeyPatch, work: Callable[[Connection], object], told: str
) -> None:
    monkeypatch.setattr(cancels, "AT_ONCE", 1)
    monkeypatch.setattr(requeues, "AT_ONCE", 1)
    with quiet.begin() as connection:
        work(connection)
        fold(connection)
        assert found(connection) == {told}


def test_what_is_to_be_added_up_is_told(quiet: Engine) -> None:
    with quiet.begin() as connection:
        put(connection, "dead", "id = 1")
        assert found(connection) == {"has_changes"}
        tallies.fold(connection)
        costs.fold(connection)
        assert found(connection) == set()
        statement = text(
            "INSERT INTO ledger_changes (batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, "
            "maybe_cost) VALUES (1, CURRENT_DATE, '200', 1, 1, 0, 0, 0, 10000, 0)"
        )
        connection.execute(statement)
        assert found(connection) == {"has_changes"}


def _shop(connection: Connection) -> None:
    connection.execute(
        text(
            "INSERT INTO connections (slug, platform, shop, secrets, options, sealed_token) "
            "VALUES ('c', 'shopify', 's', '{x}', '{}', 'sealed')"
        )
    )


def test_what_is_due_to_shops_is_told_as_long_as_nobody_has_taken_it(quiet: Engine) -> None:
    with quiet.begin() as connection:
        connection.execute(
            text(
                "UPDATE batches SET callback_url = 'https://shop.example/hook', callback_secret = 'whsec_x'; "
                "INSERT INTO callbacks (batch_id, job_id, event, available_at) "
                "VALUES (1, 1, 'job.dead', now() + interval '1 hour')"
            )
        )
        assert due(connection) == set()
        connection.execute(text("UPDATE callbacks SET available_at = now()"))
        assert due(connection) == {"callbacks"}
        put(connection, "dead", "id = 1")
        assert callbacks.take_due(connection, 5)
        assert due(connection) == set()
        _shop(connection)
        lookups.note(connection, 1, "77")
        assert due(connection) == {"lookups"}
        assert lookups.take_due(connection, 5)
        assert due(connection) == set()


@pytest.mark.parametrize(
    ("of_shop", "of_photo", "is_due"),
    [
        ("", "", True),
        ("", "state = 'restoring'", True),
        ("", "state = 'expected'", False),
        ("", "available_at = now() + interval '1 hour'", False),
        ("api_after = now() + interval '1 hour'", "", False),
        ("writing_paused = 'refused'", "", False),
        ("closed_at = now()", "", False),
        ("sealed_token = NULL", "", False),
    ],
)
def test_a_photo_is_due_in_a_shop_that_may_be_asked(quiet: Engine, of_shop: str, of_photo: str, is_due: bool) -> None:
    with quiet.begin() as connection:
        _shop(connection)
        connection.execute(
            text(
                "INSERT INTO writebacks (connection_id, job_id, key, product, media, photo_url, state) "
                "VALUES (1, 1, 'k', 'p', 'm', 'u', 'due')"
            )
        )
        if of_shop:
            connection.execute(text(f"UPDATE connections SET {of_shop}"))
        if of_photo:
            connection.execute(text(f"UPDATE writebacks SET {of_photo}"))
        assert due(connection) == ({"writebacks"} if is_due else set())
