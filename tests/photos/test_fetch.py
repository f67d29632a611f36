"""Fetching from servers that redirect, stall, drip, bomb and point elsewhere."""

import gzip
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import SourceRefused, SourceUnreachable
from photos.fetch import MAX_REDIRECTS, Fetcher
from tests.removal.loopback import Talk, serving

LIMIT = 100_000
QUICK = 0.4


def fetcher(*, timeout: float = 5.0, allow: str = "127.0.0.1") -> Fetcher:
    return Fetcher(timeout, LIMIT, allow, "cleanplate-test")


def answering(body: bytes, status: int = 200) -> Callable[[Talk], None]:
    """Return a behaviour: one request, this answer."""

    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(body, status)

    return behave


def test_a_photo_is_fetched_over_one_kept_connection() -> None:
    seen: list[bytes] = []

    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            seen.append(request)
            talk.answer(b"pixels", headers="Content-Type: image/jpeg\r\n")

    with serving(behave) as server:
        fetch = fetcher()
        first = fetch.get(f"{server.url}/a b/ä.jpg?size=1#top")
        second = fetch.get(f"{server.url}/second.jpg")
        fetch.close()
        assert server.connections == 1
    assert (first.data, first.content_type, second.data) == (b"pixels", "image/jpeg", b"pixels")
    assert first.final_url == f"{server.url}/a%20b/%C3%A4.jpg?size=1"
    assert not first.is_public
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b/%C3%A4.jpg?size=1 HTTP/1.1"
    assert {f"Host: 127.0.0.1:{server.port}", "User-Agent: cleanplate-test", "Accept-Encoding: identity"} <= set(lines)


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(b"pixels")

    with serving(behave) as server:
        fetch = fetcher()
        assert [fetch.get(server.url).data for _ in range(3)] == [b"pixels"] * 3
        fetch.close()
        assert server.connections == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            if b" /end" in request:
                talk.answer(b"pixels")
            else:
                talk.answer(b"", status, "Location: /end?x=1\r\n")

    with serving(behave) as server:
        fetch = fetcher()
        assert fetch.get(f"{server.url}/start").final_url == f"{server.url}/end?x=1"
        fetch.close()


def test_redirects_end_somewhere() -> None:
    asked: list[bytes] = []

    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            asked.append(request)
            talk.answer(b"", 302, "Location: /again\r\n")

    with serving(behave) as server:
        fetch = fetcher()
        with pytest.raises(SourceRefused) as caught:
            fetch.get(server.url)
        fetch.close()
    assert caught.value.code == "too_many_redirects"
    assert len(asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.2/", "address_forbidden"),
        ("http://[::1]/", "address_forbidden"),
        ("http://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("//10.0.0.1/", "address_forbidden"),
        ("file:///etc/passwd", "url_scheme"),
        ("gopher://127.0.0.1/", "url_scheme"),
        ("http://[broken/", "url_invalid"),
    ],
)
def test_a_redirect_leads_nowhere_a_url_may_not(location: str, code: str) -> None:
    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(b"", 302, f"Location: {location}\r\n")

    with serving(behave) as server:
        fetch = fetcher(allow=f"127.0.0.1:{server.port}")
        with pytest.raises(SourceRefused) as caught:
            fetch.get(server.url)
        fetch.close()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "localhost",
    ],
)
def test_this_machine_is_not_reached_under_any_spelling(host: str) -> None:
    with serving(lambda talk: talk.answer(b"secret")) as server:
        fetch = fetcher(allow="")
        with pytest.raises(SourceRefused) as caught:
            fetch.get(f"http://{host}:{server.port}/")
        fetch.close()
        assert server.connections == 0
    assert caught.value.code == ("url_invalid" if host == "0177.0.0.1" else "address_forbidden")


