"""What the processes of a fleet log, and what they never do."""

import json
import logging
import re
import sys
import threading
from typing import Any

import pytest
import structlog

from core import logs
from tests.console.conftest import Web
from tests.ops.conftest import FLOWER_AUTH, PHOTOS, SECRETS, Watched


def told(watched: Watched, role: str) -> list[dict[str, Any]]:
    """Return every line of a process, each one object."""
    return [json.loads(line) for line in watched.lines(role) if line.startswith("{")]


def test_every_line_is_one_object(watched: Watched) -> None:
    for role in ("worker", "dispatcher", "web", "flower"):
        lines = watched.lines(role)
        assert [line for line in lines if not line.startswith("{")] == []
        for line in told(watched, role):
            assert line["role"] == role
            assert line.keys() >= {"event", "level", "logger", "timestamp"}
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_web_says_where_it_listens(watched: Watched) -> None:
    port = watched.ports["pages"]
    assert any(f"http://127.0.0.1:{port}" in line["event"] for line in told(watched, "web"))


def test_each_attempt_is_one_line_with_its_ids(watched: Watched) -> None:
    found = [line for line in told(watched, "worker") if line["event"] == "attempt"]
    states = sorted(line["state"] for line in found)
    assert states == ["dead", "pending", *["succeeded"] * PHOTOS]
    for line in found:
        assert line.keys() >= {"batch", "job", "lane", "code", "seconds"}
        assert (line["batch"], line["lane"]) == (watched.batch, "bulk")
        if line["state"] != "dead":
            assert line.keys() >= {"attempt", "request_id", "answer", "http_status", "latency_seconds", "spend"}
    called = [line for line in found if "attempt" in line]
    assert len({line["attempt"] for line in called}) == PHOTOS + 1
    assert len({line["request_id"] for line in called}) == PHOTOS + 1
    # The photo that is none was never called for, and nothing of another photo's call stands in its line.
    dead = next(line for line in found if line["state"] == "dead")
    assert not {"attempt", "request_id", "answer"} & dead.keys()


def test_no_secret_is_logged(watched: Watched) -> None:
    password = watched.fleet.redis_url.split(":")[2].partition("@")[0]
    everything = "\n".join(path.read_text() for path in watched.folder.glob("*.log"))
    assert len(everything) > 1000
    for secret in (*SECRETS.values(), FLOWER_AUTH.partition(":")[2], password):
        assert secret not in everything


def test_threads_do_not_mix_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers[:]
    try:
        logs.configure_logs("INFO", "test")
        barrier = threading.Barrier(4)

        def work(number: int) -> None:
            for turn in range(20):
                with logs.bound(job=number, batch=turn):
                    logs.bind(attempt=number * 100 + turn, request_id=None)
                    barrier.wait(60)
                    logging.getLogger("other").info("from a library: %s", number)
                structlog.stdlib.get_logger("ours").info("about %s of %s", "nothing", number, number=number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert len(lines) == 160
    for line in lines:
        if line["logger"] == "other":
            assert line["event"] == f"from a library: {line['job']}"
            assert line["attempt"] == line["job"] * 100 + line["batch"]
            assert "request_id" not in line
        else:
            assert line["event"] == f"about nothing of {line['number']}"
            assert not {"job", "batch", "attempt", "positional_args"} & line.keys()


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_how_much_is_told(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    root, before, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    try:
        logs.configure_logs(level, "test")
        for each in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger("x"), each)(each)
        lines = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)
        structlog.reset_defaults()
    all_levels = ["debug", "info", "warning", "error"]
    assert lines == all_levels[all_levels.index(level.lower()) :]


@pytest.mark.parametrize("on_terminal", [False, True])
def test_an_error_tells_where_it_was_but_not_what_was_in_hand(
    *, on_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(api_secret: str) -> None:
        raise RuntimeError(f"broken, {len(api_secret)}")

    root, level, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    try:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal, raising=False)
        logs.configure_logs("INFO", "test")
        try:
            fail("-".join(["not", "to", "be", "told"]))
        except RuntimeError:
            logging.getLogger("x").exception("it failed")
        told = capsys.readouterr().err
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert "RuntimeError" in told
    assert "test_logs.py" in told
    assert "not-to-be-told" not in told


def test_a_request_has_an_id(web: Web) -> None:
    assert web.client.get("/healthz", headers={"X-Request-ID": "abc-123"}).headers["x-request-id"] == "abc-123"
    for bad in ("", "x" * 200, 'a"b', "a b"):
        given = web.client.get("/healthz", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", given)
