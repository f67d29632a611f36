"""A photo's page: what is beside it, deciding about any photo, taking that back, and what was rejected."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from db import artifacts, tallies, users
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.db.rows import make_batch, put
from tests.photos.pictures import drawn, saved


@pytest.fixture
def web(make_web: MakeWeb) -> Web:
    """A console with a person in it: five photos, the first clean, the second held, the third dead."""
    web = make_web(removal_price="0.02")
    make_batch(web.engine, 5)
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, saved(drawn()), image_format="JPEG", width=600, height=640)
        put(connection, "succeeded", "id = 1", artifact_sha256=sha256)
        put(connection, "held", "id = 2", artifact_sha256=sha256, code="unchanged", message="why")
        put(connection, "dead", "id = 3")
        person = users.add(connection, "ann", Role.OPERATOR, None)
        assert person is not None
        web.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
    web.client.headers["accept"] = "text/html"
    return web


def get(web: Web, path: str) -> str:
    answer = web.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(web: Web, path: str, **fields: Any) -> str:
    """Send a form; return the page that it leads to."""
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', get(web, "/jobs/1"))
    assert csrf is not None
    answer = web.client.post(path, data={"csrf": csrf[1], **fields})
    assert answer.status_code == 303, answer.text[:500]
    return get(web, answer.headers["location"])


def states(web: Web) -> list[str]:
    return [row["state"] for row in web.rows("SELECT state FROM jobs ORDER BY id")]


def test_a_photo_has_those_beside_it_in_the_list_that_it_came_from(web: Web) -> None:
    page = get(web, "/jobs/2")
    assert "2 of 5 in this batch" in page
    assert 'rel="prev" data-key="ArrowLeft" href="/jobs/1"' in page
    assert 'rel="next" data-key="ArrowRight" href="/jobs/3"' in page
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET name = chr(200 - id::int) || '.jpg'"))
    page = get(web, "/jobs/5?state=pending&order=name")
    assert "1 of 2 of this filter" in page
    assert 'rel="next" data-key="ArrowRight" href="/jobs/4?state=pending&amp;order=name"' in page
    assert 'rel="prev"' not in page


def test_a_clean_photo_is_rejected_stays_visible_and_comes_back(web: Web) -> None:
    assert web.client.get("/photos/1/output").status_code == 200
    page = send(web, "/jobs/1/reject", reason="smeared")
    assert states(web)[0] == "dead"
    assert "was rejected" in page
    assert web.client.get("/photos/1/output").status_code == 200
    assert web.client.get("/photos/1/after-full").status_code == 200
    decision = re.search(r'name="decision" value="([0-9a-f-]{36})"', page)
    assert decision is not None
    page = send(web, "/jobs/1/undo", decision=decision[1])
    assert "Undone: 1 photo is as before." in page
    assert states(web)[0] == "succeeded"
    assert "was rejected" not in page
    assert web.rows("SELECT * FROM rejected_outputs") == []


def test_accepting_is_taken_back_too_and_by_nobody_else(web: Web) -> None:
    page = send(web, "/jobs/2/accept")
    assert states(web)[1] == "succeeded"
    decision = re.search(r'name="decision" value="([0-9a-f-]{36})"', page)
    assert decision is not None
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET decided_by = 'bob'"))
    assert 'name="decision"' not in get(web, f"/jobs/2?undo={decision[1]}")
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET decided_by = 'ann'"))
    send(web, "/jobs/2/undo", decision=decision[1], then="/review?after=1")
    assert states(web)[1] == "held"


def test_a_flag_asks_for_a_look_and_changes_nothing_else(web: Web) -> None:
    before = web.rows("SELECT * FROM jobs ORDER BY id")
    page = send(web, "/jobs/1/flag", reason="the corner")
    assert "Flagged by ann" in page
    assert web.rows("SELECT * FROM jobs ORDER BY id") == before
    page = get(web, "/review")
    assert 'href="/jobs/1"' in page
    assert "2 photos need review" in page
    assert "Looks good" in page
    assert 'href="/jobs/1?flagged=1"' in get(web, "/batches/1?flagged=1")
    assert "Not flagged any more" in send(web, "/jobs/1/unflag")
    assert 'href="/jobs/2"' in get(web, "/review")


def test_a_decision_takes_the_flag_away(web: Web) -> None:
    send(web, "/jobs/1/flag")
    send(web, "/jobs/1/reject")
    assert web.rows("SELECT * FROM flags") == []


def test_what_is_on_its_way_can_be_flagged_and_not_rejected(web: Web) -> None:
    assert "neither held nor clean" in send(web, "/jobs/4/reject")
    assert "Flagged by ann" in send(web, "/jobs/4/flag")


def test_batches_that_finished_with_problems_are_told_apart(web: Web) -> None:
    with web.engine.begin() as connection:
        put(connection, "succeeded", "id > 3")
        connection.execute(text("UPDATE batches SET state = 'finished', finished_at = now(), made_by = 'bob'"))
        tallies.fold(connection)
    page = get(web, "/batches?state=finished&problems=1")
    assert "finished with problems</span>" in page
    assert "bob" in page
    with web.engine.begin() as connection:
        put(connection, "succeeded")
        tallies.fold(connection)
    assert "No batches here" in get(web, "/batches?state=finished&problems=1")
