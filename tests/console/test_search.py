"""The search on every page, over REST and on the command line."""

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from cli.group import cleanplate
from console.pages import search
from db import tokens, users
from db.tokens import Scope
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.db.rows import make_batch

SECRET = "0123456789abcdef0123456789abcdef"
SIGNED = f"https://cdn.example/a.jpg?X-Amz-Signature={SECRET}"


@pytest.fixture
def web(make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A console with a person in it, and a batch of nine photos of one product."""
    monkeypatch.setattr(search, "PAGE", 4)
    monkeypatch.setattr(search, "FIRST", 3)
    web = make_web()
    make_batch(web.engine, 9)
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET sku = 'S-' || id, source_uri = :url || id"), {"url": SIGNED})
        person = users.add(connection, "ann", Role.VIEWER, None)
        assert person is not None
        web.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
    web.client.headers["accept"] = "text/html"
    return web


def get(web: Web, told: str, **more: str | int) -> str:
    answer = web.client.get("/search", params={"q": told, **more})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_page_has_the_search(web: Web) -> None:
    for path in ("/", "/batches", "/batches/1", "/jobs/1", "/review", "/search"):
        page = web.client.get(path)
        assert page.status_code == 200
        assert 'name="q"' in page.text, path


def test_what_is_found_alone_is_gone_to_at_once(web: Web) -> None:
    assert web.client.get("/search", params={"q": "s-7"}).headers["location"] == "/jobs/7"
    assert web.client.get("/search", params={"q": "test"}).headers["location"] == "/batches/1"
    assert "Nothing found" in get(web, "s-77")


def test_results_are_grouped_and_paged_with_range_and_total(web: Web) -> None:
    page = get(web, "s-")
    assert "Products" in page
    assert "1\u20133 of 9" in page
    page = get(web, "s-", by="sku")
    assert "1\u20134 of 9" in page
    assert ">Previous<" not in page
    page = get(web, "s-", by="sku", at=4)
    assert "5\u20138 of 9" in page
    assert 'rel="prev" href="/search?q=s-&amp;by=sku&amp;at=0"' in page
    assert 'rel="next" href="/search?q=s-&amp;by=sku&amp;at=8"' in page
    page = get(web, "s-", by="sku", at=8)
    assert "9\u20139 of 9" in page
    assert ">Next<" not in page


def test_a_signed_url_is_found_and_its_signature_is_not_shown(web: Web) -> None:
    page = get(web, SIGNED)
    assert "URLs" in page
    assert page.count('href="/jobs/') == 3
    assert SECRET not in page


def test_what_is_typed_is_no_markup_and_is_bounded(web: Web) -> None:
    page = get(web, '"><script>alert(1)</script>')
    assert "<script>alert" not in page
    assert web.client.get("/search", params={"q": "x" * 3000}).status_code == 422
    assert web.client.get("/search", params={"q": "s-", "by": "nothing", "at": 5}).status_code == 200
    assert web.client.get("/search", params={"q": "s-", "by": "sku", "at": -1}).status_code == 422


def test_redos_are_folded_under_their_photo(web: Web) -> None:
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET redo_of = 1 WHERE id IN (2, 3)"))
    page = get(web, "s-")
    assert "1\u20133 of 7" in page
    assert "Redone 2 times" in page
    assert page.index('href="/jobs/1"') < page.index('href="/jobs/3"') < page.index('href="/jobs/2"')


def test_the_same_is_found_over_rest(web: Web) -> None:
    with web.engine.begin() as connection:
        _, token = tokens.create(connection, name="t", scopes=[Scope.READ])
    headers = {"Authorization": f"Bearer {token}", "accept": "application/json"}
    told = web.client.get("/v1/search", params={"q": "s-", "limit": 2}, headers=headers).json()
    (group,) = told["photos"]
    assert (group["by"], group["total"], group["is_more"], len(group["jobs"])) == ("sku", 9, False, 2)
    assert SECRET not in str(told)
    assert web.client.get("/v1/search", params={"q": "test"}, headers=headers).json()["batch_ids"] == [1]
    assert web.client.get("/v1/search", headers=headers).status_code == 422
    assert web.client.get("/v1/search", params={"q": "s"}).status_code == 401


@pytest.mark.usefixtures("web")
def test_the_same_is_found_on_the_command_line(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    done = CliRunner().invoke(cleanplate, ["find", "s-7"], standalone_mode=False)
    assert done.output.splitlines() == [
        "job 7  batch 1  pending  7.jpg  S-7  https://cdn.example/a.jpg?X-Amz-Signature=\u2026"
    ]
    assert CliRunner().invoke(cleanplate, ["find", "s-77"], standalone_mode=False).return_value == 1
