"""Callbacks: told once for what happened, signed, again until it is taken, and never to private addresses."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, text
from standardwebhooks.webhooks import Webhook

from core.settings import Settings
from db import artifacts, batches, callbacks, jobs, redo, requeues, reviews, success
from producer.callbacks import courier as courier_module
from producer.callbacks.courier import Courier
from producer.rounds import run_rounds
from tests.db.rows import claim, enqueue, make_batch

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Shop:
    """A server that takes callbacks, or does not."""

    def __init__(self) -> None:
        self.status = 200
        self.answer = b""
        self.taken: list[tuple[dict[str, str], bytes]] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(shop.status)
                self.send_header("Content-Length", str(len(shop.answer)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(shop.answer)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            # Room for all that come at once.
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the events that came, their signatures checked."""
        for headers, body in self.taken:
            Webhook(SECRET).verify(body, headers)
        return [(found["type"], found["data"]) for _, body in self.taken if (found := json.loads(body))]


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def courier(engine: Engine, allow: str = "127.0.0.1") -> Courier:
    told = Settings(_env_file=None, fetch_allow_private=allow, artifact_public_url="https://cdn.example")
    return Courier(engine, told)


def listen(engine: Engine, url: str, batch_id: int = 1) -> None:
    with engine.begin() as connection:
        callbacks.set_target(connection, batch_id, url=url, secret=SECRET)


def end(engine: Engine, job_id: int, state: str) -> None:
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        if state == "succeeded":
            sha256 = artifacts.keep(connection, b"x", image_format="PNG", width=1, height=1)
            success.succeed(connection, job, artifact_sha256=sha256)
        else:
            jobs.stop(connection, job, state=state, code="801", message="model failed", spent=1)


def test_what_becomes_of_a_batch_is_told_once(engine: Engine, shop: Shop) -> None:
    ids = make_batch(engine, 3, queued=True)
    [quiet] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    for job_id, state in zip(ids, ("succeeded", "dead", "held"), strict=True):
        end(engine, job_id, state)
    end(engine, quiet, "succeeded")
    with engine.begin() as connection:
        assert batches.finish_settled(connection) == [1, 2]
    sender = courier(engine)
    assert sender.send_due() == 4
    assert sender.send_due() == 0
    told = sorted(shop.told(), key=lambda each: each[1].get("job_id", 9))
    assert [(event, data.get("job_id"), data["state"]) for event, data in told] == [
        ("job.succeeded", 1, "succeeded"),
        ("job.dead", 2, "dead"),
        ("job.held", 3, "held"),
        ("batch.finished", None, "finished"),
    ]
    assert told[0][1]["artifact_url"].startswith("https://cdn.example/2d/2d71")
    assert (told[1][1]["code"], "artifact_url" in told[1][1]) == ("801", False)
    assert len({headers["webhook-id"] for headers, _ in shop.taken}) == 4


