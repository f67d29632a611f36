"""The contact sheet: photos by the hundred, looked at and decided about at once."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from console.pages import redone, sheet
from db import artifacts, audit, users
from db.users import Role
from tests.console.conftest import MakeWeb, Web
from tests.db.rows import make_batch, put
from tests.photos.pictures import drawn, saved

EXCEPT: dict[str, Any] = {"except": "2,3"}


@pytest.fixture
def web(make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A console with a person in it: eight clean photos, two held ones, one dead, and a page of four."""
    monkeypatch.setattr(sheet, "PAGE", 4)
    web = make_web(removal_price="0.02", removal_api_key="key", removal_api_secret="s")
    make_batch(web.engine, 11)
    with web.engine.begin() as connection:
        put(connection, "succeeded", "id <= 10")
        put(connection, "held", "id IN (9, 10)", code="unchanged", message="why")
        put(connection, "dead", "id = 11", code="801", message="busy")
        person = users.add(connection, "ann", Role.OPERATOR, None)
        assert person is not None
        web.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
    web.client.headers["accept"] = "text/html"
    return web


def get(web: Web, path: str) -> str:
    answer = web.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(web: Web, path: str, status: int = 303, /, **fields: Any) -> str:
    """Send a form; return the page that it leads to, or that answers it."""
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', get(web, "/batches/1/sheet"))
    assert csrf is not None
    answer = web.client.post(path, data={"csrf": csrf[1], **fields})
    assert answer.status_code == status, answer.text[:500]
    return get(web, answer.headers["location"]) if status == 303 else answer.text


def states(web: Web) -> list[str]:
    return [row["state"] for row in web.rows("SELECT state FROM jobs ORDER BY id")]


def shown(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'<li data-id="(\d+)">', page)]


def test_a_page_of_photos_leads_to_the_next(web: Web) -> None:
    page = get(web, "/batches/1/sheet?order=name")
    found = shown(page)
    while following := re.search(r'data-more="([^"]+)"|data-following="([^"]+)"', page):
        url = following[1] or f"/batches/1/sheet/more?{following[2]}"
        page = get(web, url.replace("&amp;", "&"))
        found += shown(page)
    assert sorted(found) == list(range(1, 11))
    assert "10 photos" in get(web, "/batches/1/sheet")
    assert shown(get(web, "/batches/1/sheet?show=dead")) == [11]
    assert shown(get(web, "/batches/1/sheet/more?show=all&order=came&ids=3,11,1")) == [1, 3, 11]
    assert set(shown(get(web, "/batches/1/sheet"))[:2]) == {9, 10}


@pytest.mark.parametrize("key", ["x", "nan", "inf", "", "1e999"])
def test_an_address_that_nobody_was_given_is_the_first_page(web: Web, key: str) -> None:
    for order in ("doubt", "changed", "name", "came", "x"):
        answer = web.client.get("/batches/1/sheet", params={"order": order, "key": key, "after": 3, "middle": 1})
        assert answer.status_code == 200


def test_what_is_ticked_is_decided_about_and_taken_back(web: Web) -> None:
    page = send(web, "/batches/1/sheet/reject", jobs="1,2,11", reason="smeared", show="clean", order="name")
    assert "Rejected: 2 photos. 1 photo was left alone" in page
    assert states(web)[:3] == ["dead", "dead", "succeeded"]
    decision = re.search(r'name="decision" value="([0-9a-f-]+)"', page)
    assert decision is not None
    assert "Undone: 2 photos are as before." in send(web, "/batches/1/sheet/undo", decision=decision[1])
    assert states(web)[:3] == ["succeeded"] * 3
    assert "There is nothing to undo" in send(web, "/batches/1/sheet/undo", decision=decision[1])
    with web.engine.connect() as connection:
        assert [line.action for line in audit.list_lines(connection)] == ["undo", "reject"]


def test_a_decision_is_taken_back_on_its_batchs_sheet_by_who_made_it(web: Web) -> None:
    make_batch(web.engine, 1)
    page = send(web, "/batches/1/sheet/reject", jobs="1,2")
    decision = re.search(r'name="decision" value="([0-9a-f-]+)"', page)
    assert decision is not None
    assert 'name="decision"' not in get(web, f"/batches/2/sheet?undo={decision[1]}")
    send(web, "/batches/2/sheet/undo", decision=decision[1])
    with web.engine.begin() as connection:
        person = users.add(connection, "bob", Role.OPERATOR, None)
        assert person is not None
        web.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
    assert 'name="decision"' not in get(web, f"/batches/1/sheet?undo={decision[1]}")
    send(web, "/batches/1/sheet/undo", decision=decision[1])
    assert states(web)[:2] == ["dead", "dead"]


def test_all_of_a_filter_but_some_are_accepted(web: Web) -> None:
    with web.engine.begin() as connection:
        put(connection, "held", "id < 9", code="unchanged", message="why")
        connection.execute(text("UPDATE jobs SET code = 'left_over' WHERE id = 8"))
    page = send(web, "/batches/1/sheet/accept", all="1", show="held", code="unchanged", **EXCEPT)
    assert "Accepted: 7 photos." in page
    assert states(web)[:8] == ["succeeded", "held", "held", *["succeeded"] * 4, "held"]


