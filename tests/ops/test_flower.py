"""Flower over HTTP: closed to strangers, true about tasks, linked to photos."""

import subprocess
import sys
from typing import Any

import httpx
import pytest
from celery.states import READY_STATES

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


@pytest.mark.parametrize("auth", ["", "ops", "ops:", "ops:short", ":long enough a password"])
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