def test_what_a_person_decides_is_told_too(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    end(engine, job_id, "held")
    listen(engine, shop.url)
    with engine.begin() as connection:
        reviews.reject(connection, [job_id])
    courier(engine).send_due()
    assert [event for event, _ in shop.told()] == ["job.dead"]


def test_an_output_that_is_made_again_is_told_too(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    end(engine, job_id, "succeeded")
    sender = courier(engine)
    assert sender.send_due() == 1
    # The same output once more is nothing new.
    for mask, tries in (("box 0,0,1,1", 1), ("box 0,0,2,2", 0)):
        with engine.begin() as connection:
            again = redo.add(connection, job_id, mask=mask, input_uri=None, item_key=mask).job_id
            enqueue(connection, "id = :id", id=again)
        job = claim(engine, again)
        assert job is not None
        with engine.begin() as connection:
            sha256 = artifacts.keep(connection, b"better", image_format="PNG", width=1, height=1)
            success.succeed(connection, job, artifact_sha256=sha256)
        assert sender.send_due() == tries
    assert [(event, data["job_id"]) for event, data in shop.told()] == [("job.succeeded", job_id)] * 2
    first, second = (data["artifact_url"] for _, data in shop.told())
    assert first != second


def test_it_is_tried_again_later_and_with_the_same_id(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    end(engine, job_id, "dead")
    shop.status = 500
    waits = []
    for _ in range(3):
        sender = courier(engine)
        assert sender.send_due() == 1
        assert sender.send_due() == 0
        with engine.begin() as connection:
            wait = text("SELECT extract(epoch FROM available_at - now()) FROM callbacks")
            waits.append(round(connection.execute(wait).scalar_one()))
            connection.execute(text("UPDATE callbacks SET available_at = now()"))
    assert waits == [5, 15, 45]
    shop.status = 204
    assert courier(engine).send_due() == 1
    assert len({headers["webhook-id"] for headers, _ in shop.taken}) == 1
    with engine.connect() as connection:
        row = connection.execute(text("SELECT tries, ended_at IS NOT NULL, last_error FROM callbacks")).one()
    assert tuple(row) == (4, True, None)


def test_after_a_day_it_has_failed_for_good(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    end(engine, job_id, "dead")
    shop.status = 500
    with engine.begin() as connection:
        connection.execute(text("UPDATE callbacks SET created_at = now() - interval '25 hours'"))
    courier(engine).send_due()
    with engine.connect() as connection:
        row = connection.execute(text("SELECT ended_at IS NOT NULL, last_error FROM callbacks")).one()
    assert tuple(row) == (True, "HTTP 500")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/hook", "not a public address"),
        ("http://localhost:9/hook", "not a public address"),
        ("http://[::1]:9/hook", "not a public address"),
        ("ftp://shop.example/hook", "ftp"),
    ],
)
def test_private_addresses_are_not_told(engine: Engine, url: str, words: str) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, url)
    end(engine, job_id, "dead")
    courier(engine, allow="").send_due()
    with engine.connect() as connection:
        assert words in connection.execute(text("SELECT last_error FROM callbacks")).scalar_one()


def test_two_senders_tell_it_once(engine: Engine, shop: Shop) -> None:
    ids = make_batch(engine, 20, queued=True)
    listen(engine, shop.url)
    for job_id in ids:
        end(engine, job_id, "dead")
    senders = [courier(engine) for _ in range(3)]
    threads = [threading.Thread(target=lambda one=sender: [one.send_due() for _ in range(3)]) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(data["job_id"] for _, data in shop.told()) == ids


def test_a_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(callbacks.Callback(1, 1, datetime.now(UTC), "u", SECRET, "e", 0, {}))


def test_a_shop_that_does_not_answer_holds_up_nobody(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "SEND_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        dead = make_batch(engine, 40, queued=True)
        listen(engine, f"http://127.0.0.1:{silent.getsockname()[1]}/", batch_id=1)
        ids = make_batch(engine, 20, queued=True)
        listen(engine, shop.url, batch_id=2)
        for job_id in [*dead, *ids]:
            end(engine, job_id, "dead")
        sender = courier(engine)
        rounds = 0
        while len(shop.taken) < 20:
            sender.send_due()
            rounds += 1
            assert rounds < 20
        assert sorted(data["job_id"] for _, data in shop.told()) == ids
        with engine.connect() as connection:
            tried = text("SELECT count(*) FROM callbacks WHERE batch_id = 1 AND tries > 0")
            assert connection.execute(tried).scalar_one() <= 9


def test_what_is_told_is_what_happened_then(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    end(engine, job_id, "dead")
    with engine.begin() as connection:
        assert requeues.requeue(connection, 1, None) == 1
        happened = connection.execute(text("SELECT created_at FROM callbacks")).scalar_one()
    courier(engine).send_due()
    [(_, body)] = shop.taken
    told = json.loads(body)
    assert (told["type"], told["data"]["state"]) == ("job.dead", "dead")
    assert datetime.fromisoformat(told["timestamp"]) == happened


@pytest.mark.parametrize("url", ["http://[bad/", "http://x:99999/", "http:///", "http://ü.example/", "http://a b/"])
def test_no_url_ends_the_sending(engine: Engine, url: str) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, url)
    end(engine, job_id, "dead")
    assert courier(engine).send_due() == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT last_error FROM callbacks")).scalar_one()


def test_an_error_nobody_foresaw_does_not_end_the_duty() -> None:
    rounds: list[int] = []
    waits: list[int] = []

    def fail_first() -> int:
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("unforeseen")
        stop.set()
        return 0

    stop = threading.Event()
    run_rounds(stop, fail_first, full=1, wait=lambda: waits.append(len(rounds)))
    assert len(rounds) == 2
    assert waits == [1, 2]


def test_a_late_failure_does_not_revive_what_was_delivered(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, "https://shop.example/hook")
    end(engine, job_id, "dead")
    with engine.begin() as connection:
        [callback] = callbacks.take_due(connection, 1)
        callbacks.note_delivered(connection, callback.id)
        callbacks.note_failed(connection, callback.id, tries=callback.tries, why="timeout")
        assert connection.execute(text("SELECT last_error FROM callbacks")).scalar_one() is None


def test_how_much_a_shop_answers_does_not_matter(engine: Engine, shop: Shop) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    listen(engine, shop.url)
    shop.answer = b"x" * 3_000_000
    end(engine, job_id, "dead")
    courier(engine).send_due()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT ended_at IS NOT NULL FROM callbacks")).scalar_one()
