"""The page of costs, its CSV and what REST says are the ledger's, to the cent."""

import csv
import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from core.settings import SANDBOX_KEY
from db import costs
from db.session import transact
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.console.test_api import token_of
from tests.console.test_pages import Person
from tests.db.rows import make_batch, put
from tests.db.test_costs import LOST, PAID, make_calls


@pytest.fixture
def spent(make_web: MakeWeb) -> Web:
    """A web application with five calls and two photos that needed none."""
    web = make_web(removal_price="0.02", removal_api_key="key", removal_api_secret="secret")
    make_calls(web.engine, [PAID, PAID, PAID, LOST], "0.02")
    make_batch(web.engine, 1)
    with web.engine.begin() as connection:
        put(connection, "succeeded", "batch_id = 2", reused_from=1)
        connection.execute(text("UPDATE batches SET name = '=evil' WHERE id = 2"))
    return web


def test_the_page_says_what_was_spent_and_saved(spent: Web) -> None:
    viewer = Person(spent, Role.VIEWER)
    page = viewer.get("/costs?by=batch")
    assert '<a href="/batches/1">test #1</a>' in page
    assert '<p class="answer">0.08 USD</p>' in page
    assert '<p class="answer">0.02 USD</p>' in page
    assert "3 billed, 1 maybe billed" in page
    assert datetime.now(UTC).date().isoformat() in viewer.get("/costs")
    for by in costs.CostsBy:
        assert "0.08" in viewer.get(f"/costs?by={by}&days=1")
    assert viewer.http.get("/costs?by=nothing").status_code == 422


def test_the_file_has_the_same_and_no_formula(spent: Web) -> None:
    answer = Person(spent, Role.VIEWER).http.get("/costs.csv?by=batch&days=30")
    assert answer.headers["content-disposition"] == 'attachment; filename="costs-by-batch-30-days.csv"'
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["batch"], first["calls"], first["cost"], first["maybe_cost"]) == ("1", "4", "0.08", "0.02")
    assert (second["name"], second["reused"], second["saved_by_reuse"]) == ("'=evil #2", "1", "0.02")


def test_rest_has_the_same(spent: Web) -> None:
    told = spent.client.get("/v1/costs/by/lane", headers=token_of(spent.engine)).json()
    [line] = told["lines"]
    assert (line["key"], line["calls"], line["cost"], line["saved_by_reuse"]) == ("bulk", 4, "0.08", "0.02")
    assert told["is_free"] is False


def test_of_the_sandbox_it_says_what_it_would_be(make_web: MakeWeb) -> None:
    web = make_web(removal_price="0.02")
    make_calls(web.engine, [PAID], "0.02", SANDBOX_KEY)
    viewer = Person(web, Role.VIEWER)
    assert "free (would be 0.02 USD)" in viewer.get("/costs")
    [line] = csv.DictReader(io.StringIO(viewer.http.get("/costs.csv").text))
    assert (line["calls"], line["cost"]) == ("1", "0.00")


def test_a_stranger_is_asked_to_sign_in(web: Web) -> None:
    for path in ("/costs", "/costs.csv"):
        answer = web.client.get(path, headers={"accept": "text/html"}, follow_redirects=False)
        assert answer.headers["location"].startswith("/sign-in")
    assert transact(web.engine, lambda connection: costs.costs_by(connection, costs.CostsBy.DAY, days=1)) == []
