"""Pages of a batch's photos, forth and back, in any order, and what is beside each."""

import pytest
from sqlalchemy import Engine, text

from db import photo_pages
from db.photo_pages import PhotoOrder, PhotoScope
from tests.db.rows import make_batch, put

SCOPE = PhotoScope(1)


@pytest.fixture
def photos(engine: Engine) -> Engine:
    """Make seven photos, called the other way round, of which two are dead."""
    make_batch(engine, 7)
    with engine.begin() as connection:
        put(connection, "dead", "id IN (2, 5)", code="801")
        connection.execute(text("UPDATE jobs SET name = 'n' || 9 - id, changed_ratio = id * 0.1, sku = 's'"))
    return engine


def look(engine: Engine, scope: PhotoScope, order: PhotoOrder, **place: int) -> list[int]:
    with engine.connect() as connection:
        return photo_pages.look(connection, scope, order, limit=3, **place).ids


def test_pages_go_forth_and_back(photos: Engine) -> None:
    assert look(photos, SCOPE, PhotoOrder.CAME) == [1, 2, 3]
    assert look(photos, SCOPE, PhotoOrder.CAME, after=3) == [4, 5, 6]
    assert look(photos, SCOPE, PhotoOrder.CAME, before=7) == [4, 5, 6]
    assert look(photos, PhotoScope(1, state="dead"), PhotoOrder.CAME, before=7) == [2, 5]
    assert look(photos, PhotoScope(1, code="801"), PhotoOrder.CAME, before=5) == [2]
    assert look(photos, PhotoScope(1, sku="s"), PhotoOrder.CAME, before=3) == [1, 2]
    assert look(photos, SCOPE, PhotoOrder.NAME) == [7, 6, 5]
    assert look(photos, SCOPE, PhotoOrder.CHANGED, at=3) == [4, 3, 2]
    assert look(photos, SCOPE, PhotoOrder.TIME)[:2] == [2, 5]
    assert look(photos, SCOPE, PhotoOrder.COST) == [1, 2, 3]


def test_what_is_beside_a_photo_is_what_its_list_has_there(photos: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with photos.connect() as connection:
        found = photo_pages.look_beside(connection, SCOPE, PhotoOrder.NAME, 6)
        assert (found.previous, found.following, found.number, found.total) == (7, 5, 2, 7)
        found = photo_pages.look_beside(connection, PhotoScope(1, state="dead"), PhotoOrder.CAME, 5)
        assert (found.previous, found.following, found.number) == (2, None, 2)
        monkeypatch.setattr(photo_pages, "MOST_NUMBERED", 3)
        found = photo_pages.look_beside(connection, SCOPE, PhotoOrder.CAME, 4)
        assert (found.previous, found.following, found.number, found.total) == (3, 5, None, 7)


def test_too_many_are_not_sorted_and_not_counted(photos: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_pages, "MOST_SORTED", 6)
    monkeypatch.setattr(photo_pages, "MOST_COUNTED", 4)
    with photos.connect() as connection:
        page = photo_pages.look(connection, SCOPE, PhotoOrder.NAME, limit=3)
        assert (page.ids, page.order, page.total) == ([1, 2, 3], PhotoOrder.CAME, 7)
        page = photo_pages.look(connection, PhotoScope(1, sku="s"), PhotoOrder.NAME, limit=3)
        assert (page.total, page.is_more) == (4, True)
