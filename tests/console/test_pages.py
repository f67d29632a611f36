"""The console's pages over HTTP: who may see and do what, and what they hold."""

import hashlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text
from starlette.requests import Request as StarletteRequest

from console.app import make_app
from console.pages import passwords
from console.pages.passwords import hash_password
from console.pages.signing_in import local
from core.settings import Settings
from db import artifacts, audit, batches, circuits, looks, processes, tallies, users
from db.users import Role
from photos.findings import VERSION, FindingKind, PhotoFinding, as_rows
from tests.console.conftest import AppOf, MakeWeb, Web
from tests.db.reading import rows_read
from tests.db.rows import OUTPUT, keep_output, make_batch, put
from tests.photos.pictures import drawn, saved

HTML = {"accept": "text/html,*/*"}
PASSWORD = "correct horse battery"
PHOTO = saved(drawn(), quality=90)


class Person:
    """Somebody with a browser that is signed in."""

    def __init__(self, web: Web, role: Role, name: str = "") -> None:
        self.name = name or role.value
        with web.engine.begin() as connection:
            person = users.add(connection, self.name, role, None) or users.find(connection, self.name)
            assert person is not None
            cookie = users.open_session(connection, person.id)
        self.http = httpx.Client(base_url=web.client.base_url, headers=HTML, timeout=60, verify=False)
        web.clients.append(self.http)
        self.http.cookies.set("cleanplate_session", cookie)
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.http.get("/").text)
        assert found
        self.csrf = found[1]

    def get(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.text

    def post(self, path: str, status: int = 303, **form: Any) -> httpx.Response:
        files = form.pop("files", None)
        answer = self.http.post(path, data={"csrf": self.csrf, **form}, files=files)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:800])
        return answer


@pytest.fixture
def app_of(engine: Engine) -> AppOf:
    """Return what builds an application: a new one for each test, as pages remember guesses and what they showed."""
    return partial(make_app, engine)


