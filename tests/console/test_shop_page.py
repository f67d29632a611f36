"""The page of a shop into which clean photos go back."""

import html
import re
from functools import partial

import pytest
from sqlalchemy import Engine, text

from console.app import make_app
from core.figures import counted
from db import callbacks, connections
from db.users import Role
from producer.webhooks.guides import GUIDES
from producer.webhooks.platforms import PLATFORMS
from producer.writebacks.shop_apis import WRITABLE
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


def test_it_lists_what_was_delivered_with_time_and_answer(web: Web) -> None:
    a_shop_that_was_told(web.engine)
    with web.engine.begin() as connection:
        callbacks.note_delivered(connection, 1, "HTTP 204")
    with web.engine.begin() as connection:
        connections.note_refused(connection, 1, "The signature does not fit.")
        connections.note_refused(connection, 1, "Another one a moment later.")
        failed = connection.execute(text("SELECT id FROM writebacks WHERE state = 'failed'")).scalar_one()
    ann = Person(web, Role.OPERATOR)
    page = ann.get("/connections/1")
    for words in ("HTTP 204", "The signature does not fit.", "In the shop", "Failed: why"):
        assert words in page
    assert "Another one" not in page
    # A write-back is sent again from there, and so is a callback, whose answer is then open.
    assert f'name="photo" value="{failed}"' in page
    ann.post("/connections/1/callbacks/1/again")
    assert "not sent yet" in ann.get("/connections/1")


def test_a_webhook_that_is_refused_is_told_on_the_page(web: Web) -> None:
    a_shop(web.engine)
    with web.engine.connect() as connection:
        slug = connection.execute(text("SELECT slug FROM connections")).scalar_one()
    assert web.client.post(f"/webhooks/{slug}", content=b"{}").status_code == 401
    assert "The last webhook that was refused came" in Person(web, Role.OPERATOR).get("/connections/1")


def test_every_platform_says_whose_secret_it_signs_with(web: Web) -> None:
    assert set(GUIDES) == set(PLATFORMS)
    # Those of which photos go back, or are asked for, say what their token needs.
    assert {name for name, guide in GUIDES.items() if guide.api} == {*WRITABLE, "bigcommerce"}
    form = html.unescape(Person(web, Role.ADMIN).get("/connections"))
    for guide in GUIDES.values():
        assert guide.secret in form


def test_a_shops_own_secret_is_entered_on_its_page_and_none_of_ours_is_shown(web: Web) -> None:
    admin = Person(web, Role.ADMIN)
    made = admin.post("/connections", 200, platform="shopify", shop="A shop", element="1")
    with web.engine.connect() as connection:
        ours = connection.execute(text("SELECT secrets[1] FROM connections")).scalar_one()
    assert ours not in made.text
    assert "signs with a secret of its own" in made.text
    page = admin.get("/connections/1")
    assert "Set the secret" in page
    admin.post("/connections/1/rotate", secret="theirs")
    admin.post("/connections/1/rotate", 422, secret="  ")
    with web.engine.connect() as connection:
        assert connection.execute(text("SELECT secrets[1] FROM connections")).scalar_one() == "theirs"
    assert "theirs" not in admin.get("/connections/1")
