"""The page of a shop into which clean photos go back."""

import re
from functools import partial

import pytest
from sqlalchemy import Engine, text

from console.app import make_app
from core.figures import counted
from db.users import Role
from tests.actions.ground import a_shop, a_shop_that_told, a_shop_that_was_told
from tests.console.conftest import AppOf, Web
from tests.console.test_pages import Person


@pytest.fixture
def app_of(engine: Engine) -> AppOf:
    return partial(make_app, engine)


def test_it_shows_what_waits_and_what_failed_and_puts_in_what_is_chosen(web: Web) -> None:
    a_shop_that_was_told(web.engine)
    ann = Person(web, Role.OPERATOR)
    page = ann.get("/connections/1")
    assert "Write all to the shop (1)" in page
    assert 'src="/photos/1/before-small"' in page
    assert "job.succeeded" in page
    assert "sealed" not in page
    ann.post("/connections/1/release", photo="1")
    assert "why" in ann.get("/connections/1?state=failed")
    assert "Restore all originals (1)" in ann.get("/connections/1?state=written")
    with web.engine.connect() as connection:
        states = connection.execute(text("SELECT state FROM writebacks ORDER BY id")).scalars().all()
    assert states == ["due", "failed", "written"]
    ann.post("/connections/1/release", 422, photo="x")


def test_who_may_only_look_may_not_write_into_a_shop(web: Web) -> None:
    a_shop_that_was_told(web.engine)
    viewer, operator = Person(web, Role.VIEWER), Person(web, Role.OPERATOR)
    viewer.post("/connections/1/release", 403, all="yes")
    operator.post("/connections/1/writeback", 403, mode="auto")


def test_a_shop_without_a_token_says_what_to_do(web: Web) -> None:
    a_shop(web.engine)
    page = Person(web, Role.OPERATOR).get("/connections/1")
    assert re.search("no token for the shop's API|no token for the shop&#39;s API", page)
    Person(web, Role.OPERATOR, "bea").get("/connections/9", 404)


def test_a_webhook_is_read_again_and_what_is_known_makes_nothing_new(web: Web) -> None:
    a_shop_that_told(web.engine)
    ann = Person(web, Role.OPERATOR)
    for jobs in (1, 0):
        ann.post("/connections/1/webhooks/1/again")
        assert f"Processed again: {counted(jobs, 'new photo')}." in ann.get("/connections/1")
    ann.post("/connections/1/webhooks/2/again", 404)