def test_a_requeue_names_its_price_before(web: Web) -> None:
    page = send(web, "/batches/1/sheet/requeue", 200, jobs="1,9,11")
    assert "Retry 2 photos of batch 1? Up to 2 paid calls, 0.04 USD." in page
    assert states(web)[8] == "held"
    assert "Retrying: 2 photos. 1 photo was left alone" in send(
        web, "/batches/1/sheet/requeue", jobs="1,9,11", agreed="2"
    )
    assert states(web)[8] == "pending"


def test_an_area_of_chosen_photos_is_done_again(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, saved(drawn(600, 640)), image_format="JPEG", width=600, height=640)
        connection.execute(text("UPDATE jobs SET artifact_sha256 = :a WHERE id < 3"), {"a": sha256})
    page = send(web, "/batches/1/sheet/redo", 200, jobs="1,2,11")
    assert "Redo 3 photos? Up to 3 paid calls, 0.06 USD." in page
    area: dict[str, Any] = {"left": "10", "top": "0", "width": "50", "height": "25"}
    page = send(web, "/batches/1/sheet/redo", jobs="1,2,11", agreed="3", **area)
    # The dead one's photo is nowhere.
    assert "Redoing 2 photos; each new result replaces the old one. 1 cannot be redone right now." in page
    assert web.rows("SELECT DISTINCT mask FROM jobs WHERE redo_of IS NOT NULL") == [{"mask": "box 60,0,300,160"}]
    wrong = send(web, "/batches/1/sheet/redo", 422, jobs="1", agreed="1", **(area | {"width": "95"}))
    assert "The area is outside the photo." in wrong
    monkeypatch.setattr(redone, "MOST_REDONE", 1)
    assert "At most 1 photo can be redone at a time" in send(web, "/batches/1/sheet/redo", 422, jobs="1,2")


def test_photos_that_came_after_somebody_agreed_are_asked_about_again(web: Web) -> None:
    make_batch(web.engine, 40)
    with web.engine.begin() as connection:
        put(connection, "succeeded", "batch_id = 2")
    area = {"left": "10", "top": "0", "width": "50", "height": "25"}
    page = send(web, "/batches/2/sheet/redo", 200, all="1", agreed="3", **area)
    assert "Redo 40 photos? Up to 40 paid calls, 0.80 USD." in page
    assert 'name="agreed" value="40"' in page
    assert page.count('name="agreed"') == 1
    # The area that was told is there still, once.
    assert [re.findall(f'name="{edge}"[^>]*value="([^"]*)"', page) for edge in area] == [
        [told] for told in area.values()
    ]
    send(web, "/batches/2/sheet/redo", 200, all="1", agreed="x", **area)
    assert "Nothing was redone" in send(web, "/batches/2/sheet/redo", all="1", agreed="40", **area)


@pytest.mark.parametrize(
    ("fields", "told"),
    [({}, "No photos are chosen"), ({"jobs": "1,x"}, "Choose at most"), ({"jobs": "9" * 30}, "Choose at most")],
)
def test_a_choice_that_is_none_changes_nothing(web: Web, fields: dict[str, Any], told: str) -> None:
    assert told in send(web, "/batches/1/sheet/accept", 422, **fields)


def test_who_only_looks_decides_nothing(web: Web) -> None:
    with web.engine.begin() as connection:
        person = users.add(connection, "vera", Role.VIEWER, None)
        assert person is not None
        web.client.cookies.set("cleanplate_session", users.open_session(connection, person.id))
    page = get(web, "/batches/1/sheet")
    assert "data-bar" not in page
    send(web, "/batches/1/sheet/accept", 403, jobs="9")


def test_a_batch_is_signed_off_by_a_sample(web: Web) -> None:
    page = send(web, "/batches/1/samples", size="5")
    found = shown(page)
    assert len(found) == 5
    assert "5 of 8 clean photos, drawn at random by ann." in page
    assert "If none is bad, at most 45.1% of all are, with 95% confidence." in page
    page = send(web, "/batches/1/samples/1/sign-off", jobs=str(found[0]), reject="1")
    assert "Signed off by ann" in page
    assert "5 of 8 clean photos checked, 1 bad" in page
    assert states(web)[found[0] - 1] == "dead"
    page = get(web, "/batches/1/samples/1")
    assert "Signed off by ann" in page
    assert "data-bar" not in page
    send(web, "/batches/1/samples/1/sign-off", 409)
    send(web, "/batches/1/samples", 422, size="0")
    assert web.client.get("/batches/2/samples/1").status_code == 404


def test_a_picture_that_names_its_content_is_kept(web: Web) -> None:
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, saved(drawn(600, 640)), image_format="JPEG", width=600, height=640)
        connection.execute(
            text("UPDATE jobs SET artifact_sha256 = :a, source_sha256 = 'x' WHERE id = 1"), {"a": sha256}
        )
    kept = web.client.get(f"/photos/1/after-small?v={sha256}")
    assert "immutable" in kept.headers["cache-control"]
    assert "no-cache" in web.client.get("/photos/1/after-small").headers["cache-control"]