def resolving_to(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Return a `getaddrinfo` that gives the next address each time it is asked, the last one from then on."""
    left = list(addresses)

    def getaddrinfo(_host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in address.split()]

    return getaddrinfo


def test_a_name_that_changes_after_the_check_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda talk: talk.answer(b"pixels")) as server:
        # Allowed at the first look, forbidden at any later one.
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1", "127.0.0.2"))
        fetch = fetcher()
        assert fetch.get(f"http://shop.example:{server.port}/").data == b"pixels"
        fetch.close()
        fetch = fetcher()
        with pytest.raises(SourceRefused, match="not a public address"):
            fetch.get(f"http://shop.example:{server.port}/")
        fetch.close()


def test_one_forbidden_address_among_others_is_enough_and_is_for_the_log_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(lambda talk: talk.answer(b"pixels")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1 10.0.0.1"))
        fetch = fetcher()
        with pytest.raises(SourceRefused, match="not a public address") as refused:
            fetch.get(f"http://shop.example:{server.port}/")
        fetch.close()
        assert "shop.example" not in str(refused.value)
        assert "10.0.0.1" not in str(refused.value)
        assert "shop.example leads to 10.0.0.1" in caplog.text
        assert server.connections == 0


def test_an_allowed_name_may_resolve_to_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda talk: talk.answer(b"pixels")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1"))
        fetch = fetcher(allow="shop.example")
        assert fetch.get(f"http://shop.example:{server.port}/").data == b"pixels"
        fetch.close()


def test_a_dead_address_does_not_hide_a_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda talk: talk.answer(b"pixels")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.3 127.0.0.1"))
        fetch = fetcher(allow="127.0.0.0/8")
        assert fetch.get(f"http://shop.example:{server.port}/").data == b"pixels"
        fetch.close()


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnreachable) as caught:
        fetcher().get("http://shop.example/a.jpg")
    assert (caught.value.code, caught.value.is_final) == ("dns_failed", False)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "url_scheme"),
        ("shop.example/a.jpg", "url_scheme"),
        ("ftp://shop.example/a.jpg", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("http://", "url_invalid"),
        ("http://[::1", "url_invalid"),
        ("http://shop.example:port/", "url_invalid"),
        ("http://shop.example:0/", "url_invalid"),
        ("http://shop.example/\r\nHost: other", "url_invalid"),
        ("http://" + "a" * 300 + ".example/", None),
    ],
)
def test_urls_that_cannot_be_fetched(url: str, code: str | None) -> None:
    with pytest.raises((SourceRefused, SourceUnreachable)) as caught:
        fetcher().get(url)
    assert caught.value.code == (code or "dns_failed")


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(404, True), (410, True), (403, True), (401, True), (429, False), (500, False), (503, False)],
)
def test_statuses_are_reported(status: int, is_final: bool) -> None:
    with serving(answering(b"<html>no", status)) as server:
        fetch = fetcher()
        with pytest.raises(SourceUnreachable) as caught:
            fetch.get(f"{server.url}/a.jpg?signature=abc")
        fetch.close()
    error = caught.value
    assert (error.code, error.http_status, error.is_final) == (f"http_{status}", status, is_final)
    assert "signature" not in str(error)


def announce_too_much(talk: Talk) -> None:
    talk.read_request()
    talk.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
    talk.stay_silent()


def send_too_much(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not talk.stopping.is_set():
        talk.send(bytes(65536))


def send_a_bomb(talk: Talk) -> None:
    talk.read_request()
    talk.answer(gzip.compress(bytes(50_000_000), mtime=0), headers="Content-Encoding: gzip\r\n")


@pytest.mark.parametrize("behave", [announce_too_much, send_too_much, send_a_bomb])
def test_bodies_are_bounded(behave: Callable[[Talk], None]) -> None:
    with serving(behave) as server:
        fetch = fetcher()
        with pytest.raises(SourceRefused) as caught:
            fetch.get(server.url)
        fetch.close()
    assert caught.value.code == "too_large"


def test_a_body_of_exactly_the_bound_is_taken() -> None:
    with serving(answering(bytes(LIMIT))) as server:
        fetch = fetcher()
        assert len(fetch.get(server.url).data) == LIMIT
        fetch.close()


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_compressed_unasked_are_unpacked(name: str, pack: Callable[[bytes], bytes]) -> None:
    photo = b"pixels" * 1000

    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(pack(photo), headers=f"Content-Encoding: {name}\r\n")

    with serving(behave) as server:
        fetch = fetcher()
        assert fetch.get(server.url).data == photo
        fetch.close()


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        ("br", b"xxxx", SourceRefused),
        ("gzip", b"xxxx", SourceUnreachable),
        ("gzip", gzip.compress(b"pixels" * 1000, mtime=0)[:-12], SourceUnreachable),
    ],
    ids=["foreign", "no gzip", "cut off"],
)
def test_bodies_that_cannot_be_unpacked(encoding: str, body: bytes, error: type[Exception]) -> None:
    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(body, headers=f"Content-Encoding: {encoding}\r\n")

    with serving(behave) as server:
        fetch = fetcher()
        with pytest.raises(error) as caught:
            fetch.get(server.url)
        fetch.close()
    assert getattr(caught.value, "code", "") == "content_encoding"


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


def redirect_slowly(talk: Talk) -> None:
    while talk.read_request():
        talk.stopping.wait(0.15)
        talk.answer(b"", 302, "Location: /next\r\n")


@pytest.mark.parametrize("behave", [stall, drip_the_head, drip_the_body, redirect_slowly])
def test_one_fetch_has_one_deadline_in_all(behave: Callable[[Talk], None]) -> None:
    with serving(behave) as server:
        fetch = fetcher(timeout=QUICK)
        began = time.monotonic()
        with pytest.raises(SourceUnreachable) as caught:
            fetch.get(server.url)
        assert time.monotonic() - began >= QUICK
        fetch.close()
    # With a deadline for each step alone all but the first would end well, or with too many redirects.
    assert caught.value.code == "fetch_timeout"


def hang_up(talk: Talk) -> None:
    talk.read_request()


def hang_up_within_the_body(talk: Talk) -> None:
    talk.read_request()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


@pytest.mark.parametrize("behave", [hang_up, hang_up_within_the_body])
def test_a_connection_that_breaks(behave: Callable[[Talk], None]) -> None:
    with serving(behave) as server:
        fetch = fetcher()
        with pytest.raises(SourceUnreachable) as caught:
            fetch.get(server.url)
        fetch.close()
    assert caught.value.code == "connection_lost"


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceUnreachable) as caught:
        fetcher().get(f"http://127.0.0.1:{port}/")
    assert caught.value.code == "connect_failed"


@pytest.mark.parametrize(
    ("told", "is_whole"),
    [
        ("bytes 0-5/6", True),
        ("bytes 0-4/6", False),
        ("bytes 1-5/6", False),
        ("bytes 0-5/*", False),
        ("", False),
    ],
)
def test_a_part_that_is_the_whole_is_taken(told: str, is_whole: bool) -> None:
    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(b"pixels", 206, f"Content-Range: {told}\r\n" if told else "")

    with serving(behave) as server:
        fetch = fetcher()
        if is_whole:
            assert fetch.get(server.url).data == b"pixels"
        else:
            with pytest.raises(SourceUnreachable, match="HTTP 206"):
                fetch.get(server.url)
        fetch.close()


def test_what_a_server_calls_a_file_is_told() -> None:
    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(b"pixels", 200, 'Content-Disposition: attachment; filename="../r\u00f6d.jpg"\r\n')

    with serving(behave) as server:
        fetch = fetcher()
        assert fetch.get(server.url).name == "r\u00f6d.jpg"
        fetch.close()


def test_credentials_reach_their_own_server_and_no_other() -> None:
    heads: list[tuple[int, bool]] = []

    def behave(talk: Talk) -> None:
        request = talk.read_request()
        heads.append((talk.sock.getsockname()[1], b"Authorization: Basic dXNlcjpwYXNz" in request))
        talk.answer(b"pixels")

    with serving(behave) as other:

        def redirect_away(talk: Talk) -> None:
            request = talk.read_request()
            heads.append((talk.sock.getsockname()[1], b"Authorization: Basic dXNlcjpwYXNz" in request))
            talk.answer(b"", 302, f"Location: {other.url}/away\r\n")

        with serving(redirect_away) as server:
            fetch = fetcher()
            fetched = fetch.get(f"http://user:pass@127.0.0.1:{server.port}/a.jpg")
            fetch.close()
            assert heads == [(server.port, True), (other.port, False)]
    assert "pass" not in fetched.final_url


def test_credentials_stay_out_of_errors() -> None:
    with serving(answering(b"", 404)) as server:
        fetch = fetcher()
        with pytest.raises(SourceUnreachable) as caught:
            fetch.get(f"http://user:hunter2@127.0.0.1:{server.port}/a.jpg?token=hunter2")
        fetch.close()
    assert "hunter2" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(answering(b"pixels")) as server:
        fetch = fetcher()
        assert fetch.get(server.url).data == b"pixels"
        fetch.close()


def test_one_fetch_may_take_more_or_less_than_the_others() -> None:
    fetch = fetcher()
    with serving(answering(b"x" * (LIMIT + 1))) as server:
        assert len(fetch.get(server.url, max_bytes=LIMIT + 1).data) == LIMIT + 1
    with serving(answering(b"x" * 11)) as server, pytest.raises(SourceRefused) as caught:
        fetch.get(server.url, max_bytes=10)
    fetch.close()
    assert caught.value.code == "too_large"
    assert "10 bytes" in str(caught.value)