@pytest.fixture
def time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no guess become free again because the machine is slow."""
    monkeypatch.setattr(passwords, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.fixture
def admin(web: Web) -> Person:
    return Person(web, Role.ADMIN)


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT state FROM jobs ORDER BY id")).scalars())


def end_jobs(engine: Engine, state: str, code: str, message: str = "", *, output: bytes | None = None) -> None:
    """Make every job end."""
    with engine.begin() as connection:
        sha256 = None
        if output is not None:
            sha256 = artifacts.keep(connection, output, image_format="JPEG", width=600, height=640)
        put(connection, state, code=code, message=message, artifact_sha256=sha256)


PAGES = ("/", "/batches", "/batches/1", "/jobs/1", "/review", "/alarms", "/costs")
OPERATORS_PAGES = ("/batches/new",)
ADMINS_PAGES = ("/connections", "/tokens", "/people", "/audit")


def test_nobody_sees_anything_without_signing_in(web: Web) -> None:
    make_batch(web.engine, 1)
    for path in (*PAGES, *OPERATORS_PAGES, *ADMINS_PAGES, "/jobs/1/redo"):
        answer = web.client.get(path, headers=HTML)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?then=")
        assert "batch" not in answer.text
    for path in ("/photos/1/before", "/photos/1/output", "/live/overview", "/live/batches/1"):
        answer = web.client.get(path, headers={"accept": "image/*"})
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    for path in ("/batches/1/cancel", "/jobs/1/accept", "/tokens", "/people", "/batches/new", "/sign-out"):
        assert web.client.post(path, headers=HTML).status_code == 303
    assert states(web.engine) == ["pending"]


@pytest.mark.parametrize(
    ("role", "seen", "hidden"),
    [
        (Role.VIEWER, PAGES, (*OPERATORS_PAGES, *ADMINS_PAGES)),
        (Role.OPERATOR, (*PAGES, *OPERATORS_PAGES), ADMINS_PAGES),
        (Role.ADMIN, (*PAGES, *OPERATORS_PAGES, *ADMINS_PAGES), ()),
    ],
)
def test_who_sees_what(web: Web, role: Role, seen: tuple[str, ...], hidden: tuple[str, ...]) -> None:
    make_batch(web.engine, 1)
    person = Person(web, role)
    for path in seen:
        person.get(path)
    for path in hidden:
        assert f"You are signed in as {role.value}" in person.get(path, 403)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_do_what(web: Web, role: Role) -> None:
    make_batch(web.engine, 1)
    person = Person(web, role)
    steering = [f"/batches/1/{action}" for action in ("pause", "resume", "requeue", "budget", "cancel")]
    for path in [*steering, "/jobs/1/accept", "/jobs/1/reject", "/jobs/1/requeue", "/jobs/1/redo", "/batches/new"]:
        answer = person.http.post(path, data={"csrf": person.csrf, "max_calls": "5"})
        assert (answer.status_code == 403) == (role is Role.VIEWER), (path, answer.status_code)
    for path in (
        "/tokens",
        "/people",
        "/connections",
        "/people/admin/role",
        "/people/admin/remove",
        "/tokens/1/revoke",
    ):
        person.post(path, 403, name="x", scope="read", role="admin")
    with web.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tokens")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 1


def test_a_form_that_is_not_ours_does_nothing(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    other = Person(web, Role.OPERATOR)
    for token in ("", "0" * 64, other.csrf, admin.csrf[:-1], "é"):
        answer = admin.http.post("/batches/1/pause", data={"csrf": token})
        assert answer.status_code == 403
        assert "Nothing was changed" in answer.text
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site}
        assert admin.http.post("/batches/1/pause", data={"csrf": admin.csrf}, headers=headers).status_code == 403
    with web.engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM batches")).scalar() == "active"
    admin.post("/batches/1/pause")
    with web.engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM batches")).scalar() == "paused"


def test_every_form_has_a_token(web: Web, admin: Person) -> None:
    make_batch(web.engine, 2)
    end_jobs(web.engine, "held", "unchanged", output=PHOTO)
    for path in (*PAGES, *OPERATORS_PAGES, *ADMINS_PAGES, "/jobs/1/redo"):
        page = admin.get(path)
        posting = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)
        assert posting
        for form in posting:
            assert f'name="csrf" value="{admin.csrf}"' in form, (path, form[:200])


def test_pages_let_nobody_elses_scripts_in(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    for path in (*PAGES, "/sign-in", "/nothing"):
        answer = admin.http.get(path)
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["script-src"], policy["img-src"]) == ("'none'", "'self'", "'self'")
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in answer.headers["cache-control"]
        assert not re.search(r"<script(?! type=\"module\" src=\"/static/)", answer.text)
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", answer.text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_what_shops_write_is_only_text(web: Web, admin: Person) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    make_batch(web.engine, 1)
    end_jobs(web.engine, "dead", evil[:50], evil)
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET name = :evil, sku = :evil, source_uri = :evil"), {"evil": evil})
        connection.execute(text("UPDATE batches SET name = :evil"), {"evil": evil})
        audit.note(connection, evil, evil, evil, evil)
    for path in (*PAGES, "/audit"):
        page = admin.get(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;" in admin.get("/jobs/1")


def sign_in(
    web: Web, name: str, password: str, then: str = "/", forwarded: str = "", known: str = ""
) -> httpx.Response:
    headers = {**HTML, "X-Forwarded-For": forwarded} if forwarded else HTML
    with httpx.Client(base_url=web.client.base_url, headers=headers, timeout=60, verify=False) as client:
        page = client.get("/sign-in", params={"then": then}).text
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
        assert token
        form = {"csrf": token[1], "name": name, "password": password, "then": then}
        if known:
            client.cookies.set("cleanplate_known", known)
        return client.post("/sign-in", data=form)


def test_signing_in_with_a_password(web: Web) -> None:
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.VIEWER, hash_password(PASSWORD))
        users.add(connection, "bob", Role.VIEWER, None)
    good = sign_in(web, "ann", PASSWORD, "/batches?state=paused")
    assert (good.status_code, good.headers["location"]) == (303, "/batches?state=paused")
    cookie = good.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    for name, password in (("ann", "wrong"), ("bob", ""), ("bob", "None"), ("nobody", PASSWORD), ("ann\0", PASSWORD)):
        bad = sign_in(web, name, password)
        assert bad.status_code == 403
        assert "Wrong name or password" in bad.text
        assert "cleanplate_session" not in bad.headers.get("set-cookie", "")
    with web.engine.connect() as connection:
        kept = connection.execute(text("SELECT password_hash FROM users WHERE name = 'ann'")).scalar_one()
        lines = audit.list_lines(connection)
    assert kept.startswith("$argon2id$")
    refused = [(name, "sign in refused") for name in ("ann\ufffd", "nobody", "bob", "bob", "ann")]
    assert [(line.actor, line.action) for line in lines] == [*refused, ("ann", "sign in")]


@pytest.mark.usefixtures("time_stands_still")
def test_passwords_are_guessed_slowly(web: Web) -> None:
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.VIEWER, hash_password(PASSWORD))
    assert [sign_in(web, "ann", f"wrong {n}").status_code for n in range(6)] == [403] * 5 + [429]
    # Also the right one has to wait: otherwise guessing went on at full speed.
    assert sign_in(web, "ann", PASSWORD).status_code == 429


@pytest.mark.usefixtures("time_stands_still")
def test_many_guesses_at_once_are_no_more_than_one_after_the_other(web: Web) -> None:
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.VIEWER, hash_password(PASSWORD))
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda n: sign_in(web, "ann", f"wrong {n}").status_code, range(12)))
    assert sorted(found) == [403] * 5 + [429] * 7


def test_the_first_page_sets_against_the_days_limit_what_counts_for_it(make_web: MakeWeb) -> None:
    web = make_web(removal_daily_calls=5)
    with web.engine.begin() as connection:
        connection.execute(text("INSERT INTO call_rates (at, calls, throttled, failed) VALUES (now(), 40, 0, 0)"))
        connection.execute(
            text("INSERT INTO daily_calls VALUES (:account, CAST(now() AT TIME ZONE 'UTC' AS date), 2)"),
            {"account": Settings(_env_file=None).account},
        )
    shown = Person(web, Role.VIEWER).get("/")
    assert "3 of 5 left" in shown
    assert "2 calls</p>" in shown


@pytest.mark.usefixtures("time_stands_still")
def test_who_guesses_keeps_out_nobody_else(make_web: MakeWeb) -> None:
    web = make_web()
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.VIEWER, hash_password(PASSWORD))
    for n in range(6):
        sign_in(web, "ann", f"wrong {n}", forwarded="203.0.113.5")
    assert sign_in(web, "ann", PASSWORD, forwarded="203.0.113.5").status_code == 429
    assert sign_in(web, "ann", PASSWORD, forwarded="198.51.100.7").status_code == 303


@pytest.mark.usefixtures("time_stands_still")
def test_guesses_from_many_addresses_keep_out_no_browser_that_signed_in_before(
    make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web()
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.VIEWER, hash_password(PASSWORD))
    known = sign_in(web, "ann", PASSWORD).cookies["cleanplate_known"]
    for n in range(51):
        sign_in(web, "ann", f"wrong {n}", forwarded=f"203.0.113.{n}")
    assert sign_in(web, "ann", PASSWORD, forwarded="198.51.100.7").status_code == 429
    assert sign_in(web, "ann", PASSWORD, forwarded="198.51.100.7", known="0" * 64).status_code == 429
    assert sign_in(web, "ann", PASSWORD, forwarded="198.51.100.7", known=known).status_code == 303


def test_few_passwords_are_hashed_at_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.01)
    with passwords._turns, passwords._turns:
        refused = sign_in(web, "x" * 10_000, PASSWORD)
    assert (refused.status_code, "right now" in refused.text) == (503, True)
    assert sign_in(web, "x" * 10_000, PASSWORD).status_code == 403


def test_no_redirect_believes_the_host_it_was_asked_for(web: Web) -> None:
    for path in ("/sign-in/", "/static", "/v1/batches/", "/batches/", "/"):
        answer = web.client.get(path, headers={"Host": "evil.example", "Accept": "text/html"})
        assert "evil.example" not in str(answer.headers) + answer.text


@pytest.mark.parametrize(
    ("asked", "gone_to"),
    [
        ("/batches/7?state=dead", "/batches/7?state=dead"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/sign-out", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_our_own_pages_only(asked: str, gone_to: str) -> None:
    assert local(asked) == gone_to


def test_a_link_signs_in_once(web: Web) -> None:
    with web.engine.begin() as connection:
        person = users.add(connection, "ann", Role.VIEWER, None)
        assert person is not None
        told, old = users.make_link(connection, person.id), users.make_link(connection, person.id, seconds=-1)
    # Looking at it, as a chat's preview does, does not use it up.
    assert web.client.get(f"/sign-in/{told}", headers=HTML).status_code == 200
    assert web.client.post(f"/sign-in/{told}", headers=HTML).status_code == 303
    for bad in (told, old, "x" * 32):
        assert web.client.post(f"/sign-in/{bad}", headers=HTML).status_code == 403


def test_sessions_end(web: Web) -> None:
    person = Person(web, Role.VIEWER)
    person.get("/")
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE user_sessions SET seen_at = now() - interval '13 hours'"))
    assert person.http.get("/").status_code == 303
    other = Person(web, Role.VIEWER)
    other.get("/")
    with web.engine.begin() as connection:
        users.remove(connection, "viewer")
    assert other.http.get("/").status_code == 303


def test_a_change_of_role_holds_at_once(web: Web, admin: Person) -> None:
    person = Person(web, Role.VIEWER)
    person.get("/batches/new", 403)
    admin.post("/people/viewer/role", role="operator")
    person.get("/batches/new")
    admin.post("/people/admin/role", 409, role="viewer")
    admin.post("/people/admin/remove", 409)


def test_a_proxy_that_signs_people_in(make_web: MakeWeb) -> None:
    web = make_web(proxy_user_header="X-Forwarded-User")
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.OPERATOR, None)
    make_batch(web.engine, 1)
    ann = {**HTML, "X-Forwarded-User": "ann"}
    page = web.client.get("/batches/1", headers=ann)
    assert page.status_code == 200
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert token
    assert web.client.post("/batches/1/pause", headers=ann).status_code == 403
    assert web.client.post("/batches/1/pause", headers=ann, data={"csrf": token[1]}).status_code == 303
    assert web.client.get("/", headers={**HTML, "X-Forwarded-User": "eve"}).status_code == 403
    assert web.client.get("/", headers=HTML).status_code == 303


def test_only_the_proxy_may_say_who_somebody_is(make_web: MakeWeb) -> None:
    ann = {**HTML, "X-Forwarded-User": "ann"}
    for settings in ({}, {"proxy_user_header": "X-Forwarded-User", "proxy_addresses": "10.0.0.0/8"}):
        web = make_web(**settings)
        with web.engine.begin() as connection:
            users.add(connection, "ann", Role.ADMIN, None)
        assert web.client.get("/", headers=ann).status_code == 303
        assert web.client.get("/", headers={**ann, "X-Forwarded-For": "10.1.2.3"}).status_code == 303


def test_a_proxy_may_say_where_people_come_from(make_web: MakeWeb) -> None:
    web = make_web(proxy_user_header="X-Forwarded-User")
    with web.engine.begin() as connection:
        users.add(connection, "ann", Role.ADMIN, None)
    ann = {**HTML, "X-Forwarded-User": "ann", "X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"}
    assert web.client.get("/", headers=ann).status_code == 200


def test_files_are_not_read_of_who_may_not_send_any(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Person(web, Role.VIEWER)

    def form(*_: object, **__: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(StarletteRequest, "form", form)
    for client, status in ((web.client, 303), (viewer.http, 403)):
        answer = client.post("/batches/new", files={"files": PHOTO}, headers=HTML)
        assert answer.status_code == status


def test_passwords_are_taken_as_they_are(web: Web, admin: Person) -> None:
    admin.post("/people", name="sp", role="viewer", password="  a spaced pass phrase  ")
    assert sign_in(web, "sp", "a spaced pass phrase").status_code == 403
    assert sign_in(web, "sp", "  a spaced pass phrase  ").status_code == 303
    for name in (".", "..", "a/b", ""):
        admin.post("/people", 422, name=name, role="viewer", password=PASSWORD)


def test_live_pages_end_with_the_right_to_see_them(web: Web) -> None:
    eve = Person(web, Role.VIEWER, "eve")
    with eve.http.stream("GET", "/live/overview") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: parts"
        with web.engine.begin() as connection:
            users.remove(connection, "eve")
        assert "event: shut-out" in list(lines)


def test_a_live_batch_shows_buttons_photos_and_failures(web: Web, admin: Person) -> None:
    make_batch(web.engine, 2)
    admin.get("/live/batches/999", 404)
    with admin.http.stream("GET", "/live/batches/1?state=") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                parts = json.loads(line.removeprefix("data:"))
                break
    assert {"standing", "progress", "actions", "held", "groups", "photo-1", "photo-2"} == set(parts)
    assert "Pause" in parts["actions"]


def test_how_all_stands_is_alive_on_pages_that_show_nothing_else_that_is(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    with admin.http.stream("GET", "/live/standing") as answer:
        told = (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:"))
        # One look serves everybody for a second.
        next(each for each in told if "no dispatcher is running" in each["standing"])
        with web.engine.begin() as connection:
            batches.pause(connection, 1, "hand")
        found = next(each for each in told if "1 batch is paused" in each["standing"])
        assert found.keys() == {"standing"}
        assert '<a class="button" href="/batches/1">' in found["standing"]
    assert 'id="standing"' in admin.get("/nowhere", 404)


def bars(page: str) -> list[list[tuple[str, float]]]:
    """Return, for each bar of a page, which tones it shows and how wide, in per cent."""
    drawn_bars = re.findall(r'<svg class="split".*?</svg>', page, re.DOTALL)
    parts = [re.findall(r'<rect class="(\w+)"(?: x="[\d.]+")? width="([\d.]+)"', bar) for bar in drawn_bars]
    return [[(name, float(width)) for name, width in found] for found in parts]


def test_a_bar_shows_what_is_done_and_in_another_tone_what_is_on_its_way(web: Web, admin: Person) -> None:
    ids = make_batch(web.engine, 4)
    with web.engine.begin() as connection:
        put(connection, "queued", f"id = {ids[0]}")
    for path in ("/batches", "/batches/1"):
        page = admin.get(path)
        assert bars(page) == [[("rest", 100), ("coming", 25)]]
        assert "0 clean, 0 failed, 0 held, 1 in progress, 3 waiting, of 4" in page
    end_jobs(web.engine, "dead", "700")
    assert bars(admin.get("/batches/1")) == [[("rest", 100), ("dead", 100)]]


def test_what_pages_load_is_kept_and_is_nothing_else(web: Web) -> None:
    for name in ("console.js", "live.js", "keys.js", "compare.js", "painter.js", "console.css"):
        answer = web.client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_mistake_in_one_field_costs_nothing_of_the_others(admin: Person) -> None:
    fresh = admin.get("/batches/new")
    assert fresh.count("checked") == 5
    sent = {"name": "Spring <1>", "element": ["1", "3"], "canary": "none", "max_calls": "7", "lane": "interactive"}
    page = admin.post("/batches/new", 422, files=[("files", ("a.jpg", PHOTO))], **sent).text
    assert "Canary must be a whole number" in page
    for kept in ('value="Spring &lt;1&gt;"', 'value="none"', 'value="7"', 'value="interactive" selected'):
        assert kept in page
    assert page.count("checked") == 2


def test_what_is_paused_is_not_forgotten(web: Web, admin: Person) -> None:
    make_batch(web.engine, 3)
    admin.post("/batches/1/pause")

    def words() -> str:
        return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", admin.get("/")))

    # One look serves everybody for a second.
    until = time.monotonic() + 60
    while "0 photos wait 3 photos in paused batches" not in words():
        assert time.monotonic() < until, words()


def test_what_changed_nothing_is_not_audited(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    for action, times in (("resume", 1), ("pause", 2), ("cancel", 2), ("requeue", 1)):
        for _ in range(times):
            admin.post(f"/batches/1/{action}", agreed="1")
    with web.engine.connect() as connection:
        done = [line.action for line in audit.list_lines(connection)]
    assert done == ["cancel", "pause"]


def test_failures_that_differ_in_numbers_are_one_group(web: Web, admin: Person) -> None:
    make_batch(web.engine, 4)
    with web.engine.begin() as connection:
        put(connection, "dead", code="too_small", message="Another.")
        connection.execute(text("UPDATE jobs SET message = 'It has ' || id || ' pixels.' WHERE id < 4"))
    page = admin.get("/batches/1")
    assert "Retry these 3" in page
    assert "Retry this one" in page
    assert "It has 1 pixels." in page
    admin.post("/batches/1/requeue", code="too_small", message="It has 1 pixels.", state="dead", agreed="3")
    assert states(web.engine) == ["pending"] * 3 + ["dead"]


def test_how_long_a_batch_takes_follows_what_is_answered(web: Web, admin: Person) -> None:
    make_batch(web.engine, 30)
    assert " left</b>" not in admin.get("/batches/1"), "nobody is there to call"
    with web.engine.begin() as connection:
        processes.beat(connection, "w", "worker")
        processes.beat(connection, "d", "dispatcher")
    assert "about 6 s left" in admin.get("/batches/1"), "at the configured 5 calls/s"
    with web.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO call_rates (at, calls, throttled, failed) "
                "SELECT now() - make_interval(secs => n), 20, 5, 5 FROM unnest(ARRAY[11, 21, 31]) AS n"
            )
        )
    assert "about 30 s left" in admin.get("/batches/1")
    with web.engine.begin() as connection:
        circuits.trip(connection, "sandbox", reason="account", code="InvalidAppKey", message="no")
    assert " left</b>" not in admin.get("/batches/1")


def test_photos_are_quoted_before_they_are_submitted(web: Web, admin: Person) -> None:
    files = [("files", ("a.jpg", PHOTO)), ("files", ("b.jpg", PHOTO)), ("files", ("c.jpg", saved(drawn(700))))]
    asked = admin.post("/batches/new", files=files, element=["1", "4"], subject="1", lane="interactive", name="Spring")
    page = admin.get(asked.headers["location"])
    assert "2 calls" in page
    assert "paid for once" in page
    assert states(web.engine) == []
    # Another person's draft is none of theirs.
    Person(web, Role.ADMIN, "other").get(asked.headers["location"], 404)
    made = admin.post(asked.headers["location"])
    assert made.headers["location"] == "/batches/1"
    admin.post(asked.headers["location"], 404)
    row = web.rows("SELECT name, lane, options FROM batches")[0]
    assert (row["name"], row["lane"], row["options"]["elements"]) == ("Spring", "interactive", [1, 4])
    assert states(web.engine) == ["pending"] * 3
    assert web.rows("SELECT count(*) AS n FROM draft_files") == [{"n": 0}]


def test_a_catalogue_is_quoted_and_submitted(web: Web, admin: Person) -> None:
    table = b"sku,image_url\ns-1,https://shop.example/a.jpg\ns-2,https://shop.example/b.jpg\n"
    asked = admin.post("/batches/new", files=[("files", ("shop.csv", table))], element=["1"], max_calls="1")
    page = admin.get(asked.headers["location"])
    assert "2 calls" in page
    assert "then it pauses" in page
    admin.post(asked.headers["location"])
    assert web.urls() == ["https://shop.example/a.jpg", "https://shop.example/b.jpg"]
    assert web.rows("SELECT max_calls FROM batches") == [{"max_calls": 1}]


def test_a_quote_says_in_which_columns_photos_were_found(admin: Person) -> None:
    table = b"sku,Bild\ns-1,https://shop.example/a.jpg\n"
    asked = admin.post("/batches/new", files=[("files", ("shop.csv", table))], element=["1"])
    assert "Photos found in &#39;Bild&#39;; “Image columns” names others." in admin.get(asked.headers["location"])


def test_what_a_catalogue_needs_to_come_out_again_is_said_before_it_is_submitted(make_web: MakeWeb) -> None:
    admin = Person(make_web(artifact_public_url=""), Role.ADMIN)
    table = b"sku,image_url\ns-1,https://shop.example/a.jpg\n"
    asked = admin.post("/batches/new", files=[("files", ("shop.csv", table))], element=["1"])
    assert "WEB_PUBLIC_URL is not set" in admin.get(asked.headers["location"])
    asked = admin.post("/batches/new", files=[("files", ("a.jpg", PHOTO))], element=["1"])
    assert "WEB_PUBLIC_URL" not in admin.get(asked.headers["location"])


def test_outputs_without_metadata_are_asked_for_and_told_of(web: Web, admin: Person) -> None:
    asked = admin.post("/batches/new", files=[("files", ("a.jpg", PHOTO))], element=["1"], strip_metadata="1")
    assert "removed from all outputs" in admin.get(asked.headers["location"])
    admin.post(asked.headers["location"])
    assert web.rows("SELECT options ->> 'strip_metadata' AS told FROM batches") == [{"told": "true"}]


@pytest.mark.parametrize(
    ("files", "form", "told"),
    [
        ([], {}, "Choose photos"),
        ([("a.jpg", b"")], {}, "is empty"),
        ([("a.jpg", PHOTO), ("b.csv", b"image_url\nhttps://x.example/a.jpg")], {}, "Drop either photos or one"),
        ([("a.csv", b"image_url\nfile:///etc/passwd\n")], {}, "No photo found|file:"),
        ([("a.csv", b"\xff\xfe\x00")], {}, "a.csv|cannot|No photo"),
        ([("a.jpg", PHOTO)], {"element": []}, "at least one thing"),
        ([("a.jpg", PHOTO)], {"canary": "many"}, "Canary must be a whole number"),
        ([("a.jpg", PHOTO)], {"max_calls": "-1"}, "Call limit must be a whole number"),
        ([("a.jpg", PHOTO)], {"lane": "fast"}, "no such lane"),
        ([("a.csv", b"image_url\n")], {"format": "xls"}, "no such format"),
    ],
)
def test_what_cannot_be_submitted_is_said(
    web: Web, admin: Person, files: list[tuple[str, bytes]], form: dict[str, Any], told: str
) -> None:
    sent = [("files", each) for each in files] or [("files", ("", b""))]
    answer = admin.post("/batches/new", 422, files=sent, **{"element": ["1"], **form})
    assert re.search(told, answer.text), answer.text[:2000]
    assert web.rows("SELECT id FROM drafts") == []


def test_a_broken_photo_is_told_of_in_the_quote(admin: Person) -> None:
    asked = admin.post("/batches/new", files=[("files", ("a.jpg", b"no photo at all"))], element=["1"])
    page = admin.get(asked.headers["location"])
    assert "0 calls" in page
    assert "not_an_image" in page


def test_failures_are_grouped_and_requeued(web: Web, admin: Person) -> None:
    make_batch(web.engine, 5)
    end_jobs(web.engine, "dead", "703", "too small")
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET message = 'too large' WHERE id > 3"))
    page = admin.get("/batches/1")
    assert "Retry these 3" in page
    assert "Retry these 2" in page
    admin.post("/batches/1/requeue", code="703", message="too large", state="dead", agreed="2")
    assert states(web.engine) == ["dead"] * 3 + ["pending"] * 2
    assert "703" in admin.get("/batches/1?state=dead&code=703")
    assert "No photos match this filter" in admin.get("/batches/1?sku=none")


def test_review_goes_from_one_to_the_next(web: Web, admin: Person) -> None:
    make_batch(web.engine, 3)
    end_jobs(web.engine, "held", "unchanged", "nothing changed")
    with web.engine.begin() as connection:
        for job, size in ((1, 600), (2, 601), (3, 602)):
            sha256 = artifacts.keep(connection, saved(drawn(size)), image_format="JPEG", width=size, height=640)
            connection.execute(text("UPDATE jobs SET artifact_sha256 = :a WHERE id = :id"), {"a": sha256, "id": job})
    assert 'href="/jobs/1"' in admin.get("/review")
    assert 'href="/jobs/2"' in admin.get("/review?after=1")
    # Past the last one, those that were skipped come round again.
    assert 'href="/jobs/1"' in admin.get("/review?after=3")
    went = admin.post("/jobs/1/accept", then="/review?after=1").headers["location"]
    assert re.fullmatch(r"/review\?after=1&undo=[0-9a-f-]{36}&of=1", went)
    assert (
        admin.post("/jobs/2/reject", reason="smeared.", then="https://evil.example")
        .headers["location"]
        .startswith("/jobs/2?undo=")
    )
    assert states(web.engine) == ["succeeded", "dead", "held"]
    told = web.rows("SELECT message FROM jobs WHERE id = 2")[0]["message"]
    assert told == "Rejected by a person: smeared. It was held because: unchanged."
    admin.post("/jobs/2/accept")
    assert states(web.engine) == ["succeeded", "dead", "held"]
    admin.post("/jobs/2/requeue", agreed="1")
    assert states(web.engine)[1] == "pending"
    with web.engine.connect() as connection:
        lines = [(line.action, line.target, line.detail) for line in audit.list_lines(connection)]
    assert lines[:3] == [("requeue", "job 2", ""), ("reject", "job 2", "smeared."), ("accept", "job 1", "")]


def redo(admin: Person, mask: str, status: int = 303, job: int = 1) -> str:
    return str(admin.post(f"/jobs/{job}/redo", status, mask=mask, ground="output").headers.get("location", ""))


def test_a_redo_is_a_job_of_its_own_whose_output_takes_the_place(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    end_jobs(web.engine, "succeeded", "200", output=PHOTO)
    assert redo(admin, "box 10,20,30,40") == "/jobs/2"
    # Asked for twice, it is the same.
    assert redo(admin, "box 10,20,30,40") == "/jobs/2"
    row = web.rows("SELECT batch_id, state, mask, redo_of, name, input_uri FROM jobs WHERE id = 2")[0]
    assert (row["batch_id"], row["state"], row["mask"], row["redo_of"]) == (2, "pending", "box 10,20,30,40", 1)
    assert row["input_uri"].startswith("upload:")
    assert web.rows("SELECT lane FROM batches WHERE id = 2") == [{"lane": "interactive"}]
    new = saved(drawn(text="new"))
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, new, image_format="JPEG", width=600, height=640)
        put(connection, "succeeded", "id = 2", artifact_sha256=sha256)
    found = web.rows("SELECT state, artifact_sha256 FROM jobs WHERE id = 1")
    assert found == [{"state": "succeeded", "artifact_sha256": sha256}]
    # A redo of the redo still is for the first one.
    again = int(redo(admin, "box 1,1,9,9", job=2).rpartition("/")[2])
    assert web.rows(f"SELECT redo_of FROM jobs WHERE id = {again}") == [{"redo_of": 1}]
    with web.engine.connect() as connection:
        assert tallies.counts(connection, 1).succeeded == 1


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ("", "Nothing is painted"),
        ("box 590,0,30,30", "does not lie|outside|within"),
        ("601x640: 0 10", "601|size"),
        ("600x640: 384000 10", "beyond|outside|within|pixels"),
        ("words", "no run lengths"),
        ("0 10 5", "no run lengths"),
    ],
)
def test_masks_that_cannot_be_used(web: Web, admin: Person, mask: str, told: str) -> None:
    make_batch(web.engine, 1)
    end_jobs(web.engine, "succeeded", "200", output=PHOTO)
    answer = admin.post("/jobs/1/redo", 422, mask=mask, ground="output")
    assert re.search(told, answer.text), answer.text[-900:]
    assert len(states(web.engine)) == 1


def test_a_photo_that_still_runs_is_not_done_again(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    admin.post("/jobs/1/redo", 409, mask="box 1,1,5,5")
    admin.get("/jobs/1/redo", 409)


def test_what_was_found_left_and_damaged_is_drawn_over_the_photo(web: Web, admin: Person) -> None:
    admin.post(admin.post("/batches/new", files=[("files", ("a.jpg", PHOTO))], element=["3"]).headers["location"])
    end_jobs(web.engine, "held", "damaged", output=saved(drawn(text="X" * 5)))
    assert "data-layer" not in admin.get("/jobs/1")
    found = [
        PhotoFinding(FindingKind.TEXT, (0.1, 0.2, 0.3, 0.05), 0.9, is_solid=True, on_subject=0.0),
        PhotoFinding(FindingKind.TEXT, (0.1, 0.2, 0.3, 0.05), 0.2, is_solid=True, on_subject=0.0),
    ]
    sha256 = hashlib.sha256(PHOTO).hexdigest()
    with web.engine.begin() as connection:
        looks.keep(connection, sha256, VERSION, as_rows(found))
        connection.execute(
            text("UPDATE jobs SET source_sha256 = :sha256, proof = CAST(:proof AS jsonb)"),
            {"sha256": sha256, "proof": json.dumps({"left": [], "damaged": [[0.5, 0.5, 0.1, 0.1], [0, 0, 1, 1]]})},
        )
    for page in (admin.get("/jobs/1"), admin.get("/review")):
        assert re.findall(r'data-show="(\w+)"', page) == ["found", "damaged"]
        assert re.findall(r"data-layer=\"(\w+)\"", page) == ["found", "damaged"]
        assert '<rect x="100.0" y="200.0" width="300.0" height="50.0"/>' in page
        assert page.count("<rect x=") == 3


def test_pictures(web: Web, admin: Person) -> None:
    admin.post(admin.post("/batches/new", files=[("files", ("a.jpg", PHOTO))], element=["1"]).headers["location"])
    small = admin.http.get("/photos/1/before-small")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/jpeg")
    assert len(small.content) < len(admin.http.get("/photos/1/before").content)
    admin.get("/photos/1/after", 404)
    admin.get("/photos/1/changes", 404)
    admin.get("/photos/1/nothing", 422)
    admin.get("/photos/99/before", 404)
    end_jobs(web.engine, "succeeded", "200", output=saved(drawn(text="X" * 5)))
    assert admin.http.get("/photos/1/changes").headers["content-type"] == "image/png"
    assert admin.http.get("/photos/1/output").headers["content-type"] == "image/jpeg"
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET source_sha256 = repeat('0', 64)"))
    assert "A different photo is there now" in admin.get("/photos/1/before", 410)


def test_tokens_connections_and_people(web: Web, admin: Person) -> None:
    made = admin.post("/tokens", 200, name="ci", scope=["read"]).text
    token = re.search(r"<code>(cp_[\w-]+)</code>", made)
    assert token
    headers = {"Authorization": f"Bearer {token[1]}"}
    assert web.client.get("/v1/batches", headers=headers).status_code == 200
    assert token[1] not in admin.get("/tokens")
    admin.post("/tokens/1/revoke")
    assert web.client.get("/v1/batches", headers=headers).status_code == 401
    admin.post("/tokens", 422, name="x")
    shop = admin.post("/connections", 200, platform="json", shop="A shop", element=["1"]).text
    found = re.search(r"/webhooks/([\w-]+)</code>.*?<dt>Secret</dt><dd><code>([0-9a-f]{64})</code>", shop, re.DOTALL)
    assert found
    assert found[2] not in admin.get("/connections")
    admin.post("/connections", 422, platform="json", shop="", element=["1"])
    admin.post("/connections", 422, platform="standard", shop="x", element=["1"], secret="short")
    admin.post("/connections/1/rotate", 200)
    admin.post("/connections/1/close")
    assert web.client.post(f"/webhooks/{found[1]}", content=b"{}").status_code == 404
    link = admin.post("/people", 200, name="ann", role="operator").text
    told = re.search(r"/sign-in/([\w-]+)</code>", link)
    assert told
    assert web.client.post(f"/sign-in/{told[1]}", headers=HTML).status_code == 303
    assert "ann already exists" in admin.post("/people", 422, name="ann", role="admin").text
    admin.post("/people", 422, name="a/b", role="admin")
    admin.post("/people", 422, name="bob", role="king")
    weak = {"short": "shorter than 12", "barnabybarnaby": "tried first", "Change-Me-2026": "tried first"}
    for password, flaw in weak.items():
        assert flaw in admin.post("/people", 422, name="barnaby", role="viewer", password=password).text
    with web.engine.connect() as connection:
        done = {line.action for line in audit.list_lines(connection)}
        everything = " ".join(repr(line) for line in audit.list_lines(connection))
    assert done >= {"make token", "revoke", "connect", "rotate secret", "close", "add person", "make link", "sign in"}
    for secret in (token[1], found[2], told[1]):
        assert secret not in everything


def test_pages_that_are_not_there(web: Web, admin: Person) -> None:
    assert "There is no batch 99" in admin.get("/batches/99", 404)
    assert "There is no job 99" in admin.get("/jobs/99", 404)
    for path in ("/batches/0", "/batches/x", "/jobs/99999999999999999999", "/batches/new/x"):
        admin.get(path, 422)
    assert "no such page" in admin.get("/nothing", 404)
    assert web.client.get("/nothing").json()["status"] == 404
    assert web.client.get("/v1/nothing", headers=HTML).headers["content-type"] == "application/problem+json"


def test_parts_of_a_page_are_sent_as_they_change(web: Web, admin: Person) -> None:
    make_batch(web.engine, 2)
    with admin.http.stream("GET", "/live/batches/1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "event: parts"
        assert "progress" in next(lines)
        end_jobs(web.engine, "dead", "703")
        assert "<b>2</b><span>failed</span>" in next(each for each in lines if each.startswith("data:")).replace(
            "\\n", ""
        )
    page = admin.get("/")
    with admin.http.stream("GET", "/live/overview") as answer:
        told = next(each for each in answer.iter_lines() if each.startswith("data:"))
    for part in ("attention", "figures", "chart", "lanes", "newest", "fleet"):
        assert f'id="{part}"' in page
        assert f'"{part}"' in told


def test_many_may_watch_while_others_work(web: Web, admin: Person) -> None:
    make_batch(web.engine, 1)
    opened = threading.Barrier(61, timeout=120)
    stop = threading.Event()

    def watch() -> None:
        with (
            httpx.Client(base_url=web.client.base_url, cookies=admin.http.cookies, timeout=60, verify=False) as client,
            client.stream("GET", "/live/overview") as answer,
        ):
            next(answer.iter_lines())
            opened.wait()
            stop.wait(120)

    threads = [threading.Thread(target=watch) for _ in range(60)]
    for thread in threads:
        thread.start()
    opened.wait()
    # All of them are being served, and still there is somebody left to serve this.
    for _ in range(5):
        admin.get("/batches/1")
    stop.set()
    for thread in threads:
        thread.join()


MANY = 30_000
READ = MANY // 4
"""Rows of jobs that one page may read: the failures, a tenth, are grouped by their reason; never all there are."""


def test_pages_read_few_rows_of_many(web: Web, admin: Person) -> None:
    with web.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for state in ("active", "finished"):
            statement = text(
                "INSERT INTO batches (name, source_key, lane, state, options, finished_at) VALUES ('b', 'k', 'bulk', "
                "CAST(:s AS text), '{}', CASE WHEN :s = 'finished' THEN now() END)"
            )
            connection.execute(statement, {"s": state})
        keep_output(connection)
        connection.execute(
            text(
                "INSERT INTO jobs (batch_id, state, finished_at, artifact_sha256, source_uri, item_key, name, sku, "
                "code, message, elements, subject_elements) SELECT 1 + n % 2, s, "
                "CASE WHEN s <> 'pending' THEN now() END, CASE WHEN s = 'succeeded' THEN :output END, "
                "'https://shop.example/' || n, n::text, "
                "n || '.jpg', 's-' || n, CASE WHEN n % 10 = 0 THEN '703' WHEN n % 50 = 1 THEN 'unchanged' ELSE '200' "
                "END, 'because', '{1}', '{1}' FROM (SELECT n, CASE WHEN n % 10 = 0 THEN 'dead' "
                "WHEN n % 50 = 1 THEN 'held' WHEN n % 2 = 0 THEN 'pending' ELSE 'succeeded' END AS s "
                "FROM generate_series(1, :many) AS n) AS made"
            ),
            {"output": OUTPUT, "many": MANY},
        )
    with web.engine.begin() as connection:
        tallies.fold(connection)
        connection.execute(text("ANALYZE jobs"))
    paths = ["/", "/batches", "/batches/1", "/batches/2", "/batches/1?state=dead&code=703", "/batches/1?sku=s-50"]
    paths += ["/batches/1?after=27000", "/jobs/15000", "/review", "/review?batch=2", "/audit"]
    read = {}
    for path in paths:
        before = rows_read(web.engine, "jobs")
        admin.get(path)
        read[path] = rows_read(web.engine, "jobs") - before
    assert {path: count for path, count in read.items() if count > READ} == {}


def test_an_error_nobody_foresaw_is_a_page_that_tells_nothing_and_a_line_that_tells_all(
    admin: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(batches, "newest", fail)
    answer = admin.http.get("/batches", headers={"X-Request-ID": "abc-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-request-id"] == "abc-1"
    assert "Something unexpected" in answer.text
    assert "secret" not in answer.text
    assert "a request failed: GET /batches" in caplog.text
    assert "secret inside" in caplog.text
