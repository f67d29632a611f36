"""The client against servers that answer, stall, drip, hang up and lie."""

import errno
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import UsageError
from core.states import AnswerClass
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from tests.removal.loopback import Talk, serving

SECRET = "s3cret-of-the-account"
OUTPUT = "https://cdn.example/out.png"
SUCCESS = json.dumps({"resCode": 200, "data": {"imageUrl": OUTPUT}, "requestId": "r-1"}).encode()
REQUEST = RemovalRequest("https://shop.example/a.jpg", None, (), (1, 2))
QUICK = 0.4


def client_for(url: str, read_timeout: float = 5.0) -> RemovalClient:
    return RemovalClient(f"{url}/ai/image/removal", "key-1", SECRET, connect_timeout=60.0, read_timeout=read_timeout)


def answer_all(talk: Talk) -> None:
    while talk.read_request():
        talk.answer(SUCCESS)


def test_a_call_is_signed_and_answered() -> None:
    seen: list[bytes] = []

    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            seen.append(request)
            talk.answer(SUCCESS)

    with serving(behave) as server:
        client = RemovalClient(f"{server.url}/ai/image/removal?lang=en", "key-1", SECRET, trial=True)
        answer = client.call(REQUEST)
        client.close()
    assert (answer.answer_class, answer.output_url, answer.request_id) == (AnswerClass.SUCCESS, OUTPUT, "r-1")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert answer.bytes_sent == len(seen[0])
    line, *headers = head.decode().split("\r\n")
    target = line.split(" ")[1]
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    signed = hmac.new(SECRET.encode(), (SECRET + query["timestamp"]).encode(), hashlib.sha256).hexdigest().upper()
    assert (query["sign"], query["app_key"], query["lang"]) == (signed, "key-1", "en")
    assert abs(int(query["timestamp"]) / 1000 - time.time()) < 60
    assert {"Content-Type: application/json", "x-iop-trial: true"} <= set(headers)
    assert json.loads(body)["image_url"] == "https://shop.example/a.jpg"


def test_a_call_goes_by_the_time_that_it_is_told_and_not_by_this_machines() -> None:
    fleets = 1_000_000_000.0
    seen: list[bytes] = []

    def behave(talk: Talk) -> None:
        seen.append(talk.read_request())
        until = f"Retry-After: {formatdate(fleets + 300, usegmt=True)}\r\n".encode()
        talk.send(b"HTTP/1.1 429 Too Many Requests\r\n" + until + b"Content-Length: 2\r\n\r\n{}")

    with serving(behave) as server:
        client = client_for(server.url)
        answer = client.send(client.prepare(REQUEST), signed_at=fleets)
        client.close()
    target = seen[0].split(b" ", 2)[1].decode()
    assert parse_qs(urlsplit(target).query)["timestamp"] == ["1000000000000"]
    # Not as long as from this machine's time to then, and none of the time that the call took.
    assert answer.ban_seconds is not None
    assert answer.ban_seconds == pytest.approx(300 - answer.latency_seconds)


def test_every_send_of_one_prepared_call_is_signed_anew() -> None:
    targets: list[bytes] = []

    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            targets.append(request.split(b" ", 2)[1])
            time.sleep(0.002)  # the timestamp counts milliseconds
            talk.answer(SUCCESS)

    with serving(behave) as server:
        client = client_for(server.url)
        prepared = client.prepare(REQUEST)
        client.send(prepared)
        client.send(prepared)
        client.close()
    assert len(set(targets)) == 2


def test_one_connection_is_opened_ahead_and_kept() -> None:
    with serving(answer_all) as server:
        client = client_for(server.url)
        client.connect()
        assert server.wait_for_connections(1)
        client.connect()
        assert [client.call(REQUEST).code for _ in range(3)] == ["200"] * 3
        assert server.connections == 1
        client.close()


@pytest.mark.parametrize("calls_before", [0, 1], ids=["unused", "used"])
def test_a_connection_the_server_closed_while_idle_is_replaced(calls_before: int) -> None:
    closed = threading.Semaphore(0)

    def behave(talk: Talk) -> None:
        for _ in range(calls_before if server.connections == 1 else 1):
            talk.read_request()
            talk.answer(SUCCESS)
        talk.sock.shutdown(socket.SHUT_RDWR)
        closed.release()

    with serving(behave) as server:
        client = client_for(server.url)
        client.connect()
        for _ in range(calls_before):
            client.call(REQUEST)
        assert closed.acquire(timeout=60)
        assert client.call(REQUEST).code == "200"
        assert server.connections == 2
        client.close()


def hang_up(talk: Talk) -> None:
    talk.read_request()


def hang_up_within_the_body(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + SUCCESS)


