"""Flower over HTTP: closed to strangers, true about tasks, linked to photos."""

import hashlib
import subprocess
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from celery.states import READY_STATES
from tornado.web import create_signed_value

from cli.flower.signed_in import COOKIE
from db import users
from db.users import Role
from tests.ops.conftest import FLOWER_AUTH, PHOTOS, Watched


def flower(watched: Watched, *, signed_in: bool = True) -> httpx.Client:
    name, _, password = FLOWER_AUTH.partition(":")
    auth = (name, password) if signed_in else None
    return httpx.Client(base_url=f"http://127.0.0.1:{watched.ports['flower']}", auth=auth, timeout=120)


def tasks(watched: Watched) -> dict[str, dict[str, Any]]:
    with flower(watched) as client:
        return dict(client.get("/api/tasks").json())


def test_nobody_sees_anything_without_the_password(watched: Watched) -> None:
    paths = ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers", "/metrics", "/healthcheck")
    with flower(watched, signed_in=False) as client:
        for path in (*paths, "/task/1.1", "/tasks/datatable", "/api/task/info/1.1"):
            assert client.get(path).status_code == 401, path
            assert client.get(path, auth=("ops", "wrong")).status_code == 401, path
    with flower(watched) as client:
        for path in paths:
            assert client.get(path).status_code == 200, path


def test_it_looks_and_does_not_steer(watched: Watched) -> None:
    with flower(watched) as client:
        worker = next(iter(client.get("/api/workers").json()), "x")
        assert client.post(f"/api/worker/shutdown/{worker}").status_code == 403
        assert client.post("/api/task/revoke/1.1").status_code == 403


def test_tasks_are_named_by_lane_and_in_their_true_states(watched: Watched) -> None:
    # Events come after the fact: the photo is done in the database a little before Flower hears of it.
    def is_told() -> bool:
        found = tasks(watched).values()
        return len(found) >= PHOTOS + 2 and all(task["state"] in READY_STATES | {"RETRY"} for task in found)

    watched.fleet.wait_until(is_told, 120)
    found = tasks(watched)
    assert {task["name"] for task in found.values()} == {"cleanplate.bulk"}
    states = sorted(task["state"] for task in found.values())
    assert states == ["FAILURE", "RETRY", *["SUCCESS"] * PHOTOS]


def test_a_task_leads_to_its_photo(watched: Watched) -> None:
    task = next(iter(tasks(watched)))
    job = task.partition(".")[0]
    with flower(watched) as client:
        page = client.get(f"/task/{task}").text
    assert f'<a href="{watched.web_url}/jobs/{job}">job {job}</a>' in page


def signed_in(watched: Watched, role: Role) -> httpx.Client:
    """Return a browser that is signed in to the console."""
    with watched.fleet.engine.begin() as connection:
        person = users.add(connection, role.value, role, None) or users.find(connection, role.value)
        assert person is not None
        cookie = users.open_session(connection, person.id)
    cookies = httpx.Cookies()
    cookies.set("cleanplate_session", cookie, domain="127.0.0.1")
    return httpx.Client(base_url=watched.web_url, cookies=cookies, headers={"accept": "text/html"}, timeout=120)


def test_the_console_hands_over_once_and_without_the_password(watched: Watched) -> None:
    with signed_in(watched, Role.OPERATOR) as browser:
        assert '<a href="/flower" rel="noopener">Flower</a>' in browser.get("/").text
        there = browser.get("/flower", params={"then": "/tasks"}).headers["location"]
        assert there.startswith(f"http://127.0.0.1:{watched.ports['flower']}/from-console?word=")
        assert FLOWER_AUTH.partition(":")[2] not in there
        entered = browser.get(there)
        assert (entered.status_code, entered.headers["location"]) == (302, "/tasks")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        for path in ("/tasks", "/api/workers", "/metrics"):
            assert browser.get(f"http://127.0.0.1:{watched.ports['flower']}{path}").status_code == 200, path
    with flower(watched, signed_in=False) as stranger:
        # Used before; made up.
        for url in (there, there.replace("word=", "word=1")):
            assert stranger.get(url).status_code == 403
        assert stranger.get("/tasks").status_code == 401
    word = parse_qs(urlsplit(there).query)["word"][0]
    for role in ("flower", "web"):
        told = "\n".join(watched.lines(role))
        assert word not in told
        assert FLOWER_AUTH.partition(":")[2] not in told


def test_after_an_hour_the_console_is_asked_again(watched: Watched) -> None:
    secret = hashlib.sha256(f"flower cookies {FLOWER_AUTH}".encode()).hexdigest()
    for minutes, is_let_in in ((50, True), (70, False)):
        signed_at = time.time() - minutes * 60
        told = create_signed_value(secret, COOKIE, "ann", clock=lambda at=signed_at: at).decode()
        page = httpx.get(
            f"http://127.0.0.1:{watched.ports['flower']}/tasks",
            headers={"accept": "text/html", "cookie": f"{COOKIE}={told}"},
            timeout=120,
        )
        assert (page.status_code == 200) == is_let_in
    assert page.headers["location"] == f"{watched.web_url}/flower?then=/tasks"


def test_it_is_not_handed_over_to_who_only_looks_nor_to_strangers(watched: Watched) -> None:
    with signed_in(watched, Role.VIEWER) as browser:
        assert "Flower" not in browser.get("/").text
        assert browser.get("/flower").status_code == 403
    stranger = httpx.get(f"{watched.web_url}/flower", headers={"accept": "text/html"}, timeout=120)
    assert stranger.headers["location"].startswith("/sign-in")


def test_it_leads_on_to_pages_of_flower_only(watched: Watched) -> None:
    with signed_in(watched, Role.OPERATOR) as browser:
        for then in ("//evil.example", "https://evil.example/", "/\\evil.example"):
            there = browser.get("/flower", params={"then": then}).headers["location"]
            assert browser.get(there).headers["location"] == "/"
            word = there.partition("then=")[0]
            assert "evil" not in word


@pytest.mark.parametrize("auth", ["", "ops", "ops:", ":long enough a phrase"])
def test_it_does_not_start_without_a_password(auth: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "flower"],
        env={"REDIS_URL": "redis://127.0.0.1:1/0", "FLOWER_BASIC_AUTH": auth, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "FLOWER_BASIC_AUTH is `name:password`" in done.stderr
