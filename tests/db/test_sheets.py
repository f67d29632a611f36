"""A contact sheet shows each photo once, in the order asked for, a page at a time."""

import pytest
from sqlalchemy import Engine, text

from db import sheets
from db.sheets import SheetOrder, SheetScope, Show
from tests.db.rows import make_batch, put


@pytest.fixture
def many(engine: Engine) -> Engine:
    """Make a batch of 30 clean photos, two of which changed unusually, three held ones, and two that wait."""
    make_batch(engine, 35)
    with engine.begin() as connection:
        put(connection, "succeeded", "id <= 30")
        connection.execute(text("UPDATE jobs SET changed_ratio = 0.01 + id * 0.0001, name = 'n' || (100 - id)"))
        connection.execute(text("UPDATE jobs SET changed_ratio = 0.4 WHERE id = 7"))
        connection.execute(text("UPDATE jobs SET changed_ratio = 0.00001 WHERE id = 8"))
        put(connection, "held", "id BETWEEN 31 AND 33", code="unchanged")
    return engine


def walk(engine: Engine, scope: SheetScope, order: SheetOrder, size: int = 7) -> list[int]:
    """Return the photos of all pages."""
    found: list[int] = []
    place = None
    while True:
        with engine.connect() as connection:
            page = sheets.look(connection, scope, order, place, size)
        found += [row.id for row in page.rows]
        if page.following is None:
            return found
        place = page.following


@pytest.mark.parametrize("order", list(SheetOrder))
def test_pages_hold_every_photo_once(many: Engine, order: SheetOrder) -> None:
    assert sorted(walk(many, SheetScope(1), order)) == list(range(1, 34))


def test_the_most_doubtful_come_first(many: Engine) -> None:
    assert set(walk(many, SheetScope(1), SheetOrder.DOUBT)[:3]) == {31, 32, 33}
    assert walk(many, SheetScope(1, Show.CLEAN), SheetOrder.DOUBT)[:2] == [8, 7]


def test_what_has_no_output_of_its_own_is_the_least_doubtful(many: Engine) -> None:
    with many.begin() as connection:
        # Most were skipped, or took what another came to: neither says what is usual here.
        connection.execute(
            text("UPDATE jobs SET code = 'nothing_to_remove', changed_ratio = 0 WHERE id > 14 AND id < 27")
        )
        connection.execute(text("UPDATE jobs SET changed_ratio = NULL WHERE id BETWEEN 27 AND 30"))
    found = walk(many, SheetScope(1, Show.CLEAN), SheetOrder.DOUBT)
    assert found[:2] == [8, 7]
    assert set(range(15, 31)) < set(found[-17:])


def test_names_and_changes_are_in_order(many: Engine) -> None:
    assert walk(many, SheetScope(1, Show.CLEAN), SheetOrder.NAME) == list(range(30, 0, -1))
    assert walk(many, SheetScope(1, Show.CLEAN), SheetOrder.CHANGED)[0] == 7


@pytest.mark.parametrize("limit", [10, 100_000])
def test_a_scope_counts_and_finds_its_photos(many: Engine, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_SORTED", limit)
    for scope, ids in (
        (SheetScope(1, Show.HELD), [31, 32, 33]),
        (SheetScope(1, Show.ALL, "unchanged"), [31, 32, 33]),
        (SheetScope(1, Show.ALL, job_ids=(3, 35)), [3, 35]),
        (SheetScope(1, Show.DEAD), []),
    ):
        assert sorted(walk(many, scope, SheetOrder.DOUBT)) == ids
        with many.connect() as connection:
            assert sheets.count(connection, scope) == len(ids)
            assert sheets.find_ids(connection, scope) == ids


def test_too_many_photos_are_not_sorted(many: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_SORTED", 10)
    with many.connect() as connection:
        page = sheets.look(connection, SheetScope(1), SheetOrder.DOUBT, None, 5)
    assert (page.order, [row.id for row in page.rows]) == (SheetOrder.CAME, [1, 2, 3, 4, 5])