def fail_and_hang_up(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 4\r\nContent-Length: 500\r\n\r\n<html>")


def speak_something_else(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"220 mail.example ready\r\n")


def never_stop(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not talk.stopping.is_set():
        talk.send(b"x" * 65536)


def redirect(talk: Talk) -> None:
    talk.read_request()
    talk.answer(b"", 302, f"Location: {OUTPUT}\r\n")


def answer_html(talk: Talk) -> None:
    talk.read_request()
    talk.answer(b"<html>Welcome to the hotel's network</html>")


@pytest.mark.parametrize(
    ("behave", "expected", "code", "status"),
    [
        (hang_up, AnswerClass.MAYBE_BILLED, "connection_lost", None),
        (hang_up_within_the_body, AnswerClass.MAYBE_BILLED, "connection_lost", 200),
        (fail_and_hang_up, AnswerClass.PROVIDER_FAULT, "http_503", 503),
        (speak_something_else, AnswerClass.MAYBE_BILLED, "connection_lost", None),
        (never_stop, AnswerClass.UNKNOWN, "answer_too_long", 200),
        (redirect, AnswerClass.UNKNOWN, "http_302", 302),
        (answer_html, AnswerClass.UNKNOWN, "not_json", 200),
    ],
)
def test_servers_that_misbehave(
    behave: Callable[[Talk], None], expected: AnswerClass, code: str, status: int | None
) -> None:
    with serving(behave) as server:
        client = client_for(server.url)
        answer = client.call(REQUEST)
        client.close()
    assert (answer.answer_class, answer.code, answer.http_status) == (expected, code, status)
    assert answer.message
    assert answer.bytes_sent > 0
    assert len(answer.raw) <= 4096
    assert answer.ban_seconds == (4.0 if status == 503 else None)


def stall(talk: Talk) -> None:
    talk.read_request()
    talk.stay_silent()


def drip_the_head(talk: Talk) -> None:
    talk.read_request()
    talk.drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 1000, 0.05)


def drip_the_body(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    talk.drip(b"x" * 1000, 0.05)


@pytest.mark.parametrize("behave", [stall, drip_the_head, drip_the_body])
def test_an_answer_has_one_deadline_in_all(behave: Callable[[Talk], None]) -> None:
    with serving(behave) as server:
        client = client_for(server.url, read_timeout=QUICK)
        answer = client.call(REQUEST)
        client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.MAYBE_BILLED, "read_timeout")
    assert answer.latency_seconds >= QUICK


def test_half_a_request_cannot_have_been_billed() -> None:
    with serving(Talk.stay_silent) as server:
        client = client_for(server.url, read_timeout=QUICK)
        answer = client.call(RemovalRequest(None, bytes(20_000_000), (), (1,)))
        client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.PROVIDER_FAULT, "send_timeout")
    assert 0 < answer.bytes_sent < 20_000_000


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = client_for(f"http://127.0.0.1:{port}")
    client.connect()
    answer = client.call(REQUEST)
    assert (answer.answer_class, answer.code, answer.bytes_sent) == (AnswerClass.PROVIDER_FAULT, "connect_error", 0)


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    answer = client_for("http://api.example").call(REQUEST)
    assert (answer.answer_class, answer.code) == (AnswerClass.PROVIDER_FAULT, "connect_error")


def test_a_machine_without_a_free_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    client = client_for("http://127.0.0.1:9")
    monkeypatch.setattr(socket, "socket", fail)
    answer = client.call(REQUEST)
    assert (answer.answer_class, answer.code) == (AnswerClass.PROVIDER_FAULT, "connect_error")


def test_a_server_that_does_not_speak_tls() -> None:
    with serving(lambda talk: talk.answer(b"plain HTTP only", 400)) as server:
        client = client_for(server.url.replace("http:", "https:"))
        answer = client.call(REQUEST)
        client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.PROVIDER_FAULT, "connect_error")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(answer_all) as server:
        client = client_for(server.url)
        assert client.call(REQUEST).code == "200"
        client.close()


def test_threads_have_a_connection_each_and_close_ends_them_all() -> None:
    with serving(answer_all) as server:
        client = client_for(server.url)
        together = threading.Barrier(4)
        codes: list[str] = []

        def work() -> None:
            client.connect()
            together.wait(60)
            codes.extend(client.call(REQUEST).code for _ in range(5))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert codes == ["200"] * 20
        assert server.connections == 4
        client.close()
        assert client.call(REQUEST).code == "200"
        client.close()


def test_the_secret_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    for name in (None, "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    with serving(hang_up) as server:
        client = client_for(server.url)
        shown = [repr(client), repr(client.prepare(REQUEST)), repr(client.call(REQUEST)), caplog.text]
        client.close()
    shown.append(repr(client_for("http://127.0.0.1:1").call(REQUEST)))
    assert "POST" in caplog.text
    assert not any(SECRET in text for text in shown)


@pytest.mark.parametrize(
    "url", ["", "api.example/removal", "ftp://api.example", "http://", "http://[::1", "http://a:b/"]
)
def test_a_url_that_cannot_be_called_is_said_at_once(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        RemovalClient(url, "key-1", SECRET)
    assert SECRET not in str(caught.value)
